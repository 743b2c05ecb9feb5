"""Compares setpoints in words: of two recipes by stage, or of a node with a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any, NamedTuple

from idroserra.i18n.translate import gettext as _
from idroserra.i18n.translate import ngettext
from idroserra.recipes import describe
from idroserra.recipes.model import Recipe, Stage


class Change(NamedTuple):
    """One quantity that differs, in words; None: not set."""

    name: str
    label: str
    before: str | None
    after: str | None


class StageDiff(NamedTuple):
    """The stages of two recipes at one place, and how they differ. Names: None without one."""

    number: int
    before: str | None
    after: str | None
    changes: list[Change]


def setpoint_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return the quantities of `after` that `before` does not have or has otherwise.

    Settings that `after` does not set stay as they are, so they are no change."""
    found = []
    for line in describe.lines(after):
        known = {key: before[key] for key in line.keys if key in before}
        if any(known.get(key) != after[key] for key in line.keys):
            found.append(Change(line.name, line.label, _text(known), line.text))
    return found


def recipe_changes(one: Recipe, other: Recipe) -> list[StageDiff]:
    """Return the stages of two recipes side by side, with what differs at their ends."""
    return [
        StageDiff(number, None if a is None else _(a.name), None if b is None else _(b.name),
                  _stage_changes(a, b))
        for number, (a, b) in enumerate(zip_longest(one.stages, other.stages), 1)]


def _stage_changes(one: Stage | None, other: Stage | None) -> list[Change]:
    found = []
    days = [None if stage is None else _days(stage.days) for stage in (one, other)]
    if days[0] != days[1]:
        found.append(Change("days", _("Duration"), *days))
    ramps = [None if stage is None else _days(stage.ramp_days) for stage in (one, other)]
    if ramps[0] != ramps[1] and None not in ramps:
        found.append(Change("ramp_days", _("Ramp"), *ramps))
    before, after = ({line.name: line.text for line in describe.lines(settings)}
                     for settings in (_settings(one), _settings(other)))
    return found + [
        Change(line.name, line.label, before.get(line.name), after.get(line.name))
        for line in describe.lines({**_settings(one), **_settings(other)})
        if before.get(line.name) != after.get(line.name)]


def _settings(stage: Stage | None) -> Mapping[str, Any]:
    return {} if stage is None else stage.settings


def _days(count: int) -> str:
    return ngettext("1 day", "{count} days", count).format(count=count)


def _text(values: Mapping[str, Any]) -> str | None:
    lines = describe.lines(values)
    return lines[0].text if lines else None

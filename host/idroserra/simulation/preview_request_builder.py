"""Builds the request of a preview from the node's state and the user's choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idroserra.core import protocol
from idroserra.core.errors import Conflict
from idroserra.core.text import Text
from idroserra.i18n.marker import N_
from idroserra.nodes.freshness import stale_after_ms
from idroserra.nodes.node import Node
from idroserra.recipes.model import Recipe
from idroserra.recipes.run_store import RecipeRun
from idroserra.simulation.preview_request import PreviewRequest

_READ = ("ph", "ec_us_cm", "temp_c", "level_mm")


class MissingNodeData(Conflict):
    """The node has not reported what a preview needs."""


def build_request(
    node: Node, channels: Mapping[str, Mapping[str, Any]], run: RecipeRun | None,
    now_unix_ms: int, *, days: int, water: str, granted_pct: int | None = None,
    recipe: Recipe | None = None, values: Mapping[str, Any] | None = None,
) -> PreviewRequest:
    """Return the request: for `recipe` from today, or the open `run`, or the settings.

    `values`: settings changed in addition. `granted_pct`: the node's dosing authority now, None
    for the value it reported on connecting. Raises MissingNodeData, SettingsError.
    """
    if node.info is None or node.report is None:
        raise MissingNodeData(Text(N_(
            "{node} has not reported its settings yet: wait until it has connected once"),
            node=node.node))
    settings = protocol.check_settings({**node.report.values, **(node.wanted_values or {})})
    changes: dict[int, dict[str, Any]] = {}
    if recipe is None and run is not None and run.is_open:
        recipe, first_day = run.recipe, run.day_at(now_unix_ms)
    else:
        first_day = 0
        if recipe is not None:
            settings |= recipe.settings_at(0)
    if recipe is not None:
        changes = _changes(recipe, first_day, days)
    settings = protocol.check_settings(settings | dict(values or {}))
    request = PreviewRequest(
        node.node, node.info.board, now_unix_ms, days, water, settings, changes,
        _fresh(channels, settings, now_unix_ms),
        (node.info.granted_pct if granted_pct is None else granted_pct)
        >= int(settings["dosing.authority_pct"]))
    if recipe is not None:
        request.ppfd_umol_m2_s = recipe.ppfd_umol_m2_s
        request.crop = recipe.crop
    return request


def _changes(recipe: Recipe, first_day: int, days: int) -> dict[int, dict[str, Any]]:
    """Return what each day changes from the day before, as a run sends it."""
    found = {}
    before = recipe.settings_at(first_day)
    for day in range(1, days + 1):
        now = recipe.settings_at(first_day + day)
        changed = {key: value for key, value in now.items() if before[key] != value}
        if changed:
            found[day] = changed
        before = now
    return found


def _fresh(
    channels: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any], now_unix_ms: int
) -> dict[str, float]:
    """Return the readings of the reservoir that are neither faulty nor stale."""
    found = {}
    for key in _READ:
        entry = channels.get(f"reservoir.{key}")
        if entry is None or entry["value"] is None:
            continue
        if now_unix_ms - entry["unix_ms"] <= stale_after_ms(settings):
            found[key] = float(entry["value"])
    return found

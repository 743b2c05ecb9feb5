"""A recipe and its run as JSON for page, API and terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from idroserra.i18n.reasons import reason_json, reason_text
from idroserra.i18n.translate import gettext as _
from idroserra.nodes.node import Node
from idroserra.recipes import describe
from idroserra.recipes.diff import setpoint_changes
from idroserra.recipes.feasibility import RecipeWarning
from idroserra.recipes.model import DAY_MS, Recipe
from idroserra.recipes.recipe_library import LibraryEntry
from idroserra.recipes.run_store import CONFIRMED, FINISHED, HELD, RUNNING, STOPPED, RecipeRun
from idroserra.recipes.timeline import timeline
from idroserra.recipes.toml_text import own_settings

Json = dict[str, Any]


def summary_json(recipe: Recipe) -> Json:
    """Return a recipe without its stages."""
    return {
        "name": recipe.name, "text": recipe.text, "crop": recipe.crop, "days": recipe.days,
        "stages": [stage.name for stage in recipe.stages]}


def entry_json(entry: LibraryEntry, nodes: Sequence[str]) -> Json:
    """Return a recipe of the library without its settings. `nodes`: those that run it."""
    return summary_json(entry.recipe) | {
        "is_own": entry.is_own, "hides_shipped": entry.hides_shipped, "by": entry.by,
        "unix_ms": entry.unix_ms, "nodes": list(nodes), "timeline": timeline(entry.recipe)}


def skip_json(run: RecipeRun, node: Node, now_unix_ms: int) -> Json | None:
    """Return what a start of the next stage today changes; None in the last stage."""
    recipe = run.recipe
    index = recipe.place(min(run.day_at(now_unix_ms), recipe.days - 1)).stage + 1
    if index == len(recipe.stages):
        return None
    stage = recipe.stages[index]
    changes = setpoint_changes(_setpoints_of(node), recipe.settings_at(stage.first_day))
    return {"stage": _(stage.name), "changes": [one._asdict() for one in changes]}


def _setpoints_of(node: Node) -> Json:
    return {} if node.report is None else {**node.report.values, **(node.wanted_values or {})}


def start_json(recipe: Recipe, node: Node) -> Json:
    """Return what the start of a recipe changes: its first day beside the node's setpoints."""
    first = recipe.settings_at(0)
    changes = setpoint_changes(_setpoints_of(node), first)
    changed = {one.name for one in changes}
    return {
        "recipe": recipe.name, "digest": recipe.digest, "stage": _(recipe.stages[0].name),
        "changes": [one._asdict() for one in changes],
        "same": [line for line in lines_json(first) if line["name"] not in changed]}


def recipe_json(recipe: Recipe) -> Json:
    """Return a whole recipe. Days count from 1; `settings` are those at the end of a stage."""
    return summary_json(recipe) | {
        "ppfd_umol_m2_s": recipe.ppfd_umol_m2_s, "sources": list(recipe.source),
        "stages": [
            {"name": stage.name, "text": stage.text, "source": stage.source,
             "first_day": stage.first_day + 1, "days": stage.days, "ramp_days": stage.ramp_days,
             "settings": dict(stage.settings), "own_settings": own_settings(recipe, index),
             "setpoints": lines_json(stage.settings),
             "dli_mol_m2": round(recipe.dli_mol_m2(index), 1)}
            for index, stage in enumerate(recipe.stages)],
        "toml": recipe.toml, "digest": recipe.digest,
    }


def note_json(recipe: Recipe, note: RecipeWarning) -> Json:
    """Return a feasibility warning of a stage."""
    return {"level": note.level, "stage": _(recipe.stages[note.stage].name),
            "reason": reason_json(note.reason)}


def lines_json(values: Mapping[str, Any]) -> list[Json]:
    """Return setpoints in words, in the order of the screens."""
    return [{"name": line.name, "label": line.label, "text": line.text}
            for line in describe.lines(values)]


def run_json(run: RecipeRun, node: Node, now_unix_ms: int) -> Json:
    """Return a run on its node, up to date."""
    found: Json = {
        "recipe": run.name, "state": run.state, "by": run.by,
        "started_unix_ms": run.started_unix_ms, "state_by": run.state_by,
        "state_unix_ms": run.state_unix_ms, "reason": reason_json(run.reason),
        "confirmation": {
            "state": run.told_state, "rev": run.told_rev, "unix_ms": run.told_unix_ms},
        "at": None, "setpoints": [], "next": None, "end_unix_ms": None,
    }
    if run.state != STOPPED:
        recipe = run.recipe
        day = min(run.day_at(now_unix_ms), recipe.days - 1)
        found |= {
            "at": _place_json(recipe, day), "end_unix_ms": run.end_unix_ms,
            "setpoints": _setpoints_json(recipe.settings_at(day), node),
            "next": _next_json(run, recipe, day) if run.is_open else None,
        }
    return found | {"level": _LEVELS[run.state], "text": _text(run, found)}


_LEVELS = {RUNNING: "ok", HELD: "warn", FINISHED: "note", STOPPED: "note"}


def _place_json(recipe: Recipe, day: int) -> Json:
    place = recipe.place(day)
    stage = recipe.stages[place.stage]
    return {
        "day": day + 1, "days": recipe.days, "stage": place.stage + 1,
        "stages": len(recipe.stages), "stage_name": _(stage.name), "stage_text": _(stage.text),
        "stage_day": place.day + 1, "stage_days": stage.days}


def _setpoints_json(wanted: Mapping[str, Any], node: Node) -> list[Json]:
    """Return today's setpoints of the recipe, and the node's own where they differ.

    is_by_hand: the host was asked for another value; other differences the node has yet to apply.
    """
    in_force = {} if node.report is None else node.report.values
    asked = node.wanted_values or {}
    found = []
    for line in describe.lines(wanted):
        other = None
        known = {key: in_force[key] for key in line.keys if key in in_force}
        if any(known[key] != wanted[key] for key in known):
            other = describe.lines(known)[0].text
        found.append({
            "name": line.name, "label": line.label, "text": line.text,
            "keys": list(line.keys), "in_force": other,
            "is_confirmed": bool(known) and other is None,
            "is_by_hand": other is not None and any(
                asked.get(key, wanted[key]) != wanted[key] for key in line.keys),
        })
    return found


def _next_json(run: RecipeRun, recipe: Recipe, day: int) -> Json | None:
    """Return the next day that changes something, or None."""
    now = recipe.settings_at(day)
    for later in range(day + 1, recipe.days):
        then = recipe.settings_at(later)
        changed = {line.name for line in describe.lines(
            {key: value for key, value in then.items() if now[key] != value})}
        if changed:
            place = _place_json(recipe, later)
            return place | {
                "unix_ms": run.first_day_unix_ms + later * DAY_MS,
                "setpoints": [line for line in lines_json(then) if line["name"] in changed]}
    return None


def _text(run: RecipeRun, found: Mapping[str, Any]) -> str:
    if run.state == STOPPED:
        by = _(" by {who}").format(who=run.state_by) if run.state_by else ""
        why = "" if run.reason is None else f": {reason_text(run.reason)}"
        return _("{recipe} was stopped{by}{because}. Its last setpoints remain active").format(
            recipe=run.name, by=by, because=why)
    at = found["at"]
    if run.state == FINISHED:
        return _("{recipe} ended after {days} days. Its last setpoints remain active").format(
            recipe=run.name, days=at["days"])
    where = _("{recipe}, day {day} of {days}, stage {stage} of {stages}: {stage_name}").format(
        recipe=run.name, **at)
    if run.state == HELD:
        return _("{where}. Paused: {reason}").format(
            where=where, reason=reason_text(run.reason))
    if run.reason is not None:
        return _("{where}. Not sent yet: {reason}").format(
            where=where, reason=reason_text(run.reason))
    if run.told_state != CONFIRMED:
        return _("{where}. The node has not confirmed the setpoints yet").format(where=where)
    return where

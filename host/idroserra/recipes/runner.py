"""Runs recipes: sends each day's setpoints to the node until its report confirms them.

The setpoints are sent as any settings: signed, retained at the broker, and repeated until the node
reports them, so an offline node receives them on reconnecting. A day sends only what it changes: a
setting made by hand stays until the recipe changes it. If a node refuses setpoints the run is
held, and nothing more is sent until a person resumes, skips or stops it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from idroserra.auth.identity import by_the_host_itself
from idroserra.boards import compiler
from idroserra.core import protocol
from idroserra.core.errors import (
    BoardError,
    Conflict,
    NotAdopted,
    RecipeError,
    StoreUnavailable,
    UnknownNode,
)
from idroserra.core.reasons import Reason, sentence
from idroserra.core.text import Text
from idroserra.i18n.errors import ExplainedError, reason_of
from idroserra.i18n.marker import N_
from idroserra.nodes.commands import Commands
from idroserra.nodes.node import Node
from idroserra.nodes.registry import Nodes
from idroserra.recipes import feasibility, model
from idroserra.recipes.model import Recipe
from idroserra.recipes.run_store import (
    CONFIRMED,
    FINISHED,
    HELD,
    PENDING,
    REFUSED,
    RUNNING,
    STOPPED,
    RecipeRun,
    RecipeRunTable,
)

POLL_S = 1.0

# All setpoints of the day are to be sent, whatever was sent before.
_WHOLE: dict[str, Any] = {"told_day": None, "told_rev": 0, "told_state": PENDING}


class CannotRun(Conflict, ExplainedError):
    """A recipe cannot be started, skipped, resumed or stopped; the message says what to do."""


class RecipeRunner:
    """At most one recipe is open on a node. Any thread may call; run() is the body of one."""

    def __init__(
        self, path: Path, nodes: Nodes, commands: Commands, now_unix_ms: Callable[[], int]
    ) -> None:
        """Load the runs stored in the file `path`."""
        self._nodes = nodes
        self._commands = commands
        self._now_unix_ms = now_unix_ms
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._table = RecipeRunTable(path)
        self._runs = {node: _stopped_if_unreadable(run, now_unix_ms()) for node, run in
                      self._table.all().items()}
        self._unsaved: set[str] = set()

    def run(self) -> None:
        """Update every node's run periodically until end()."""
        while not self._stopping.wait(POLL_S):
            self.update()

    def end(self) -> None:
        """End run() soon."""
        self._stopping.set()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._table.close()

    def update(self) -> None:
        """Process the nodes' reports, and send what a new day changes."""
        with self._lock:
            for node in list(self._runs):
                self._update(node)

    def of(self, node: str) -> RecipeRun | None:
        """Return the newest run of a node, up to date, or None."""
        with self._lock, by_the_host_itself():
            self._update(node)
            return self._runs.get(node)

    def nodes_running(self, recipe: str) -> list[str]:
        """Return the nodes on which a recipe of this name is open."""
        with self._lock:
            return sorted(node for node, run in self._runs.items()
                          if run.is_open and run.name == recipe)

    def pause_reason(self, node: str) -> Reason | None:
        """Return why the recipe of a node is held, or None."""
        run = self.of(node)
        return None if run is None or run.state != HELD else run.reason

    def notes(self, node: str, wanted: Recipe) -> list[feasibility.RecipeWarning]:
        """Return the feasibility of a recipe on this node. Raises UnknownNode, CannotRun."""
        known = self._nodes.get(node)
        if known.report is None or known.info is None:
            raise CannotRun(Text(N_(
                "{node} has not reported its settings yet: wait until it has connected once"),
                node=node))
        values = {**known.report.values, **(known.wanted_values or {})}
        return feasibility.check(wanted, feasibility.Headroom(
            values, volume_l_of(known.info.board), known.info.granted_pct))

    def start(self, node: str, wanted: Recipe, by: str) -> RecipeRun:
        """Start a recipe with today as its first day, and send its setpoints.

        Raises UnknownNode, NotAdopted, CannotRun, StoreUnavailable."""
        protocol.check_by(by)
        with self._lock:
            self._nodes.key(node)
            notes = self.notes(node, wanted)
            now = self.of(node)
            if now is not None and now.is_open:
                raise CannotRun(Text(
                    N_("{node} runs {recipe} already: stop it first"), node=node, recipe=now.name))
            refused = [note for note in notes if note.level == feasibility.REFUSED]
            if refused:
                stage = wanted.stages[refused[0].stage].name
                raise CannotRun(Reason(
                    "recipe_impossible", node=node, recipe=wanted.name, stage=stage,
                    why=refused[0].reason))
            now_unix_ms = self._now_unix_ms()
            offset_min = self._utc_offset_min(node)
            first_day_unix_ms = model.day_start_unix_ms(
                model.local_day(now_unix_ms, offset_min), offset_min)
            return self._decide(RecipeRun(
                node, wanted.name, wanted.toml, by, now_unix_ms, first_day_unix_ms, RUNNING, by,
                now_unix_ms))

    def next_stage(self, node: str, by: str, from_stage: int | None = None) -> RecipeRun:
        """Continue with the next stage's first day, today. `from_stage`: the stage that was shown,
        from 1; if it is over, somebody else has asked already. Raises CannotRun, as `start`."""
        with self._lock:
            run = self._open(node, by)
            now_unix_ms = self._now_unix_ms()
            day = run.day_at(now_unix_ms)
            index = run.recipe.place(day).stage + 1
            if from_stage not in (None, index):
                raise CannotRun(Text(
                    N_("{node}: {recipe} is in stage {stage} by now; look again, then ask again"),
                    node=node, recipe=run.name, stage=index))
            if index == len(run.recipe.stages):
                raise CannotRun(Text(
                    N_("{node}: {recipe} is in its last stage: stop it instead"), node=node,
                    recipe=run.name))
            moved = run.recipe.stages[index].first_day - day
            return self._decide(replace(
                run, first_day_unix_ms=run.first_day_unix_ms - moved * model.DAY_MS,
                state=RUNNING, state_by=by, state_unix_ms=now_unix_ms, reason=None, **_WHOLE))

    def resume(self, node: str, by: str) -> RecipeRun:
        """Send today's setpoints to a node that refused some. Raises CannotRun, as `start`."""
        with self._lock:
            run = self._open(node, by)
            if run.state != HELD:
                raise CannotRun(Text(
                    N_("{node}: {recipe} is not paused, it is running"), node=node,
                    recipe=run.name))
            return self._decide(replace(
                run, state=RUNNING, state_by=by, state_unix_ms=self._now_unix_ms(),
                reason=None, **_WHOLE))

    def stop(self, node: str, by: str) -> RecipeRun:
        """End a recipe; the setpoints stay active. Raises CannotRun, as `start`."""
        with self._lock:
            run = self._open(node, by)
            return self._decide(replace(
                run, state=STOPPED, state_by=by, state_unix_ms=self._now_unix_ms(),
                reason=None))

    def forget(self, node: str) -> None:
        """Delete the run of a node that is to be forgotten: the next of its name gets nothing of
        it. Raises StoreUnavailable."""
        with self._lock:
            self._table.delete(node)
            self._runs.pop(node, None)
            self._unsaved.discard(node)

    def _open(self, node: str, by: str) -> RecipeRun:
        protocol.check_by(by)
        self._nodes.get(node)
        run = self.of(node)
        if run is None or not run.is_open:
            raise CannotRun(Text(N_("{node} runs no recipe"), node=node))
        return run

    def _decide(self, run: RecipeRun) -> RecipeRun:
        """Save a person's decision or raise StoreUnavailable, then act on it."""
        self._table.save(run)
        self._runs[run.node] = run
        self._unsaved.discard(run.node)
        self._update(run.node)
        return self._runs[run.node]

    def _save_or_defer(self, run: RecipeRun) -> None:
        """Save a run; if the disk is full keep it in memory and save it later."""
        self._runs[run.node] = run
        try:
            self._table.save(run)
            self._unsaved.discard(run.node)
        except StoreUnavailable:
            self._unsaved.add(run.node)

    def _update(self, node: str) -> None:
        run = self._runs.get(node)
        if run is None:
            return
        known = self._nodes.peek(node)
        if known is not None:
            found = self._with_answer(run, known)
        elif run.is_open:  # forgotten at the stopped host
            found = replace(run, state=STOPPED, state_by="", state_unix_ms=self._now_unix_ms(),
                            reason=Reason("not_adopted"))
        else:
            found = run
        if found.state == RUNNING:
            found = self._with_day(found)
        if found != run or node in self._unsaved:
            self._save_or_defer(found)

    def _with_answer(self, run: RecipeRun, known: Node) -> RecipeRun:
        """Return the run with the node's answer to what was sent last."""
        if run.told_rev == 0 or run.told_state == CONFIRMED or not run.is_open:
            return run
        report = known.report
        if report is None:
            return run
        if report.error is None:
            if report.rev < run.told_rev:
                return run
            found = replace(run, told_state=CONFIRMED)
            if run.state == HELD:  # the refusal was of an older revision
                found = replace(found, state=RUNNING, reason=None)
            return found
        if run.told_state == PENDING and known.refused_rev >= run.told_rev:
            return self._held(replace(run, told_state=REFUSED),
                              Reason("setpoints_refused", why=report.error))
        return run

    def _with_day(self, run: RecipeRun) -> RecipeRun:
        """Return the run after sending what its day changes, unless sent already."""
        now_unix_ms = self._now_unix_ms()
        day = run.day_at(now_unix_ms)
        recipe = run.recipe
        if day >= recipe.days:
            if run.told_day is None or run.told_day < recipe.days - 1:
                run = self._sent(run, recipe.days - 1, now_unix_ms)
            if run.told_state != CONFIRMED:
                return run
            return replace(run, state=FINISHED, state_by="", state_unix_ms=now_unix_ms)
        if run.told_day is not None and day <= run.told_day:
            return run
        return self._sent(run, day, now_unix_ms)

    def _sent(self, run: RecipeRun, day: int, now_unix_ms: int) -> RecipeRun:
        """Return the run after sending the setpoints of `day`; held if they are refused."""
        values = run.recipe.settings_at(day)
        if run.told_day is not None:
            before = run.recipe.settings_at(run.told_day)
            values = {key: value for key, value in values.items() if before[key] != value}
            if not values:
                return replace(run, told_day=day)
        try:
            rev = self._commands.set_config(run.node, values, f"recipe {run.name}")
        except (protocol.SettingsError, NotAdopted, UnknownNode) as error:
            unsent = replace(run, told_day=day, told_rev=0, told_unix_ms=now_unix_ms,
                             told_state=REFUSED)
            why = reason_of(error) or sentence(str(error))
            return self._held(unsent, Reason("setpoints_not_sent", why=why))
        except StoreUnavailable as error:
            return replace(run, reason=Reason("setpoints_not_saved", detail=str(error)))
        return replace(run, reason=None, told_day=day, told_rev=rev, told_unix_ms=now_unix_ms,
                       told_state=PENDING)

    def _held(self, run: RecipeRun, reason: Reason) -> RecipeRun:
        return replace(run, state=HELD, state_by="", state_unix_ms=self._now_unix_ms(),
                       reason=reason)

    def _utc_offset_min(self, node: str) -> int:
        report = self._nodes.get(node).report
        return 0 if report is None else int(report.values.get("clock.utc_offset_min", 0))


def volume_l_of(board: str) -> int | None:
    """Return the litres of a board, or None if this host does not know it."""
    try:
        return int(compiler.load(board)["volume_l"])
    except BoardError:
        return None


def _stopped_if_unreadable(run: RecipeRun, now_unix_ms: int) -> RecipeRun:
    """Return a stored run, stopped if this host cannot read its recipe any more."""
    try:
        _ = run.recipe
    except RecipeError as error:
        return replace(run, state=STOPPED, state_by="", state_unix_ms=now_unix_ms,
                       reason=Reason("recipe_unreadable", detail=str(error)))
    return run

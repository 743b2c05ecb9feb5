"""What came into a tank and what left it, a day at a time: water, acid, base, nutrients.

Doses are what the node says it gave. Water is read off the level: a step of it while the valve
ran is topped up; of the rest, rises are poured in by hand or rain, falls have left. What happened
while the level had no reading is counted as neither. Nothing is guessed: `unknown` says in words
what is missing. The surface of the tank is that of the settings in force now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any

from idroserra.history.models import EventPoint, Store, column_width_ms
from idroserra.i18n.channels import duration_text, plain_name
from idroserra.i18n.translate import gettext as _
from idroserra.i18n.translate import localize_numbers
from idroserra.inventory import water_steps
from idroserra.inventory.water_steps import Run, Steps
from idroserra.nodes.registry import Node

LEVEL, FILL = "reservoir.level_mm", "top_off"
STEP_MS, FLOODED_STEP_MS = 600_000, 3_600_000
ACID, BASE = "ph_down", "ph_up"

# {doser: [(since_unix_ms, meq_per_ml or None)]}, oldest first: see alarms.bottles.
Strengths = Mapping[str, Sequence[tuple[int, float | None]]]


@dataclass(frozen=True)
class Water:
    """Water of a day in ml. unread_ms: how long the level had no reading; unseen_ml: by how much
    the water moved meanwhile."""

    topped_up_ml: float
    poured_ml: float
    left_ml: float
    unseen_ml: float
    unread_ms: int


@dataclass(frozen=True)
class Day:
    """One day, or a whole range: [from, to). dosed_meq: None where the stock's strength is not
    known. water: None where no level was read; valve_ms: how long the filling valve ran."""

    from_unix_ms: int
    to_unix_ms: int
    dosed_ul: Mapping[str, int]
    dosed_meq: Mapping[str, float | None]
    water: Water | None
    valve_ms: int


@dataclass(frozen=True)
class Balance:
    """The days of a range, oldest first, their total, and what is not known, in sentences."""

    node: str
    days: Sequence[Day]
    total: Day
    unknown: Sequence[str] = field(default_factory=list)


def balance_of(
    store: Store, node: Node, from_unix_ms: int, to_unix_ms: int, zone: tzinfo,
    strengths: Strengths,
) -> Balance:
    """Return the balance of [from, to), in days of the time zone. `to` is not beyond now.

    Days before the host knew the node are left out: of them nothing is known.

    Raises StoreUnavailable, StoreRejected."""
    outputs = {} if node.info is None else dict(node.info.outputs)
    events = store.events(node.node, from_unix_ms, to_unix_ms, ("dosed", "ran"))
    doses = [event for event in events if event.kind == "dosed"]
    runs = _fill_runs(events)
    dosers = sorted({name for name, kind in outputs.items() if kind == "doser"}
                    | {str(event.detail.get("actuator")) for event in doses}, key=by_ph_first)
    since = max(from_unix_ms, min(to_unix_ms - 1, store.spans().get(node.node, (to_unix_ms,))[0]))
    steps = _water(store, node, (since, to_unix_ms), runs, "irrigation" in outputs)
    days = [_day(span, dosers, doses, runs, steps, strengths)
            for span in days_of(from_unix_ms, to_unix_ms, zone) if span[1] > since]
    total = _day((from_unix_ms, to_unix_ms), dosers, doses, runs, steps, strengths)
    return Balance(node.node, days, total, _unknown(node, total, since, zone))


def days_of(from_unix_ms: int, to_unix_ms: int, zone: tzinfo) -> list[tuple[int, int]]:
    """Return [from, to) cut at the midnights of a time zone."""
    cuts = [from_unix_ms]
    first = datetime.fromtimestamp(from_unix_ms / 1_000, zone).date()
    while cuts[-1] < to_unix_ms:
        first += timedelta(days=1)
        midnight = datetime(first.year, first.month, first.day, tzinfo=zone)
        cuts.append(min(to_unix_ms, round(midnight.timestamp() * 1_000)))
    return list(zip(cuts, cuts[1:], strict=False))


def by_ph_first(doser: str) -> tuple[bool, str]:
    """Sort key of dosers: those of pH, then the others by name."""
    return not doser.startswith("ph"), doser


def _fill_runs(events: Sequence[EventPoint]) -> list[Run]:
    runs = []
    for event in events:
        on_ms = event.detail.get("on_ms")
        is_fill = event.kind == "ran" and event.detail.get("actuator") == FILL
        if is_fill and isinstance(on_ms, int):
            end_ms = event.unix_us // 1_000
            runs.append(Run(end_ms - on_ms, end_ms))
    return runs


def _water(
    store: Store, node: Node, span: tuple[int, int], runs: Sequence[Run], is_flooded: bool
) -> Steps | None:
    """Return how the water moved; None where nobody measures it, or no surface is known."""
    area_cm2 = 0 if node.report is None else int(node.report.values["reservoir.area_cm2"])
    has_level = node.info is not None and LEVEL in node.info.channels
    if not area_cm2 or not has_level:
        return None
    # A flood takes water out of the tank for minutes: the highest of an hour has it all.
    columns = 1 - (span[0] - span[1]) // (FLOODED_STEP_MS if is_flooded else STEP_MS)
    width_ms = column_width_ms(*span, columns)
    series = store.series(node.node, [LEVEL], *span, columns)[LEVEL]
    ml_per_mm = area_cm2 / 10
    points = [(one.unix_ms, (one.max if is_flooded else one.mean) * ml_per_mm) for one in series]
    return water_steps.steps_of(points, span, runs, width_ms, ml_per_mm)


def _day(
    span: tuple[int, int], dosers: Sequence[str], doses: Sequence[EventPoint],
    runs: Sequence[Run], steps: Steps | None, strengths: Strengths,
) -> Day:
    dosed_ul = dict.fromkeys(dosers, 0)
    dosed_meq: dict[str, float | None] = {
        doser: 0.0 for doser in dosers if doser in (ACID, BASE)}
    for dose in doses:
        unix_ms, doser = dose.unix_us // 1_000, str(dose.detail.get("actuator"))
        volume_ul: Any = dose.detail.get("volume_ul")
        if not span[0] <= unix_ms < span[1] or not isinstance(volume_ul, int):
            continue
        dosed_ul[doser] += volume_ul
        if doser in dosed_meq:
            strength, so_far = _strength(strengths.get(doser, ()), unix_ms), dosed_meq[doser]
            dosed_meq[doser] = None if strength is None or so_far is None else (
                so_far + volume_ul / 1_000 * strength)
    valve_ms = sum(run.within(*span) for run in runs)
    water = None if steps is None else Water(*steps.within(*span))
    return Day(*span, dosed_ul, dosed_meq, water, valve_ms)


def _strength(told: Sequence[tuple[int, float | None]], unix_ms: int) -> float | None:
    """Return the meq a ml of the bottle that stood there then."""
    return next((meq for since, meq in reversed(told) if since <= unix_ms), None)


def _unknown(node: Node, total: Day, since_unix_ms: int, zone: tzinfo) -> list[str]:
    """Return what is not known, in sentences."""
    texts = []
    if since_unix_ms - total.from_unix_ms > STEP_MS:
        since = datetime.fromtimestamp(since_unix_ms / 1_000, zone)
        texts.append(_("The host knows this node since {when}: what was before is not counted.")
                     .format(when=since.strftime("%Y-%m-%d %H:%M")))
    if total.water is None:
        has_level = node.info is not None and LEVEL in node.info.channels
        texts.append(_(
            "The node has not told its settings yet: without the tank's surface no water is known."
        ) if has_level else _(
            "This node measures no level in millimetres: what water came and left is not known."))
    elif total.water.unread_ms >= FLOODED_STEP_MS:
        moved = localize_numbers(f"{total.water.unseen_ml / 1_000:+.1f} L", are_differences=True)
        texts.append(_("The level has no reading for {time}; the water moved by {volume} "
                       "meanwhile, counted neither as added nor as left.").format(
                           time=duration_text(total.water.unread_ms), volume=moved))
    strong = _("How strong the {what} is was not told for every dose: no meq. Say it with its "
               "bottle.")
    return texts + [strong.format(what=plain_name(doser))
                    for doser, meq in total.dosed_meq.items() if meq is None]

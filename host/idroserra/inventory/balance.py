"""The daily water and nutrient balance of a tank: water, acid, base and nutrients in and out.

Doses are those reported by the node. Water is derived from the level: a rise while the fill valve
ran is topped up, any other rise was poured in, a fall has left. Changes during a gap in the level
readings count as neither. Nothing is estimated: `unknown` lists what is missing. The
surface of the tank is that of the settings that were active at the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Any

from idroserra.core.reasons import Reason
from idroserra.history.models import EventPoint, Store, column_width_ms
from idroserra.inventory import water_steps
from idroserra.inventory.water_steps import Amounts, Steps, ValveRun
from idroserra.nodes.node import Node
from idroserra.setpoints.series import SettingsSeries

LEVEL, FILL, AREA = "reservoir.level_mm", "top_off", "reservoir.area_cm2"
STEP_MS, FLOODED_STEP_MS = 600_000, 3_600_000
ACID, BASE = "ph_down", "ph_up"

# {doser: [(since_unix_ms, meq_per_ml or None)]}, oldest first: see BottleInventory.strengths().
Strengths = Mapping[str, Sequence[tuple[int, float | None]]]


@dataclass(frozen=True)
class Day:
    """One day, or a whole range: [from, to). dosed_meq: None if the strength of the stock is not
    known. water: None if no level was read in it; valve_ms: run time of the fill valve."""

    from_unix_ms: int
    to_unix_ms: int
    dosed_ul: Mapping[str, int]
    dosed_meq: Mapping[str, float | None]
    water: Amounts | None
    valve_ms: int


@dataclass(frozen=True)
class Balance:
    """The days of a range, oldest first, their total, and what is not known."""

    node: str
    days: Sequence[Day]
    total: Day
    unknown: Sequence[Reason] = field(default_factory=list)


def balance_of(
    store: Store, node: Node, settings: SettingsSeries, from_unix_ms: int, to_unix_ms: int,
    zone: tzinfo, strengths: Strengths,
) -> Balance:
    """Return the balance of [from, to) by days of the time zone. `to` is not in the future.

    Days before the node's first record are left out.

    Raises StoreUnavailable, StoreRejected."""
    outputs = {} if node.info is None else dict(node.info.outputs)
    events = store.events(node.node, from_unix_ms, to_unix_ms, ("dosed", "ran"))
    doses = [event for event in events if event.kind == "dosed"]
    runs = _fill_runs(events)
    dosers = sorted({name for name, kind in outputs.items() if kind == "doser"}
                    | {str(event.detail.get("actuator")) for event in doses}, key=by_ph_first)
    begins_unix_ms = store.spans().get(node.node, (to_unix_ms,))[0]
    since = max(from_unix_ms, min(to_unix_ms - 1, begins_unix_ms))
    steps = _water(store, node, settings, (since, to_unix_ms), runs)
    days = [_day(span, dosers, doses, runs, steps, strengths)
            for span in days_of(from_unix_ms, to_unix_ms, zone) if span[1] > begins_unix_ms]
    total = _day((from_unix_ms, to_unix_ms), dosers, doses, runs, steps, strengths)
    unknown = _unknown(node, total, since, steps is not None, zone)
    return Balance(node.node, days, total, unknown)


def days_of(from_unix_ms: int, to_unix_ms: int, zone: tzinfo) -> list[tuple[int, int]]:
    """Return [from, to) split at the midnights of a time zone."""
    cuts = [from_unix_ms]
    first = datetime.fromtimestamp(from_unix_ms / 1_000, zone).date()
    while cuts[-1] < to_unix_ms:
        first += timedelta(days=1)
        midnight = datetime(first.year, first.month, first.day, tzinfo=zone)
        cuts.append(min(to_unix_ms, round(midnight.timestamp() * 1_000)))
    return list(zip(cuts, cuts[1:], strict=False))


def by_ph_first(doser: str) -> tuple[bool, str]:
    """Sort key of dosers: pH dosers first, then by name."""
    return not doser.startswith("ph"), doser


def _fill_runs(events: Sequence[EventPoint]) -> list[ValveRun]:
    runs = []
    for event in events:
        on_ms = event.detail.get("on_ms")
        is_fill = event.kind == "ran" and event.detail.get("actuator") == FILL
        if is_fill and isinstance(on_ms, int):
            end_ms = event.unix_us // 1_000
            runs.append(ValveRun(end_ms - on_ms, end_ms))
    return runs


def _water(
    store: Store, node: Node, settings: SettingsSeries, span: tuple[int, int],
    runs: Sequence[ValveRun],
) -> Steps | None:
    """Return the changes of the volume; None if no level is measured or the surface is unknown."""
    if not settings.at(span[1]).get(AREA) or node.info is None or LEVEL not in node.info.channels:
        return None
    is_flooded = "irrigation" in node.info.outputs
    # A flood empties part of the tank for minutes: the highest level of an hour has it all.
    columns = 1 - (span[0] - span[1]) // (FLOODED_STEP_MS if is_flooded else STEP_MS)
    width_ms = column_width_ms(*span, columns)
    series = store.series(node.node, [LEVEL], *span, columns)[LEVEL]
    points = [(one.unix_ms, one.max if is_flooded else one.mean) for one in series]
    return water_steps.steps_of(
        points, span, runs, width_ms, lambda unix_ms: settings.at(unix_ms).get(AREA, 0) / 10)


def _day(
    span: tuple[int, int], dosers: Sequence[str], doses: Sequence[EventPoint],
    runs: Sequence[ValveRun], steps: Steps | None, strengths: Strengths,
) -> Day:
    dosed_ul = dict.fromkeys(dosers, 0)
    dosed_meq: dict[str, float | None] = {doser: 0.0 for doser in dosers if doser in (ACID, BASE)}
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
    water = None if steps is None else steps.within(*span)
    return Day(*span, dosed_ul, dosed_meq, water, valve_ms)


def _strength(known: Sequence[tuple[int, float | None]], unix_ms: int) -> float | None:
    """Return the meq per ml of the bottle in use at that time, or None."""
    return next((meq for since, meq in reversed(known) if since <= unix_ms), None)


def _unknown(
    node: Node, total: Day, since_unix_ms: int, is_measured: bool, zone: tzinfo
) -> list[Reason]:
    """Return what is not known. is_measured: the node measures the volume of its tank."""
    reasons = []
    if since_unix_ms - total.from_unix_ms > STEP_MS:
        since = datetime.fromtimestamp(since_unix_ms / 1_000, zone)
        reasons.append(Reason("history_begins", when=since.strftime("%Y-%m-%d %H:%M")))
    if not is_measured:
        has_level = node.info is not None and LEVEL in node.info.channels
        reasons.append(Reason("surface_unknown") if has_level else Reason("level_unmeasured"))
    elif total.water is not None and total.water.unread_ms >= FLOODED_STEP_MS:
        reasons.append(Reason("level_gap", for_ms=total.water.unread_ms,
                              moved_ml=round(total.water.unseen_ml)))
    return reasons + [Reason("strength_unknown", actuator=doser)
                      for doser, meq in total.dosed_meq.items() if meq is None]

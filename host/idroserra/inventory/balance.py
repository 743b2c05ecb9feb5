"""The daily water and nutrient balance of a tank: water, acid, base and nutrients in and out.

Doses are those reported by the node. Water is derived from the level: a rise while the fill valve
ran is topped up, any other rise was poured in, a fall has left. Changes during a gap in the level
readings count as neither. Nothing is estimated: `unknown` lists what is missing. The
surface of the tank is that of the settings that were active at the time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo

from idroserra.core.reasons import Reason
from idroserra.core.text import Text
from idroserra.history.models import EventPoint, Store, column_width_ms
from idroserra.history.paging import TooManyEvents, bounded_events
from idroserra.i18n.marker import N_
from idroserra.inventory import water_steps
from idroserra.inventory.water_steps import Amounts, Steps, ValveRun
from idroserra.nodes.node import Node
from idroserra.setpoints.series import SettingsSeries

LEVEL, FILL, AREA = "reservoir.level_mm", "top_off", "reservoir.area_cm2"
STEP_MS, FLOODED_STEP_MS = 600_000, 3_600_000
ACID, BASE = "ph_down", "ph_up"
DAY_MS = 86_400_000  # the longest run of the fill valve that is counted
MOST_DOSERS = 64  # of one node in the period

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

    Raises StoreUnavailable, StoreRejected, TooManyEvents."""
    outputs = {} if node.info is None else dict(node.info.outputs)
    begins_unix_ms = (store.span(node.node) or (to_unix_ms,))[0]
    since = max(from_unix_ms, min(to_unix_ms - 1, begins_unix_ms))
    days = [_Sums(span) for span in days_of(from_unix_ms, to_unix_ms, zone)
            if span[1] > begins_unix_ms]
    total = _Sums((from_unix_ms, to_unix_ms))
    names = {name for name, kind in outputs.items() if kind == "doser"}
    runs = _take(bounded_events(store, node.node, from_unix_ms, to_unix_ms, ("dosed", "ran")),
                 days, total, names, strengths)
    steps = _water(store, node, settings, (since, to_unix_ms), runs)
    for _run in runs:  # those that the water did not need
        pass
    dosers = sorted(names, key=by_ph_first)
    whole = total.day(dosers, steps)
    unknown = _unknown(node, whole, since, steps is not None, zone)
    return Balance(node.node, [day.day(dosers, steps) for day in days], whole, unknown)


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


class _Sums:
    """The doses and the run time of the fill valve in one span."""

    def __init__(self, span: tuple[int, int]) -> None:
        self.span = span
        self.valve_ms = 0
        self._dosed_ul: Counter[str] = Counter()
        self._dosed_meq: dict[str, float | None] = {}

    def add_dose(self, doser: str, volume_ul: int, strength: float | None) -> None:
        """Add a dose; strength: meq per ml of the stock, None if unknown."""
        so_far = self._dosed_meq.get(doser, 0.0)
        self._dosed_ul[doser] += volume_ul
        self._dosed_meq[doser] = None if strength is None or so_far is None else (
            so_far + volume_ul / 1_000 * strength)

    def day(self, dosers: Sequence[str], steps: Steps | None) -> Day:
        """Return the sums, with all dosers."""
        return Day(
            *self.span, {doser: self._dosed_ul[doser] for doser in dosers},
            {doser: self._dosed_meq.get(doser, 0.0) for doser in dosers if doser in (ACID, BASE)},
            None if steps is None else steps.within(*self.span), self.valve_ms)


def _take(
    events: Iterable[EventPoint], days: Sequence[_Sums], total: _Sums, dosers: set[str],
    strengths: Strengths,
) -> Iterator[ValveRun]:
    """Add events to the sums, and the names of their dosers to `dosers`; yield the runs of the
    fill valve. Raises TooManyEvents, StoreError."""
    begins = [day.span[0] for day in days]
    for event in events:
        unix_ms, actuator = event.unix_us // 1_000, str(event.detail.get("actuator"))
        today = bisect_right(begins, unix_ms) - 1
        if event.kind == "dosed":
            _add_doser(event.node, actuator, dosers)
            volume_ul = event.detail.get("volume_ul")
            if isinstance(volume_ul, int):
                strength = _strength(strengths.get(actuator, ()), unix_ms)
                for sums in (*days[max(0, today):today + 1], total):
                    sums.add_dose(actuator, volume_ul, strength)
            continue
        on_ms = event.detail.get("on_ms")
        if actuator == FILL and isinstance(on_ms, int) and 0 < on_ms <= DAY_MS:
            run = ValveRun(unix_ms - on_ms, unix_ms)
            first = max(0, bisect_right(begins, run.from_unix_ms) - 1)
            for sums in (*days[first:today + 1], total):
                sums.valve_ms += run.within(*sums.span)
            yield run


def _add_doser(node: str, name: str, dosers: set[str]) -> None:
    dosers.add(name)
    if len(dosers) > MOST_DOSERS:
        raise TooManyEvents(Text(
            N_("{node}: doses of more than {most} dosing pumps in this period: choose a shorter"
               " one"), node=node, most=MOST_DOSERS))


def _water(
    store: Store, node: Node, settings: SettingsSeries, span: tuple[int, int],
    runs: Iterable[ValveRun],
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

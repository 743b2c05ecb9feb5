"""Readings and history of the channels that the host computes: VPD and DLI."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from idroserra.core import computed
from idroserra.core.errors import RecipeError
from idroserra.history.models import Column, Store
from idroserra.nodes.newest_readings import NewestReading
from idroserra.nodes.node import Node
from idroserra.recipes.runner import RecipeRunner

# Column widths for the level of the lamps: those of the store's roll-ups.
_MINUTE_MS = 60_000
_QUARTER_MS = 900_000
_MINUTES_UP_TO_MS = 2 * computed.DAY_MS

Series = dict[str, list[Column]]


def lamp_ppfd(recipes: RecipeRunner) -> Callable[[str], computed.LampPpfd | None]:
    """Return a function: the PPFD of a node's lamps, as its newest recipe declares it from its
    start on; None without a recipe that this host can read."""
    def find(node: str) -> computed.LampPpfd | None:
        run = recipes.of(node)
        try:
            return None if run is None else computed.LampPpfd(
                run.recipe.ppfd_umol_m2_s, run.started_unix_ms)
        except RecipeError:
            return None

    return find


def with_computed(
    readings: Mapping[str, NewestReading], ppfd: computed.LampPpfd | None
) -> dict[str, NewestReading]:
    """Return newest readings with their VPDs: as old as the older input, with its fault; and with
    the DLI, whose value is that of its history, if the lamps have a level and a PPFD."""
    found = dict(readings)
    if ppfd is not None and computed.light_level(readings.keys()) is not None:
        found[computed.DLI] = NewestReading(None, None, None)
    for channel in computed.vpd_channels(readings.keys()):
        inputs = computed.vpd_inputs(channel, readings.keys())
        if inputs is None:
            continue
        temp, humidity = readings[inputs.temp], readings[inputs.humidity]
        times = [one.unix_ms for one in (temp, humidity) if one.unix_ms is not None]
        value = None
        if temp.value is not None and humidity.value is not None:
            value = float(computed.vpd_pa(temp.value, humidity.value))
        found[channel] = NewestReading(
            value, temp.fault or humidity.fault, min(times) if len(times) == 2 else None)
    return found


class ComputedSeries:
    """Serves stored and computed channels of a node. May be called from any thread."""

    def __init__(
        self, store: Store, ppfd_of: Callable[[str], computed.LampPpfd | None]
    ) -> None:
        self._store = store
        self._ppfd_of = ppfd_of

    def series(
        self, node: Node, channels: Sequence[str], from_unix_ms: int, to_unix_ms: int, columns: int
    ) -> Series:
        """Return what Store.series does, with the computed channels among `channels`."""
        own = () if node.info is None else node.info.channels
        inputs = {one: pair for one in channels if (pair := computed.vpd_inputs(one, own))}
        stored = {one for one in channels if one not in inputs and one != computed.DLI}
        wanted = sorted(stored.union(*inputs.values()))
        found = self._store.series(
            node.node, wanted, from_unix_ms, to_unix_ms, columns) if wanted else {}
        answer = {one: found[one] for one in stored}
        for channel, (temp, humidity) in inputs.items():
            answer[channel] = _columns(computed.vpd_rows(found[temp], found[humidity]))
        if computed.DLI in channels:
            answer[computed.DLI] = self._dli(node, from_unix_ms, to_unix_ms)
        return answer

    def _dli(self, node: Node, from_unix_ms: int, to_unix_ms: int) -> list[Column]:
        ppfd = self._ppfd_of(node.node)
        level = None if node.info is None else computed.light_level(node.info.channels)
        if ppfd is None or level is None:
            return []
        is_short = to_unix_ms - from_unix_ms <= _MINUTES_UP_TO_MS
        width_ms = _MINUTE_MS if is_short else _QUARTER_MS
        first = (from_unix_ms - computed.DAY_MS) // width_ms * width_ms
        last = -(-to_unix_ms // width_ms) * width_ms
        rows = self._store.series(
            node.node, [level], first, last, (last - first) // width_ms + 1)[level]
        found = _columns(computed.dli_rows(rows, width_ms, ppfd.umol_m2_s))
        # A column is of the time of its end: it is known if the recipe had started by then.
        begin = max(from_unix_ms, ppfd.since_unix_ms - width_ms + 1)
        return [one for one in found if begin <= one.unix_ms < to_unix_ms]


def _columns(rows: Sequence[computed.Row]) -> list[Column]:
    return [Column(*row) for row in rows]

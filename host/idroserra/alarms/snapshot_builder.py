"""Builds the snapshot that alarm rules are evaluated against."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from idroserra.alarms.snapshot import Group, NodeSnapshot, Reading, Snapshot
from idroserra.boards import compiler, kept
from idroserra.core.errors import BoardError
from idroserra.core.reasons import Reason
from idroserra.foreign.readings import ForeignReading
from idroserra.history.models import Store
from idroserra.nodes.freshness import stale_after_ms
from idroserra.nodes.latest_events import LatestEvents, without_ended_holds
from idroserra.nodes.live import LiveState
from idroserra.nodes.node import Node
from idroserra.nodes.registry import Nodes
from idroserra.nodes.system import problems_of

DISK_EVERY_MS = 60_000
SHORT_BREAK_MS = 20_000  # of the connection to the broker
REJECTED_KEPT = 1_500


class HostSources(NamedTuple):
    """The parts of the host that the builder reads. counts: Service.counts(); failures: {thread:
    (unix_ms, why)}; epoch: of a boot, None until decided; recipe_held: why a node's recipe is
    paused; update_failed, updates_stopped: UpdateService.failed() and stopped(); state_text: the
    state of a node in words; taken_over: as in Snapshot; foreign, foreign_problem:
    ForeignReadings.readings() and problem()."""

    nodes: Nodes
    live: LiveState
    events: LatestEvents
    counts: Callable[[], Mapping[str, Any]]
    failures: Callable[[], Mapping[str, tuple[int, str]]]
    epoch: Callable[[str, str], int | None]
    store: Callable[[], Store]
    recipe_held: Callable[[str], Reason | None]
    update_failed: Callable[[str], Reason | None]
    updates_stopped: Callable[[], Mapping[str, Reason]]
    state_text: Callable[[str], str]
    taken_over: tuple[int, int] | None
    foreign: Callable[[], Sequence[ForeignReading]]
    foreign_problem: Callable[[], str]
    data_dir: Path
    site: str


class SnapshotBuilder:
    """build() is called by one thread, about once a second."""

    def __init__(self, parts: HostSources) -> None:
        self._parts = parts
        self._since_unix_ms: int | None = None
        self._lost_unix_ms: int | None = None  # since when the broker does not answer
        self._built_unix_ms = 0  # of the last snapshot
        self._contact_unix_ms: dict[str, int] = {}
        self._settled_unix_ms: dict[str, int] = {}
        self._rejected: dict[str, deque[tuple[int, int]]] = {}
        self._disk_free_mb: float | None = None
        self._disk_unix_ms: int | None = None

    def build(
        self, now_unix_ms: int, undelivered: Mapping[str, Reason],
        left_pct: Callable[[str], Mapping[str, float | None]],
    ) -> Snapshot:
        """Return the snapshot of now; a broken part of the host raises nothing."""
        parts, counts = self._parts, self._parts.counts()
        nodes = parts.nodes.all()
        broker = str(counts["broker"]["state"])
        since = self._received_since(now_unix_ms, is_connected=broker == "connected")
        self._record_rejected(now_unix_ms, counts)
        return Snapshot(
            now_unix_ms, parts.site, since, broker,
            str(counts["store"]["state"]), str(counts["spool"]["state"]),
            parts.failures(), self._disk_mb(now_unix_ms),
            {node: tuple(changes) for node, changes in self._rejected.items()}, undelivered,
            tuple(self._node(node, now_unix_ms, left_pct(node.node)) for node in nodes),
            parts.updates_stopped(), counts["feeds"], tuple(parts.foreign()),
            parts.foreign_problem(), counts.get("standby", {}).get("state"), parts.taken_over)

    def _received_since(self, now_unix_ms: int, *, is_connected: bool) -> int | None:
        """Return since when messages arrive, None while they do not.

        A short break begins no new wait for the nodes: one a minute would hide a silent node."""
        lost, was_set_back = self._lost_unix_ms, self._built_unix_ms - now_unix_ms > SHORT_BREAK_MS
        self._built_unix_ms = now_unix_ms
        if was_set_back:
            self._since_unix_ms = None
        if not is_connected:
            self._lost_unix_ms = now_unix_ms if lost is None else lost
            return None
        self._lost_unix_ms = None
        is_long = lost is not None and not 0 <= now_unix_ms - lost <= SHORT_BREAK_MS
        if self._since_unix_ms is None or is_long:
            self._since_unix_ms = now_unix_ms
        return self._since_unix_ms

    def _node(
        self, node: Node, now_unix_ms: int, left_pct: Mapping[str, float | None]
    ) -> NodeSnapshot:
        parts, info, report = self._parts, node.info, node.report
        settings = {} if report is None else report.values
        live = parts.live.channels(node.node)
        readings = {key: Reading(entry["value"], entry["fault"], entry["unix_ms"])
                    for key, entry in live.items()}
        channels = set(readings) | set(() if info is None else info.channels)
        is_past_read = parts.events.is_read(node.node)  # before its events are copied
        contact_since = self._contact_since(node, now_unix_ms, stale_after_ms(settings))
        return NodeSnapshot(
            node=node.node, site=node.site, is_online=node.online,
            last_seen_unix_ms=node.last_seen_unix_ms, stale_after_ms=stale_after_ms(settings),
            contact_since_unix_ms=contact_since,
            settled_unix_ms=self._settled_unix_ms.get(node.node),
            settings=settings, channels=tuple(sorted(channels)), readings=readings,
            groups=groups_of(None if info is None else info.board),
            events=without_ended_holds(
                parts.events.all(node.node), "" if info is None else info.boot_id),
            is_past_read=is_past_read,
            boots_unix_ms=parts.events.boots_unix_ms(node.node),
            clock_off_ms=self._clock_off_ms(node),
            settings_error=None if report is None else report.error,
            recipe_held=parts.recipe_held(node.node), left_pct=left_pct,
            update_failed=parts.update_failed(node.node),
            system_problems=None if info is None else problems_of(info.chip, info.system))

    def _contact_since(self, node: Node, now_unix_ms: int, silent_ms: int) -> int | None:
        """Return since when the node is online and was heard within `silent_ms`, or None.

        Records the last message of a contact that has lasted `silent_ms`."""
        heard = node.last_seen_unix_ms
        if not node.online or heard is None or now_unix_ms - heard > silent_ms:
            self._contact_unix_ms.pop(node.node, None)
            return None
        since = self._contact_unix_ms.setdefault(node.node, now_unix_ms)
        if now_unix_ms - since > silent_ms:
            self._settled_unix_ms[node.node] = heard
        return since

    def _clock_off_ms(self, node: Node) -> int | None:
        """Return the host clock minus the time the running boot's records are stored under."""
        if node.info is None or node.boot_epoch_unix_ms is None:
            return None
        epoch_unix_ms = self._parts.epoch(node.node, node.info.boot_id)
        return None if epoch_unix_ms is None else node.boot_epoch_unix_ms - epoch_unix_ms

    def _record_rejected(self, now_unix_ms: int, counts: Mapping[str, Any]) -> None:
        """Record the counts of rejected messages that changed, at most once a second."""
        of_nodes = {node: int(count["rejected"]) for node, count in counts["nodes"].items()}
        of_nodes[""] = int(counts["rejected"]) - sum(of_nodes.values())
        for node in self._rejected.keys() - of_nodes.keys():
            del self._rejected[node]
        for node, count in of_nodes.items():
            changes = self._rejected.setdefault(node, deque(maxlen=REJECTED_KEPT))
            if not changes or (
                    count != changes[-1][1] and now_unix_ms - changes[-1][0] >= 1_000):
                changes.append((now_unix_ms, count))

    def _disk_mb(self, now_unix_ms: int) -> float | None:
        read = self._disk_unix_ms
        if read is None or abs(now_unix_ms - read) >= DISK_EVERY_MS:
            self._disk_unix_ms = now_unix_ms
            try:
                free_b = shutil.disk_usage(self._parts.data_dir).free
            except OSError:
                self._disk_free_mb = None
            else:
                self._disk_free_mb = free_b / 1e6
        return self._disk_free_mb


def groups_of(board: str | None) -> tuple[Group, ...]:
    """Return the groups of two sensors or more that share a bus or
    converter, widest first; () for a board without a file."""
    return () if board is None else _groups(board, kept.revision())


@lru_cache(maxsize=64)
def _groups(board: str, _revision: int) -> tuple[Group, ...]:
    try:
        compiled = compiler.load(board)
    except BoardError:
        return ()
    on_bus: dict[str, list[set[str]]] = {}
    for sensor in compiled["sensors"]:
        channels = {f"{sensor['source']}.{quantity}" for quantity in sensor["measures"]}
        if sensor.get("bus") is not None:
            on_bus.setdefault(sensor["bus"], []).append(channels)
    for adc in compiled["adcs"]:  # a converter fails with its bus: it counts as one member
        inputs = on_bus.get(f"adc.{adc['name']}")
        if inputs and adc.get("bus") is not None:
            on_bus.setdefault(adc["bus"], []).append(set().union(*inputs))
    groups = [Group(_bus_label(bus), bus, frozenset().union(*parts))
              for bus, parts in sorted(on_bus.items()) if len(parts) >= 2]
    return tuple(sorted(groups, key=lambda group: -len(group.channels)))


def _bus_label(bus: str) -> str:
    """Return the part of the keys of a bus's alarms, which are stored."""
    kind, _, name = bus.partition(".")
    labels = {"i2c": "I2C bus", "adc": "Converter", "onewire": "1-Wire bus", "uart": "Serial line"}
    return f"{labels.get(kind, kind)} {name}".strip()

"""Metrics of the nodes: connection, and each reading as a value or a fault.

A stale reading exports no value, so that a graph ends with the readings; its age is still
exported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from idroserra.core import protocol
from idroserra.node_state.state import NodeState
from idroserra.nodes.freshness import stale_after_ms
from idroserra.nodes.node import Node
from idroserra.prometheus.names import PREFIX, SERIES

_NODE = ("site", "node")
_CHANNEL = ("site", "node", "source", "quantity")


class NodeSeries:
    """Collects the metrics of all nodes; the format requires one family per metric."""

    def __init__(self, now_unix_ms: int) -> None:
        self._now_unix_ms = now_unix_ms
        self._up = _family("node_up", "1 while the node is connected to the broker.", _NODE)
        self._adopted = _family("node_adopted", "1 if the host may command the node.", _NODE)
        self._seen = _family(
            "node_last_seen_timestamp_seconds", "When the node last sent a message.", _NODE)
        self._boot = _family("node_boot_timestamp_seconds", "When the node last booted.", _NODE)
        self._info = _family("node_info", "Identity of the node.",
                             (*_NODE, "board", "chip", "version", "micropython", "clock", "reset"))
        self._state = _family(
            "node_state", "1 for the state of the node: its level and the code of its cause.",
            (*_NODE, "level", "code", "mender"))
        self._since = _family("node_state_since_timestamp_seconds",
                              "Since when the cause of the state is known.", _NODE)
        self._age = _family("reading_age_seconds", "Age of the newest value or fault of a "
                            "channel.", _CHANNEL)
        self._stale = _family("reading_stale", "1 while the newest value or fault of a channel "
                              "is stale.", _CHANNEL)
        self._fault = _family("reading_fault", "1 while a channel has a fault instead of a value.",
                              (*_CHANNEL, "fault"))
        self._readings = {
            key: _family(series.name, series.text, ("site", "node", "source"))
            for key, series in SERIES.items()}

    def add(
        self, node: Node, channels: Mapping[str, Mapping[str, Any]], state: NodeState
    ) -> None:
        """Add a node. `channels`: its newest readings from LiveState.channels()."""
        ids = (node.site, node.node)
        self._state.add_metric((*ids, state.level, state.cause.code, state.mender), 1)
        if state.since_unix_ms is not None:
            self._since.add_metric(ids, state.since_unix_ms / 1_000)
        self._up.add_metric(ids, node.online)
        self._adopted.add_metric(ids, node.is_adopted)
        if node.last_seen_unix_ms is not None:
            self._seen.add_metric(ids, node.last_seen_unix_ms / 1_000)
        if node.booted_unix_ms is not None:
            self._boot.add_metric(ids, node.booted_unix_ms / 1_000)
        info = node.info
        if info is not None:
            self._info.add_metric(
                (*ids, info.board, info.chip, info.version, info.system.micropython or "",
                 info.clock, info.reset), 1)
        limit_ms = stale_after_ms({} if node.report is None else node.report.values)
        for channel, entry in sorted(channels.items()):
            self._add_reading(ids, channel, entry, limit_ms)

    def families(self) -> Iterator[Metric]:
        """Yield the families that have samples."""
        own = (self._up, self._adopted, self._seen, self._boot, self._info, self._state,
               self._since, self._age, self._stale, self._fault)
        for family in (*own, *self._readings.values()):
            if family.samples:
                yield family

    def _add_reading(
        self, ids: tuple[str, str], channel: str, entry: Mapping[str, Any], limit_ms: int
    ) -> None:
        source, quantity = protocol.split_channel(channel)
        labels = (*ids, source, quantity.key)
        age_ms = max(0, self._now_unix_ms - entry["unix_ms"])
        self._age.add_metric(labels, age_ms / 1_000)
        self._stale.add_metric(labels, age_ms > limit_ms)
        if age_ms > limit_ms:
            return
        if entry["fault"] is not None:
            self._fault.add_metric((*labels, entry["fault"]), 1)
        else:
            self._readings[quantity.key].add_metric(
                (*ids, source), entry["value"] / SERIES[quantity.key].divisor)


def _family(name: str, text: str, labels: tuple[str, ...]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=labels)

"""The series of the nodes: contact, and each reading as a number, or as a fault and no number.

A reading that is too old to be the present has no number either, so that a graph ends where the
readings end; its age goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from idroserra.core import protocol
from idroserra.nodes.freshness import stale_after_ms
from idroserra.nodes.registry import Node
from idroserra.prometheus.names import PREFIX, SERIES

_NODE = ("site", "node")
_CHANNEL = ("site", "node", "source", "quantity")


class NodeSeries:
    """Gathers the series of many nodes; each family holds all of them, as the format wants."""

    def __init__(self, now_unix_ms: int) -> None:
        self._now_unix_ms = now_unix_ms
        self._up = _family("node_up", "1 while the broker holds the node's connection.", _NODE)
        self._adopted = _family("node_adopted", "1 when the host may command the node.", _NODE)
        self._seen = _family(
            "node_last_seen_timestamp_seconds", "When the node was heard of last.", _NODE)
        self._boot = _family(
            "node_boot_timestamp_seconds", "When the node's running boot began.", _NODE)
        self._info = _family("node_info", "What the node says of itself.",
                             (*_NODE, "board", "chip", "version", "clock", "reset"))
        self._age = _family("reading_age_seconds", "Age of the newest word of a channel, a value "
                            "or a fault.", _CHANNEL)
        self._stale = _family("reading_stale", "1 while the newest word of a channel is too old "
                              "to be the present.", _CHANNEL)
        self._fault = _family("reading_fault", "1 while a channel has a fault and so no value.",
                              (*_CHANNEL, "fault"))
        self._readings = {
            key: _family(series.name, series.text, ("site", "node", "source"))
            for key, series in SERIES.items()
        }

    def add(self, node: Node, channels: Mapping[str, Mapping[str, Any]]) -> None:
        """Add a node with its newest readings, as Live.channels() gives them."""
        who = (node.site, node.node)
        self._up.add_metric(who, node.online)
        self._adopted.add_metric(who, node.is_adopted)
        if node.last_seen_unix_ms is not None:
            self._seen.add_metric(who, node.last_seen_unix_ms / 1_000)
        if node.boot_epoch_unix_ms is not None:
            self._boot.add_metric(who, node.boot_epoch_unix_ms / 1_000)
        info = node.info
        if info is not None:
            self._info.add_metric(
                (*who, info.board, info.chip, info.version, info.clock, info.reset), 1)
        limit_ms = stale_after_ms({} if node.report is None else node.report.values)
        for channel, entry in sorted(channels.items()):
            self._add_reading(who, channel, entry, limit_ms)

    def families(self) -> Iterator[Metric]:
        """Yield the families that hold something."""
        own = (self._up, self._adopted, self._seen, self._boot, self._info, self._age,
               self._stale, self._fault)
        for family in (*own, *self._readings.values()):
            if family.samples:
                yield family

    def _add_reading(
        self, who: tuple[str, str], channel: str, entry: Mapping[str, Any], limit_ms: int
    ) -> None:
        source, quantity = protocol.split_channel(channel)
        labels = (*who, source, quantity.key)
        age_ms = max(0, self._now_unix_ms - entry["unix_ms"])
        self._age.add_metric(labels, age_ms / 1_000)
        self._stale.add_metric(labels, age_ms > limit_ms)
        if age_ms > limit_ms:
            return
        if entry["fault"] is not None:
            self._fault.add_metric((*labels, entry["fault"]), 1)
        else:
            self._readings[quantity.key].add_metric(
                (*who, source), entry["value"] / SERIES[quantity.key].divisor)


def _family(name: str, text: str, labels: tuple[str, ...]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=labels)

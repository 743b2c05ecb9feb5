"""Collects the metrics of the host and all nodes for a Prometheus scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from idroserra.alarms.loop import AlarmLoop
from idroserra.core.errors import StoreError
from idroserra.feeds.service import FeedState
from idroserra.nodes.live import LiveState
from idroserra.nodes.registry import Nodes
from idroserra.nodes.states import NodeStates
from idroserra.prometheus.host import feed_series, host_series
from idroserra.prometheus.nodes import NodeSeries


class HostCollector(Collector):
    """Reads the current state at every scrape. Thread-safe."""

    def __init__(
        self, *, nodes: Nodes, live: LiveState, alarms: AlarmLoop, states: NodeStates,
        counts: Callable[[], dict[str, Any]], feeds: Callable[[], list[FeedState]],
        now_unix_ms: Callable[[], int],
    ) -> None:
        """`counts`: Service.counts(); `feeds`: Feeds.states()."""
        self._nodes = nodes
        self._live = live
        self._alarms = alarms
        self._states = states
        self._counts = counts
        self._feeds = feeds
        self._now_unix_ms = now_unix_ms

    def collect(self) -> Iterator[Metric]:
        """Yield every series."""
        yield from host_series(self._counts(), self._alarms)
        with suppress(StoreError):  # feeds.db cannot be read: the others are worth more
            yield from feed_series(self._feeds())
        nodes = NodeSeries(self._now_unix_ms())
        for node in self._nodes.all():
            nodes.add(node, self._live.channels(node.node), self._states.of(node))
        yield from nodes.families()


def scrape(collector: Collector, accept: str) -> tuple[bytes, str]:
    """Return (body, content type) in the format negotiated by the HTTP Accept header."""
    encode, content_type = choose_encoder(accept)
    return encode(collector), content_type

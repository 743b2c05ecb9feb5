"""One scrape: the series of the host and of every node, in the form the asker reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from idroserra.prometheus.host import host_series
from idroserra.prometheus.nodes import NodeSeries
from idroserra.server.service import Service


class HostCollector(Collector):
    """Reads the host anew at every scrape. May be asked from any thread."""

    def __init__(self, service: Service, now_unix_ms: Callable[[], int]) -> None:
        self._service = service
        self._now_unix_ms = now_unix_ms

    def collect(self) -> Iterator[Metric]:
        """Yield every series."""
        yield from host_series(self._service)
        nodes = NodeSeries(self._now_unix_ms())
        for node in self._service.nodes.all():
            nodes.add(node, self._service.live.channels(node.node))
        yield from nodes.families()


def scrape(collector: Collector, accept: str) -> tuple[bytes, str]:
    """Return (body, content type) in the format `accept` of the HTTP request asks for."""
    encode, content_type = choose_encoder(accept)
    return encode(collector), content_type

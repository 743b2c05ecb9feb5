"""GET /metrics: what Prometheus scrapes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from idroserra.server.service import Service
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Routes


def metrics_router(service: Service) -> Routes:
    """Return the route /metrics."""
    router = Routes()

    @router.get("/metrics", replies={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}},
              "description": "Prometheus text, or OpenMetrics where Accept asks for it."}})
    def metrics(request: Request) -> Response:
        """Readings, faults, ages, alarms and counters for Prometheus: docs/prometheus.md."""
        # A host that nobody scrapes does without: it brings a web server of its own.
        from idroserra.prometheus.collector import HostCollector, scrape

        collector = HostCollector(
            nodes=service.nodes, live=service.live, alarms=service.alarms,
            counts=service.counts, now_unix_ms=wall_unix_ms)
        body, content_type = scrape(collector, request.headers.get("accept", ""))
        return Response(body, media_type=content_type)

    return router

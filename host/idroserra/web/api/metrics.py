"""GET /metrics, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from idroserra.web.routing import Routes


def metrics_router(scrape: Callable[[str], tuple[bytes, str]]) -> Routes:
    """Return the route /metrics."""
    router = Routes()

    @router.get("/metrics", replies={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}},
              "description": "Prometheus text, or OpenMetrics where Accept asks for it."}})
    def metrics(request: Request) -> Response:
        """Readings, faults, ages, alarms and counters for Prometheus: docs/integrations.md."""
        body, content_type = scrape(request.headers.get("accept", ""))
        return Response(body, media_type=content_type)

    return router

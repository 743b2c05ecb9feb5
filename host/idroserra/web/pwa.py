"""Serves the web app manifest, the service worker and the offline page.

The worker caches the offline page only, never readings: an old one must not look current.
"""

from __future__ import annotations

import json
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from idroserra.i18n.translate import TAGS, current_locale, gettext
from idroserra.web.pages import Pages
from idroserra.web.routing import Routes

WORKER = Path(__file__).resolve().parent / "static" / "worker.js"
GROUND, ACCENT = "#f4f5f1", "#0f6a53"


def manifest(static: str) -> bytes:
    """Return the web app manifest, in the language of the user."""
    def icon(name: str, size: str, purpose: str) -> dict[str, str]:
        kind = "svg+xml" if name.endswith(".svg") else "png"
        return {"src": f"{static}/{name}", "sizes": size, "type": f"image/{kind}",
                "purpose": purpose}

    return json.dumps({
        "id": "/", "name": "Idroserra", "short_name": "Idroserra", "start_url": "/",
        "scope": "/", "display": "standalone", "lang": TAGS[current_locale().language],
        "description": gettext("The greenhouse, live."),
        "background_color": GROUND, "theme_color": ACCENT,
        "icons": [
            icon("icon.svg", "any", "any"), icon("vendor/icon-192.png", "192x192", "any"),
            icon("vendor/icon-512.png", "512x512", "any"),
            icon("vendor/maskable-512.png", "512x512", "maskable"),
        ],
    }).encode()


def pwa_routes(pages: Pages, static: str) -> Routes:
    """Return the routes of the installable page."""
    routes = Routes()
    worker = f'const STATIC = "{static}";\n{WORKER.read_text("utf-8")}'

    @routes.get("/manifest.webmanifest")
    def web_manifest() -> Response:
        """The web app manifest."""
        return Response(manifest(static), media_type="application/manifest+json")

    @routes.get("/worker.js")
    def service_worker() -> Response:
        """The service worker."""
        return Response(worker, media_type="text/javascript; charset=utf-8")

    @routes.get("/offline")
    def offline(request: Request) -> HTMLResponse:
        """The page that the service worker shows while the host is not reachable."""
        return pages.public_page(request, "offline.html")

    return routes

"""The pages of the settings of the host, in one frame with a side navigation."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from idroserra.web.pages import Pages, add_plain_page
from idroserra.web.routing import Routes
from idroserra.web.settings.nodes import MOST_TITLE_CHARS


def settings_pages_routes(pages: Pages) -> Routes:
    """Return the routes of the pages under /settings."""
    routes = Routes()

    @routes.get("/settings")
    def settings() -> RedirectResponse:
        """The first page of the settings."""
        return RedirectResponse("/settings/nodes", 303)

    @routes.get("/settings/nodes")
    def nodes(request: Request) -> HTMLResponse:
        """The page to adopt, name and forget nodes."""
        return pages.page(request, "settings_nodes.html", None, {
            "most_title_chars": MOST_TITLE_CHARS})

    @routes.get("/settings/install")
    def install(request: Request) -> HTMLResponse:
        """The page to install a board that is plugged in at the browser."""
        return pages.page(request, "settings_install.html", None, {"place": "settings_nodes"})

    for name in ("notifications", "alarms", "foreign", "backup"):
        add_plain_page(
            routes, f"/settings/{name}", partial(pages.page, name=f"settings_{name}.html"))
    return routes

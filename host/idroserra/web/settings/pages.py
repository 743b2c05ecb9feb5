"""The pages of the settings of the host, in one frame with a side navigation."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse

from idroserra.web.pages import Pages
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

    @routes.get("/settings/notifications")
    def notifications(request: Request) -> HTMLResponse:
        """The page of recipients of notifications."""
        return pages.page(request, "settings_notifications.html")

    @routes.get("/settings/alarms")
    def alarms(request: Request) -> HTMLResponse:
        """The page of the limits, delays and priorities of alarms."""
        return pages.page(request, "settings_alarms.html")

    @routes.get("/settings/foreign")
    def foreign(request: Request) -> HTMLResponse:
        """The page of foreign readings: those adopted, and what was seen."""
        return pages.page(request, "settings_foreign.html")

    @routes.get("/settings/backup")
    def backup(request: Request) -> HTMLResponse:
        """The page to make and download a backup."""
        return pages.page(request, "settings_backup.html")

    return routes

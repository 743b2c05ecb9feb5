"""The pages of a node: one address for each room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from idroserra.core.errors import UnknownNode
from idroserra.node_state.places import ROOMS
from idroserra.setpoints.setting_forms import GROUPS
from idroserra.web.node_settings import settings_of
from idroserra.web.pages import Pages
from idroserra.web.routing import Routes
from idroserra.web.settings.alarms import alarms_off

# Room: its groups of settings.
_GROUPS_OF = {"water": ("dosing", "ph", "ec", "water", "mixing"),
              "climate": ("light", "climate", "irrigation"), "setup": tuple(GROUPS)}
# Queries of charts, which were part of the node's address before it had rooms.
_OF_CHARTS = frozenset({"range", "from", "to"})


def node_room_routes(pages: Pages) -> Routes:
    """Return the routes of the rooms."""
    routes = Routes()

    def room(
        request: Request, node: str, name: str, more: dict[str, Any] | None = None
    ) -> Response:
        return pages.node(request, node, f"node_{name}.html", {
            "room": name, "rooms": ROOMS, **(more or {})})

    def settings(
        request: Request, node: str, name: str, also: dict[str, Any] | None = None
    ) -> Response:
        try:
            more = settings_of(pages.context.nodes.get(node))
        except UnknownNode:
            more = {}
        return room(request, node, name, more | {
            "groups": _GROUPS_OF.get(name, ()), **(also or {})})

    @routes.get("/nodes/{node}")
    def now(request: Request, node: str) -> Response:
        """What a node does now."""
        if _OF_CHARTS & request.query_params.keys():
            return RedirectResponse(f"/nodes/{node}/charts?{request.url.query}")
        return settings(request, node, "now")

    def add(name: str, show: Callable[[Request, str, str], Response]) -> None:
        @routes.get(f"/nodes/{{node}}/{name}")
        def shown(request: Request, node: str) -> Response:
            return show(request, node, name)

    for name in ("charts", "crop", "log"):
        add(name, room)
    for name in ("water", "climate"):
        add(name, settings)

    @routes.get("/nodes/{node}/setup")
    def setup(request: Request, node: str) -> Response:
        """Site, settings, calibration and exports of a node."""
        return settings(request, node, "setup", {
            "alarms_off": alarms_off(pages.context.alarm_settings, node)})

    return routes

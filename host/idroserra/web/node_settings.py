"""Serves what the Setup room of a node shows beside the live data: its settings as form fields,
and the wiring of its board."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response

from idroserra.boards import compiler, pinout
from idroserra.core.text import Text
from idroserra.i18n.marker import N_
from idroserra.i18n.translate import translate
from idroserra.nodes.node import Node
from idroserra.nodes.registry import Nodes
from idroserra.setpoints.setting_forms import GROUPS, setting_fields, setting_text
from idroserra.web.routing import Routes


def settings_of(node: Node) -> dict[str, Any]:
    """Return the values of setting_forms.html and wiring.html."""
    board = _board(node)
    return {"setting_fields": setting_fields(node.info), "setting_groups": GROUPS,
            "setting_text": setting_text, "is_drawn": board in compiler.all_names()}


def wiring_routes(nodes: Nodes) -> Routes:
    """Return the route of the drawing."""
    routes = Routes()

    @routes.get("/nodes/{node}/wiring.svg")
    def wiring(node: str) -> Response:
        """The pinout of the node's board, as `idroserra board pinout` draws it."""
        board = _board(nodes.get(node))
        drawing = pinout.svg_of(board)
        if drawing is None:
            error = Text(N_("this host has no file of the board {board}"), board=board)
            return JSONResponse({"error": str(error), "words": translate(error)}, 404)
        return Response(drawing, media_type="image/svg+xml")

    return routes


def _board(node: Node) -> str:
    """Return the board that the node reports, "" before it does."""
    return "" if node.info is None else str(node.info.board)

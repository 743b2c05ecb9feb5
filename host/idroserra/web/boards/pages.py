"""The pages of boards in the settings: the list, and the one to put a board together."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from idroserra.boards.board_text import table_of
from idroserra.boards.chips import CHIPS
from idroserra.boards.library import BoardLibrary, BoardSource, UnknownBoard
from idroserra.boards.proposal import blank_table
from idroserra.boards.schema import DEFAULT_VOLUME_L, BoardFile, parse
from idroserra.core.errors import BoardError
from idroserra.i18n.channels import display_of, plain_name
from idroserra.web.boards.api import nodes_with
from idroserra.web.boards.forms import forms_json
from idroserra.web.pages import Pages, in_script
from idroserra.web.routing import Routes

NEW_NAME = "my-board"
_USUAL_CHIP = "esp32s3"
_LOADS_MA = 5_000
_MOST_NAME_CHARS = 32


def board_pages_routes(pages: Pages) -> Routes:
    """Return the routes of these pages."""
    routes = Routes()
    library, nodes = pages.context.boards, pages.context.nodes

    @routes.get("/settings/boards")
    def boards(request: Request) -> HTMLResponse:
        """The boards of this host."""
        found = [one | {"nodes": nodes_with(nodes, one["name"]),
                        "channels": [display_of(name).label for name in one["channels"]],
                        "outputs": list(map(plain_name, one["outputs"]))}
                 for one in library.all()]
        return pages.page(request, "settings_boards.html", None, {"boards": found})

    @routes.get("/settings/boards/edit")
    def edit(request: Request, board: str = "") -> HTMLResponse:
        """A board as a form: a new one, or one that begins as another."""
        try:
            source = library.get(board) if board else None
        except UnknownBoard:
            return pages.refused(request, 404)
        start = _start(library, source)
        return pages.page(request, "settings_wiring.html", None, {
            "place": "settings_boards", "start": start, "data": in_script(start | {
                "forms": forms_json(library.parts())})})

    return routes


def _start(library: BoardLibrary, source: BoardSource | None) -> dict[str, Any]:
    """Return what the form begins with: `opened` is the kept board that is changed, "" for a new
    one; `copied` the board that it is copied from; `error` why its file cannot be shown."""
    start: dict[str, Any] = {"opened": "", "digest": "", "copied": "", "comments": 0, "error": ""}
    table = blank_table(NEW_NAME, _USUAL_CHIP, DEFAULT_VOLUME_L, _LOADS_MA)
    if source is not None:
        start |= {"comments": source.comments}
        if source.is_kept:
            start |= {"opened": source.name, "digest": source.digest}
        else:
            start["copied"] = source.name
        try:
            shown = parse(source.text.encode(), BoardFile, f"{source.name}.toml")
            if shown.board.chip in CHIPS:
                table = table_of(shown)
        except BoardError as error:
            start["error"] = str(error)
    if not start["opened"]:
        taken = set(library.names())
        wanted = f"my-{start['copied']}"[:_MOST_NAME_CHARS] if start["copied"] else NEW_NAME
        table["board"]["name"] = next(
            name for number in range(1, len(taken) + 2)
            if (name := wanted if number == 1 else f"{wanted[:28]}-{number}") not in taken)
    return start | {"board": table}

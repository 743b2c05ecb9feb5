"""The HTTP API of boards: check a draft, list, download, keep and delete boards."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta
from starlette.responses import Response

from idroserra.boards import draft, pinout, power_budget
from idroserra.boards.draft import Change, CheckedDraft
from idroserra.boards.library import BoardLibrary
from idroserra.boards.schema import EXAMPLE, MAX_FILE_BYTES
from idroserra.boards.summary import shopping_of, summary_of, warnings_of, wires_of
from idroserra.core.errors import BoardError
from idroserra.i18n.channels import display_of, plain_name
from idroserra.i18n.translate import translate
from idroserra.nodes.registry import Nodes
from idroserra.web.api.schemas import AskedBy, In, Out, error_replies
from idroserra.web.routing import Routes

_ERROR_REPLIES = error_replies({
    404: "No such board.", 409: "Refused; the message says what to do.",
})
BoardName = Annotated[str, Meta(max_length=64, description="Name of a board.")]
Digest = Annotated[str, Meta(max_length=64, description=(
    "Of the kept board to replace, as it was shown; refused if it has changed."))]


class DraftIn(In):
    """A board as the table of its file (docs/boards.md), and optionally a change of it."""

    board: dict[str, Any]
    change: Change | None = None


class RefusalOut(Out):
    """Why a board is not valid: the key of its file, its part if it has one, and why."""

    key: str
    part: str
    why: str


class WireOut(Out):
    """One connection: the pin or input, what is there, and what to fit."""

    place: str
    title: str
    details: list[str]
    fit: str


class PurchaseOut(Out):
    """A line of the shopping list."""

    pieces: int
    name: str
    text: str


class SupplyOut(Out):
    """One supply: its highest load and its rating in mA, null: not stated."""

    name: str
    total_ma: int
    rating_ma: int | None


class DraftOut(Out):
    """A draft after its change, and what `board check`, `pinout` and `parts` say of it.

    If it is refused, what follows `error` is empty."""

    board: dict[str, Any]
    ok: bool
    error: RefusalOut | None
    channels: Annotated[list[str], Meta(description="In words.")] = []
    outputs: Annotated[list[str], Meta(description="In words.")] = []
    warnings: list[str] = []
    toml: str = ""
    svg: Annotated[str, Meta(description="The pinout.")] = ""
    wires: list[WireOut] = []
    parts: list[PurchaseOut] = []
    components: list[PurchaseOut] = []
    supplies: list[SupplyOut] = []


class BoardIn(AskedBy, kw_only=True):
    """A board to keep."""

    toml: Annotated[str, Meta(max_length=MAX_FILE_BYTES, description="The text of its file.")]
    digest: Digest | None = None


class BoardOut(Out):
    """A board of this host."""

    name: str
    chip: str
    channels: list[str]
    outputs: list[str]
    is_kept: Annotated[bool, Meta(description="False: shipped with the host, read-only.")]
    digest: Annotated[str, Meta(description="Of the text of its file.")]
    error: Annotated[str, Meta(description="Why it is not valid; empty if it is.")]
    nodes: Annotated[list[str], Meta(description="Nodes that report this board.")]


class BoardsOut(Out):
    """The kept boards, then the shipped ones."""

    boards: list[BoardOut]


class KeptOut(Out):
    """A board that was kept or deleted; `nodes` report it and have the firmware of before."""

    name: str
    digest: str
    nodes: list[str]


def boards_router(library: BoardLibrary, nodes: Nodes) -> Routes:
    """Return the routes under /api/boards."""
    router = Routes("/api/boards", _ERROR_REPLIES)

    @router.post("/check", answer=DraftOut)
    def check_draft(body: DraftIn) -> dict[str, Any]:
        """Check a draft, after a change if one is given. Nothing is kept."""
        parts, table = library.parts(), body.board
        if body.change is not None:
            table = draft.changed(table, body.change, parts)
        try:
            found = draft.check(table, parts)
        except BoardError as error:
            return {"board": table, "ok": False, "error": refusal_json(table, error)}
        return {"board": table, "ok": True, "error": None, **_checked_json(found)}

    @router.get("", answer=BoardsOut)
    def list_boards() -> dict[str, Any]:
        """List the boards."""
        return {"boards": [one | {"nodes": nodes_with(nodes, one["name"])}
                           for one in library.all()]}

    @router.get("/{name}/file", replies={
        200: {"content": {"application/toml": {}}, "description": "The board file."}})
    def board_file(name: BoardName) -> Response:
        """Return a board as its TOML file."""
        return Response(library.get(name).text, media_type="application/toml", headers={
            "Content-Disposition": f'attachment; filename="{name}.toml"'})

    @router.put("/{name}", answer=KeptOut)
    def keep_board(name: BoardName, body: BoardIn) -> dict[str, Any]:
        """Keep a valid board, which flash, board and previews then find by its name."""
        source = library.keep(name, body.toml, body.digest)
        return {"name": name, "digest": source.digest, "nodes": nodes_with(nodes, name)}

    @router.delete("/{name}", answer=KeptOut)
    def delete_board(name: BoardName) -> dict[str, Any]:
        """Delete a kept board."""
        library.remove(name)
        return {"name": name, "digest": "", "nodes": nodes_with(nodes, name)}

    return router


def nodes_with(nodes: Nodes, board: str) -> list[str]:
    """Return the nodes that report a board."""
    return [one.node for one in nodes.all() if one.info is not None and one.info.board == board]


def refusal_json(table: object, error: BoardError) -> dict[str, str]:
    """Return why a board is not valid, in the reader's language."""
    why = translate(error.why).removesuffix(f": {EXAMPLE}")
    return {"key": error.key, "part": draft.part_at(table, error.key), "why": why}


def _checked_json(found: CheckedDraft) -> dict[str, Any]:
    wired = found.wired
    summary, shopping = summary_of(wired.compiled), shopping_of(wired)
    rails = power_budget.rails(wired.file, wired.parts)
    return {
        "channels": [display_of(channel).label for channel in summary["channels"]],
        "outputs": [plain_name(name) for name in summary["outputs"]],
        "warnings": list(map(translate, warnings_of(wired))), "toml": found.text,
        "svg": pinout.svg(wired),
        "wires": [{"place": place, "title": wire.title, "details": list(wire.details),
                   "fit": wire.fit and translate(wire.fit)} for place, wire in wires_of(wired)],
        "parts": [one._asdict() | {"text": one.text and translate(one.text)}
                  for one in shopping.parts],
        "components": [one._asdict() | {"name": translate(one.name)}
                       for one in shopping.components],
        "supplies": [{"name": rail.name, "total_ma": rail.total_ma, "rating_ma": rail.budget_ma}
                     for rail in rails if rail.draws]}

"""The HTTP API: read nodes, history and events; send commands and settings; follow live."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import StreamingResponse

from idro.protocol.events import EVENTS
from idroserra.auth.identity import check_recent_password
from idroserra.auth.roles import Role
from idroserra.core import protocol
from idroserra.core.errors import HostError
from idroserra.i18n.events import reason_text
from idroserra.i18n.translate import current_locale
from idroserra.nodes.commands import CommandState
from idroserra.server.service import Service
from idroserra.web.api.schemas import (
    CommandIn,
    CommandOut,
    ConfigIn,
    ConfigOut,
    EventsOut,
    NodeOut,
    NodesOut,
    RejectedOut,
    SeriesOut,
    refused,
)
from idroserra.web.middleware.authentication import identify
from idroserra.web.node_view import NodeViews, config_json, event_json
from idroserra.web.routing import BadRequest, Param, Replies, Routes

MOST_CHANNELS = 32
MOST_COLUMNS = 4_000
MOST_EVENTS = 5_000
MOST_REJECTED = 1_000
MOST_SPAN_MS = 400 * 86_400_000
LATEST_UNIX_MS = 4_102_444_800_000  # the year 2100
# What people must have given their password for in the last minutes: doses, and what says how
# much may be dosed or filled in.
FRESH_VERBS = ("dose", "correct")
FRESH_SETTINGS = frozenset({
    "dosing.enabled", "dosing.authority_pct", "ph.down_ul_per_ph", "ph.up_ul_per_ph",
    "ec.ul_per_100_us_cm", "reservoir.area_cm2", "level.low_mm", "level.full_mm",
    "topoff.max_ms_day", "mixing.wait_ms", "doser.ul_per_s", "ph.neutral_uv",
    "ph.slope_uv_per_ph", "ec.cell_milli", "climate.max_c",
})

FromMs = Annotated[int, Meta(ge=0, le=LATEST_UNIX_MS, description="Start, UTC, in ms.")]
ToMs = Annotated[int, Meta(ge=0, le=LATEST_UNIX_MS, description="End (not included), in ms.")]

_REFUSALS: Replies = {
    404: refused("No such node or command."),
    422: refused("A field is wrong; the message names it."),
    503: refused("The store does not answer."),
}


def api_router(service: Service, views: NodeViews) -> Routes:
    """Return the routes under /api."""
    router = Routes("/api", _REFUSALS)
    _add_nodes(router, service, views)
    _add_history(router, service)
    _add_live(router)
    _add_asking(router, service)
    return router


def _add_nodes(router: Routes, service: Service, views: NodeViews) -> None:
    @router.get("/nodes", answer=NodesOut)
    def list_nodes() -> dict[str, Any]:
        """Every node the host ever heard of, by name."""
        return {"nodes": views.all()}

    @router.get("/nodes/{node}", answer=NodeOut)
    def show_node(node: str) -> dict[str, Any]:
        """One node."""
        return views.get(node)

    @router.get("/health", answer=dict[str, Any])
    def health() -> dict[str, Any]:
        """Counters per node (received, stored, duplicates, lost, rejected), spool and store."""
        return service.counts()

    @router.get("/rejected", answer=RejectedOut)
    def rejected(
        limit: Annotated[int, Meta(ge=1, le=MOST_REJECTED, description="Newest so many.")] = 100,
    ) -> dict[str, Any]:
        """Messages and records that were not understood, newest first, each with the reason."""
        kept = [one._asdict() | {"payload": one.payload.decode("utf-8", "backslashreplace")}
                for one in service.spool.rejected(limit)]
        return {"rejected": kept, "count": service.counts()["rejected"]}


def _add_history(router: Routes, service: Service) -> None:
    @router.get("/nodes/{node}/series", answer=SeriesOut)
    def series(
        node: str,
        channels: Annotated[str, Meta(max_length=2_000, description="Comma-separated.")],
        from_unix_ms: FromMs,
        to_unix_ms: ToMs,
        columns: Annotated[int, Meta(ge=1, le=MOST_COLUMNS, description="Pixels across.")] = 600,
    ) -> dict[str, Any]:
        """History for a chart: least, mean and most a pixel column."""
        service.nodes.get(node)
        names = _channels(channels)
        _check_span(from_unix_ms, to_unix_ms)
        found = service.store.series(node, names, from_unix_ms, to_unix_ms, columns)
        return {"node": node, "from_unix_ms": from_unix_ms, "to_unix_ms": to_unix_ms,
                "columns": columns, "series": found}

    @router.get("/nodes/{node}/events", answer=EventsOut)
    def events(
        node: str,
        from_unix_ms: FromMs,
        to_unix_ms: ToMs,
        kinds: Annotated[str, Meta(max_length=400, description="Comma-separated.")] | None = None,
        limit: Annotated[int, Meta(ge=1, le=MOST_EVENTS, description="Newest so many.")] = 1_000,
    ) -> dict[str, Any]:
        """What the node did, decided and refused, oldest first, each in a sentence."""
        service.nodes.get(node)
        _check_span(from_unix_ms, to_unix_ms)
        found = service.store.events(node, from_unix_ms, to_unix_ms, _kinds(kinds))
        newest = found[-limit:]
        return {"node": node, "events": [event_json(event) for event in newest],
                "left_out": len(found) - len(newest)}


def _add_live(router: Routes) -> None:
    @router.get("/live", replies={
        200: {"content": {"text/event-stream": {}}, "description": "Messages as JSON."}})
    async def live(
        request: Request,
        after: Annotated[
            str, Meta(max_length=80, description="As Last-Event-ID, for the first time.")
        ] | None = None,
        last_event_id: Annotated[str | None, Param("last-event-id", "header")] = None,
    ) -> StreamingResponse:
        """Server-sent events: hello, record, event, command, node, sites, host, heartbeat,
        logged_out."""
        async def is_let_in() -> bool:
            who = await identify(request.app.state.access, request.scope)
            return who is not None and who.role >= Role.VIEWER

        stream = request.app.state.feeds.of(current_locale()).stream(
            last_event_id or after, is_let_in
        )
        return StreamingResponse(stream, media_type="text/event-stream",
                                 headers={"X-Accel-Buffering": "no"})


def _add_asking(router: Routes, service: Service) -> None:
    @router.post("/nodes/{node}/commands", status=202, answer=CommandOut)
    def send(node: str, body: CommandIn) -> dict[str, Any]:
        """Ask a node for something. The answer is its id; GET /api/commands/{id} for the end."""
        if body.verb in FRESH_VERBS:
            check_recent_password()
        command_id = service.commands.send(
            node, body.verb, body.args, body.by, body.ttl_ms, command_id=body.id,
            until_unix_ms=body.until_unix_ms)
        return _command_json(service.commands.state(command_id))

    @router.get("/commands/{command_id}", answer=CommandOut)
    def command(command_id: str) -> dict[str, Any]:
        """What became of a command."""
        try:
            return _command_json(service.commands.state(command_id))
        except KeyError:
            raise UnknownCommand(f"command: nobody sent {command_id[:40]}") from None

    @router.put("/nodes/{node}/config", answer=ConfigOut)
    def set_config(node: str, body: ConfigIn) -> dict[str, Any]:
        """Change settings. They are in force once reported_rev has reached rev."""
        if FRESH_SETTINGS & body.values.keys():
            check_recent_password()
        service.commands.set_config(node, body.values, body.by)
        return config_json(service.nodes.get(node))


class UnknownCommand(HostError):
    """Nobody sent a command with this id."""


def _command_json(state: CommandState) -> dict[str, Any]:
    return {
        "id": state.id, "node": state.node, "verb": state.verb, "args": dict(state.args),
        "by": state.by, "state": state.state, "reason": reason_text(state.reason),
        "sent_unix_ms": state.sent_unix_ms, "ends_unix_ms": state.ends_unix_ms,
    }


def _channels(text: str) -> list[str]:
    names = list(dict.fromkeys(name for name in text.split(",") if name))
    if not 1 <= len(names) <= MOST_CHANNELS:
        raise BadRequest(f"channels: 1 to {MOST_CHANNELS} needed, got {len(names)}")
    for name in names:
        try:
            protocol.split_channel(name)
        except protocol.ProtocolError as error:
            raise BadRequest(f"channels: {error}") from None
    return names


def _kinds(text: str | None) -> list[str] | None:
    if not text:
        return None
    kinds = text.split(",")
    for kind in kinds:
        if kind not in EVENTS:
            raise BadRequest(f"kinds: unknown kind {kind[:40]!r}")
    return kinds


def _check_span(from_unix_ms: int, to_unix_ms: int) -> None:
    if not 0 < to_unix_ms - from_unix_ms <= MOST_SPAN_MS:
        raise BadRequest("to_unix_ms: must be after from_unix_ms, by at most 400 days")

"""The HTTP API of nodes: state, history, events, live stream, commands, settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import StreamingResponse

from idro.protocol.events import EVENTS
from idroserra.auth.identity import check_recent_password
from idroserra.auth.roles import Role
from idroserra.core import computed, protocol
from idroserra.core.errors import NotFound
from idroserra.history.models import Store
from idroserra.i18n.reasons import reason_json
from idroserra.i18n.translate import current_locale
from idroserra.ingest.spool import Spool
from idroserra.ingest.store_writer import known_events
from idroserra.nodes.command_state import CommandState
from idroserra.nodes.commands import Commands
from idroserra.nodes.registry import Nodes
from idroserra.web.api.ranges import FromMs, ToMs, check_span
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
    error_replies,
)
from idroserra.web.computed_readings import ComputedSeries, lamp_ppfd
from idroserra.web.context import WebContext
from idroserra.web.middleware.authentication import identify
from idroserra.web.node_view import NodeViews, config_json, event_json
from idroserra.web.routing import BadRequest, Param, Routes
from idroserra.web.threads import run_in_thread, stop_and_record

MOST_CHANNELS = 32
MOST_COLUMNS = 4_000
MOST_EVENTS = 5_000
MOST_REJECTED = 1_000
# Need a recent password: doses, and settings that limit or scale doses and filling or the readings
# that these follow, that say how old such a reading may be, or that can lift a hold.
FRESH_VERBS = ("dose", "correct")
CERTIFICATE = "certificate"  # has a route of its own, for administrators
FRESH_SETTINGS = frozenset({
    "dosing.enabled", "dosing.authority_pct", "ph.down_ul_per_ph", "ph.up_ul_per_ph",
    "ec.ul_per_100_us_cm", "reservoir.area_cm2", "level.low_mm", "level.full_mm",
    "topoff.max_ms_day", "mixing.wait_ms", "doser.ul_per_s", "ph.neutral_uv",
    "ph.slope_uv_per_ph", "ph.calibrated_day", "ec.cell_milli", "ec.alpha_ppm_c",
    "level.zero_uv", "level.uv_per_mm", "sample.every_ms", "climate.max_c",
    "irrigation.drain_s", "irrigation.low_ml_per_min",
})

_ERROR_REPLIES = error_replies({
    404: "No such node or command.", 429: "Too many commands at once; Retry-After in seconds.",
    503: "The store does not answer.",
})


def nodes_router(context: WebContext) -> Routes:
    """Return the routes under /api."""
    router = Routes("/api", _ERROR_REPLIES)
    _add_nodes(router, context)
    _add_history(router, context.nodes, context.store, context.spool,
                 ComputedSeries(context.store, lamp_ppfd(context.recipes)))
    _add_live(router)
    _add_actions(router, context.commands, context.nodes, context.views)
    return router


def _add_nodes(router: Routes, context: WebContext) -> None:
    @router.get("/nodes", answer=NodesOut)
    def list_nodes(request: Request) -> dict[str, Any]:
        """List every node the host knows, by name."""
        nodes = context.views.all()
        request.app.state.feed_hub.handed_out(nodes)
        return {"nodes": nodes}

    @router.get("/nodes/{node}", answer=NodeOut)
    def show_node(node: str) -> dict[str, Any]:
        """Return one node."""
        return context.views.get(node)

    @router.get("/health", answer=dict[str, Any])
    def health() -> dict[str, Any]:
        """Return counters by node (received, stored, refused, duplicates, lost, rejected), spool,
        store."""
        return context.counts()

    @router.get("/rejected", answer=RejectedOut)
    def rejected(
        limit: Annotated[int, Meta(ge=1, le=MOST_REJECTED, description="At most, newest.")] = 100,
    ) -> dict[str, Any]:
        """Return rejected messages and records, newest first, with their errors."""
        rows = [one._asdict() | {"payload": one.payload.decode("utf-8", "backslashreplace")}
                for one in context.spool.rejected(limit)]
        return {"rejected": rows, "count": context.counts()["rejected"]}


def _add_history(
    router: Routes, nodes: Nodes, store: Store, spool: Spool, computed_series: ComputedSeries
) -> None:
    @router.get("/nodes/{node}/series", answer=SeriesOut)
    def series(
        node: str,
        channels: Annotated[str, Meta(max_length=2_000, description="Comma-separated.")],
        from_unix_ms: FromMs,
        to_unix_ms: ToMs,
        columns: Annotated[int, Meta(ge=1, le=MOST_COLUMNS, description="Width, pixels.")] = 600,
    ) -> dict[str, Any]:
        """Return history for a chart: minimum, mean and maximum of each pixel column.

        The host computes air.vpd_pa (likewise of other places with temperature and humidity), and
        light.dli_mol_per_m2: the light of the last 24 hours, with the PPFD of the node's recipe.
        """
        found_node = nodes.get(node)
        names = _channels(channels)
        check_span(from_unix_ms, to_unix_ms)
        found = computed_series.series(found_node, names, from_unix_ms, to_unix_ms, columns)
        return {"node": node, "from_unix_ms": from_unix_ms, "to_unix_ms": to_unix_ms,
                "columns": columns, "series": found}

    @router.get("/nodes/{node}/events", answer=EventsOut)
    def events(
        node: str,
        from_unix_ms: FromMs,
        to_unix_ms: ToMs,
        kinds: Annotated[str, Meta(max_length=400, description="Comma-separated.")] | None = None,
        limit: Annotated[int, Meta(ge=1, le=MOST_EVENTS, description="At most, newest.")] = 1_000,
    ) -> dict[str, Any]:
        """Return events, oldest first, each with its text."""
        nodes.get(node)
        check_span(from_unix_ms, to_unix_ms)
        found = known_events(
            spool, store, node, from_unix_ms, to_unix_ms, _kinds(kinds), limit + 1)
        return {"node": node, "events": [event_json(event) for event in found[-limit:]],
                "has_older": len(found) > limit}


def _add_live(router: Routes) -> None:
    @router.get("/live", replies={
        200: {"content": {"text/event-stream": {}}, "description": "Messages as JSON."}})
    async def live(
        request: Request,
        after: Annotated[
            str, Meta(max_length=80, description="As Last-Event-ID, for the first connection.")
        ] | None = None,
        last_event_id: Annotated[str | None, Param("last-event-id", "header")] = None,
    ) -> StreamingResponse:
        """Server-sent events: hello, record, event, command, node, sites, host, heartbeat,
        logged_out."""
        async def is_allowed() -> bool:
            who = await identify(request.app.state.auth, request.scope)
            return who is not None and who.role >= Role.VIEWER

        stream = request.app.state.feed_hub.of(current_locale()).stream(
            last_event_id or after, is_allowed)
        return StreamingResponse(stream, media_type="text/event-stream",
                                 headers={"X-Accel-Buffering": "no"})


def _add_actions(router: Routes, commands: Commands, nodes: Nodes, views: NodeViews) -> None:
    @router.post("/nodes/{node}/commands", status=202, answer=CommandOut)
    async def send(node: str, body: CommandIn) -> dict[str, Any]:
        """Send a command to a node. GET /api/commands/{id} returns its state."""
        if body.verb == "stop":
            return await stop_and_record(lambda: begin_stop(node, body))
        return await run_in_thread(lambda: send_other(node, body))

    def begin_stop(node: str, body: CommandIn) -> Callable[[], dict[str, Any]]:
        _check(body)
        protocol.check_args("stop", body.args)
        record = commands.begin_stop(node, body.by, body.id)
        return lambda: command_json(commands.state(record()))

    def send_other(node: str, body: CommandIn) -> dict[str, Any]:
        _check(body)
        return command_json(commands.state(commands.send(
            node, body.verb, body.args, body.by, body.ttl_ms, command_id=body.id,
            until_unix_ms=body.until_unix_ms,
            is_current=lambda: body.ends in (None, views.hold(node)))))

    @router.get("/commands/{command_id}", answer=CommandOut)
    def command(command_id: str) -> dict[str, Any]:
        """Return a command and its state."""
        try:
            return command_json(commands.state(command_id))
        except KeyError:
            raise UnknownCommand(f"command: unknown id {command_id[:40]}") from None

    @router.put("/nodes/{node}/config", answer=ConfigOut)
    def set_config(node: str, body: ConfigIn) -> dict[str, Any]:
        """Change settings. They are active once reported_rev has reached rev."""
        if FRESH_SETTINGS & body.values.keys():
            check_recent_password()
        commands.set_config(node, body.values, body.by)
        return config_json(nodes.get(node))

    @router.delete("/nodes/{node}/config/restored", answer=ConfigOut)
    def keep_own_settings(node: str) -> dict[str, Any]:
        """Keep the settings of the node; forget those of a restored backup."""
        commands.keep_own_settings(node)
        return config_json(nodes.get(node))


def _check(body: CommandIn) -> None:
    if body.verb in FRESH_VERBS:
        check_recent_password()
    if body.verb == CERTIFICATE:
        raise BadRequest("verb: certificate: PUT /api/nodes/NODE/certificate")
    if body.ends is not None and body.verb != "resume":
        raise BadRequest("ends: only a resume has it")


class UnknownCommand(NotFound):
    """No command has this id."""


def command_json(state: CommandState) -> dict[str, Any]:
    """Return a command as CommandOut."""
    return {
        "id": state.id, "node": state.node, "verb": state.verb, "args": dict(state.args),
        "by": state.by, "state": state.state, "reason": reason_json(state.reason),
        "sent_unix_ms": state.sent_unix_ms, "ends_unix_ms": state.ends_unix_ms,
    }


def _channels(text: str) -> list[str]:
    names = list(dict.fromkeys(name for name in text.split(",") if name))
    if not 1 <= len(names) <= MOST_CHANNELS:
        raise BadRequest(f"channels: 1 to {MOST_CHANNELS} needed, got {len(names)}")
    for name in names:
        if name == computed.DLI:
            continue
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

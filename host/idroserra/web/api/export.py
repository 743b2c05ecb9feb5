"""The HTTP API of the history export, streamed from the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta
from starlette.responses import StreamingResponse

from idroserra.export.csv_export import balance_csv, events_csv, iso_utc, readings_csv
from idroserra.export.rows import instants
from idroserra.history.models import Store
from idroserra.history.paging import events
from idroserra.i18n.channels import screen_order
from idroserra.nodes.node import Node
from idroserra.web.api.balance import read_balance
from idroserra.web.api.ranges import FromMs, LocalTime, ToMs, check_span, zone_of
from idroserra.web.api.schemas import error_replies
from idroserra.web.context import WebContext
from idroserra.web.routing import BadRequest, Param, Routes, in_reading_threads

What = Literal["readings", "events", "balance"]
Form = Literal["csv", "line"]
_TYPES = {"csv": "text/csv; charset=utf-8; header=present", "line": "text/plain; charset=utf-8"}

_ERROR_REPLIES = error_replies({404: "No such node.", 503: "The store does not answer."})


def export_router(context: WebContext) -> Routes:
    """Return the route of the export."""
    router = Routes("/api", _ERROR_REPLIES)

    @router.get("/nodes/{node}/export", replies={
        200: {"content": {"text/csv": {"schema": {"type": "string"}},
                          "text/plain": {"schema": {"type": "string"}}},
              "description": "The file. An interrupted response is incomplete."}})
    def export(
        node: str,
        from_unix_ms: FromMs,
        to_unix_ms: ToMs,
        what: Annotated[What, Meta(
            description="Readings, events, or the balance of each day.")] = "readings",
        form: Annotated[Form, Meta(description="CSV or line protocol."), Param("format")] = "csv",
        time_zone: LocalTime = None,
    ) -> StreamingResponse:
        """Export history: every reading and fault, every event, or the daily balance."""
        found = context.nodes.get(node)
        check_span(from_unix_ms, to_unix_ms)
        zone, span = zone_of(time_zone), (from_unix_ms, to_unix_ms)
        if what != "balance":
            site = context.config.site
            parts = _parts(context.store, found, site, what, form, zone, span)
            return _file(parts, node, what, form, span)
        if form != "csv":
            raise BadRequest("format: a balance is CSV only")
        days = read_balance(context, node, span, zone)
        return _file(balance_csv(days, zone), node, what, form, span)

    return router


def _file(
    parts: Iterator[str], node: str, what: What, form: Form, span: tuple[int, int]
) -> StreamingResponse:
    suffix = "csv" if form == "csv" else "lp"
    name = f"{node}_{what}_{iso_utc(span[0])[:10]}_{iso_utc(span[1] - 1)[:10]}"
    return StreamingResponse(in_reading_threads(parts), media_type=_TYPES[form], headers={
        "Content-Disposition": f'attachment; filename="{name}.{suffix}"'})


def _parts(
    store: Store, node: Node, site: str, what: What, form: Form, zone: ZoneInfo | None,
    span: tuple[int, int],
) -> Iterator[str]:
    """Return the parts of a file of readings or events. Raises StoreError."""
    from idroserra.export.line_protocol_export import (  # rarely used: 0.5 MiB
        events_lines,
        readings_lines,
    )

    if what == "events":
        rows = events(store, node.node, *span)
        return events_csv(rows, zone) if form == "csv" else events_lines(site, rows)
    channels = _channels(store, node)
    readings = instants(store, node.node, channels, *span)
    if form == "csv":
        return readings_csv(readings, channels, zone)
    return readings_lines(site, node.node, readings)


def _channels(store: Store, node: Node) -> list[str]:
    """Return the channels that the store or the node itself lists, in order. Raises StoreError."""
    known = set(store.latest(node.node))
    known |= set(() if node.info is None else node.info.channels)
    return sorted(known, key=screen_order)

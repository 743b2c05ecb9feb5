"""The API of the export: a node's history as it streams out of the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta
from starlette.responses import StreamingResponse

from idroserra.export.csv_export import balance_csv, events_csv, iso_utc, readings_csv
from idroserra.export.rows import events, instants
from idroserra.history.models import Store
from idroserra.i18n.channels import screen_order
from idroserra.inventory.bottles import BottleInventory
from idroserra.nodes.registry import Node, Nodes
from idroserra.web.api.balance import read_balance
from idroserra.web.api.nodes import MOST_SPAN_MS, FromMs, ToMs
from idroserra.web.api.schemas import refused
from idroserra.web.routing import BadRequest, Param, Replies, Routes

What = Literal["readings", "events", "balance"]
Form = Literal["csv", "line"]
LocalTime = Annotated[str, Meta(
    max_length=60, description="Adds local time to CSV, such as Europe/Rome.")] | None
_TYPES = {"csv": "text/csv; charset=utf-8; header=present", "line": "text/plain; charset=utf-8"}

_REFUSALS: Replies = {
    404: refused("No such node."),
    422: refused("A field is wrong; the message names it."),
    503: refused("The store does not answer."),
}


def export_router(nodes: Nodes, store: Store, bottles: BottleInventory, site: str) -> Routes:
    """Return the route of the export."""
    router = Routes("/api", _REFUSALS)

    @router.get("/nodes/{node}/export", replies={
        200: {"content": {"text/csv": {"schema": {"type": "string"}},
                          "text/plain": {"schema": {"type": "string"}}},
              "description": "The whole file; an answer that breaks off is not whole."}})
    def export(
        node: str,
        from_unix_ms: FromMs,
        to_unix_ms: ToMs,
        what: Annotated[What, Meta(
            description="Readings, what happened, or the balance of each day.")] = "readings",
        form: Annotated[Form, Meta(description="CSV or line protocol."), Param("format")] = "csv",
        time_zone: LocalTime = None,
    ) -> StreamingResponse:
        """History as a file of any length: every reading and fault, or every event."""
        found = nodes.get(node)
        if not 0 < to_unix_ms - from_unix_ms <= MOST_SPAN_MS:
            raise BadRequest("to_unix_ms: must be after from_unix_ms, by at most 400 days")
        zone, span = zone_of(time_zone), (from_unix_ms, to_unix_ms)
        if what != "balance":
            parts = _parts(store, found, site, what, form, zone, span)
            return _file(parts, node, what, form, span)
        if form != "csv":
            raise BadRequest("format: a balance is CSV only")
        days = read_balance(found, store, bottles, span, "UTC" if zone is None else zone.key)
        return _file(balance_csv(days, zone), node, what, form, span)

    return router


def _file(
    pieces: Iterator[str], node: str, what: What, form: Form, span: tuple[int, int]
) -> StreamingResponse:
    suffix = "csv" if form == "csv" else "lp"
    name = f"{node}_{what}_{iso_utc(span[0])[:10]}_{iso_utc(span[1] - 1)[:10]}"
    return StreamingResponse(pieces, media_type=_TYPES[form], headers={
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


def zone_of(name: str | None) -> ZoneInfo | None:
    """Return a time zone by its name, None for none. Raises BadRequest."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadRequest(
            f"time_zone: {name[:60]!r} is none, such as Europe/Rome or UTC") from None

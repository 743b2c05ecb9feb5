"""The HTTP API of comparisons: two spans of one node or of two."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

from msgspec import Meta
from starlette.responses import StreamingResponse

from idroserra.export.table_export import table_csv
from idroserra.i18n.translate import DEFAULT_LOCALE, use_locale
from idroserra.i18n.translate import gettext as _
from idroserra.journal.models import NoteFilter
from idroserra.reports.builder import DAY_MS, MAX_DAYS, Range
from idroserra.reports.comparison import Figure, compare, difference_of, pairs
from idroserra.web.api.ranges import FromMs, LocalTime, ToMs, zone_of
from idroserra.web.api.reports import span_of
from idroserra.web.api.schemas import Out, error_replies
from idroserra.web.context import WebContext
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Replies, Routes, in_reading_threads

MOST_CROPS = 20
_ERROR_REPLIES = error_replies({
    404: "No such node.", 503: "The store does not answer."})
_COLUMNS = (
    "key", "label", "unit", "first", "second", "difference", "first_node", "first_from_unix_ms",
    "first_to_unix_ms", "second_node", "second_from_unix_ms", "second_to_unix_ms")
_FILE: Replies = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The table."}}
_Node = Annotated[str, Meta(max_length=64, description="Name of a node.")]


class SpanOut(Out):
    """A named span of a node."""

    name: str
    from_unix_ms: int
    to_unix_ms: int


class SpansOut(Out):
    """Weeks and crops of a node, newest first."""

    node: str
    spans: list[SpanOut]


class SideOut(Out):
    """One side of a comparison."""

    node: str
    from_unix_ms: int
    to_unix_ms: int
    text: Annotated[str, Meta(description="Node and dates in words.")]


class CompareOut(Out):
    """Two spans by the figures of the report; volumes are per day."""

    sides: list[SideOut]
    rows: Annotated[list[dict[str, Any]], Meta(
        description="key, label, values (two texts), difference (the second less the first).")]


class _Side(NamedTuple):
    """A span of a node, and its figures."""

    node: str
    span: Range
    figures: list[Figure]


def compare_router(context: WebContext) -> Routes:
    """Return the routes of comparisons."""
    router = Routes("/api", _ERROR_REPLIES)

    @router.get("/nodes/{node}/spans", answer=SpansOut)
    def spans(node: str) -> dict[str, Any]:
        """Return the weeks and crops of a node that can be compared."""
        return {"node": node, "spans": [
            {"name": name, "from_unix_ms": begin, "to_unix_ms": end}
            for name, begin, end in _spans(context, node)]}

    @router.get("/compare", answer=CompareOut)
    def compare_spans(
        node: _Node, from_unix_ms: FromMs, to_unix_ms: ToMs, other: _Node,
        other_from_unix_ms: FromMs, other_to_unix_ms: ToMs,
    ) -> dict[str, Any]:
        """Compare a span of a node with another span or node."""
        sides = _sides(context, (node, from_unix_ms, to_unix_ms),
                       (other, other_from_unix_ms, other_to_unix_ms))
        return {"sides": [_side(one.node, one.span) for one in sides],
                "rows": [row._asdict() for row in compare(*(one.figures for one in sides))]}

    @router.get("/compare/export", replies=_FILE)
    def compare_table(
        node: _Node, from_unix_ms: FromMs, to_unix_ms: ToMs, other: _Node,
        other_from_unix_ms: FromMs, other_to_unix_ms: ToMs, time_zone: LocalTime = None,
    ) -> StreamingResponse:
        """The comparison as CSV, with numbers in the unit of each row."""
        zone = zone_of(time_zone)
        with use_locale(DEFAULT_LOCALE):
            rows = list(_rows(*_sides(context, (node, from_unix_ms, to_unix_ms),
                                      (other, other_from_unix_ms, other_to_unix_ms))))
        return StreamingResponse(
            in_reading_threads(table_csv(_COLUMNS, rows, zone)),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition":
                     f'attachment; filename="comparison_{node}_{other}.csv"'})

    return router


def _sides(context: WebContext, *asked: tuple[str, int, int]) -> list[_Side]:
    """Return the sides (node, from, to). Raises UnknownNode, BadRequest, StoreError."""
    spans = [(node, span_of(context, node, None, begin, end, None)) for node, begin, end in asked]
    return [_Side(node, span, context.figures(context.nodes.get(node), span))
            for node, span in spans]


def _rows(first: _Side, second: _Side) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of the exported table."""
    spans = {f"{name}_{key}": value for name, side in (("first", first), ("second", second))
             for key, value in (("node", side.node), ("from_unix_ms", side.span.from_unix_ms),
                                ("to_unix_ms", side.span.to_unix_ms))}
    for one, values in pairs(first.figures, second.figures):
        before, after = (None if value is None else round(value, one.decimals)
                         for value in values)
        yield {"key": one.key, "label": one.label, "unit": one.unit, "first": before,
               "second": after, "difference": difference_of(one, values), **spans}


def _side(node: str, span: Range) -> dict[str, Any]:
    text = _("{node}, {begin} to {end}").format(
        node=node, begin=span.day(span.from_unix_ms, "yMMMd"),
        end=span.day(span.to_unix_ms - 1, "yMMMd"))
    return {"node": node, "from_unix_ms": span.from_unix_ms, "to_unix_ms": span.to_unix_ms,
            "text": text}


def _spans(context: WebContext, node: str) -> list[tuple[str, int, int]]:
    """Return (name, from, to) of weeks, the recipe, and the crops of the journal."""
    now = wall_unix_ms()
    known = context.nodes.get(node)
    found = [(_("The last seven days"), now - 7 * DAY_MS, now),
             (_("The seven days before"), now - 14 * DAY_MS, now - 7 * DAY_MS),
             (_("The last 30 days"), now - 30 * DAY_MS, now)]
    run = context.recipes.of(node)
    if run is not None and run.started_unix_ms < now:
        end = now if run.is_open else max(run.state_unix_ms, run.started_unix_ms + 1)
        name = _("Recipe {name}").format(name=run.name)
        found.append((name, max(run.started_unix_ms, end - MAX_DAYS * DAY_MS), end))
    end = now
    for one in context.journal.newest(
            about=NoteFilter((node,), known.site), kind="planting", count=MOST_CROPS):
        if one.unix_ms < end:
            name = _("Crop: {crop}").format(crop=one.crop or _("No crop named"))
            found.append((name, one.unix_ms, min(end, one.unix_ms + MAX_DAYS * DAY_MS)))
            end = one.unix_ms
    return found

"""The HTTP API of reports and summaries of a node."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta
from starlette.responses import Response

from idroserra.i18n.translate import gettext as _
from idroserra.journal.models import NoteFilter
from idroserra.reports.builder import DAY_MS, BadRange, Range
from idroserra.reports.pdf import render_pdf
from idroserra.web.api.ranges import FromMs, ToMs, zone_of
from idroserra.web.api.schemas import Out, error_replies
from idroserra.web.context import WebContext
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Routes

Since = Annotated[Literal["week", "planting", "recipe"] | None, Meta(
    description="week: the last seven days; planting, recipe: since the last one.")]
TimeZone = Annotated[str, Meta(
    max_length=60,
    description="Of the days, for example Europe/Rome; default: that of the node.")] | None

_ERROR_REPLIES = error_replies({
    404: "No such node.", 501: "This host cannot create PDFs; the message names the reason.",
    503: "The store does not answer.",
})


class Choice(NamedTuple):
    """A range to choose: the value of `since` and its name."""

    since: str
    text: str


class SentenceOut(Out):
    """One sentence; level: ok, note, warn or bad."""

    level: str
    text: str


class HappenedOut(Out):
    """Summary of a range: one sentence, then details, worst first."""

    node: str
    from_unix_ms: int
    to_unix_ms: int
    level: str
    summary: str
    sentences: list[SentenceOut]


def reports_router(context: WebContext) -> Routes:
    """Return the routes of the report."""
    router = Routes("/api/nodes/{node}", _ERROR_REPLIES)

    @router.get("/report", answer=dict[str, Any])
    def report(
        node: str, since: Since = None, from_unix_ms: FromMs | None = None,
        to_unix_ms: ToMs | None = None, time_zone: TimeZone = None,
    ) -> dict[str, Any]:
        """Return the report of a node in the reader's language."""
        span = span_of(context, node, since, from_unix_ms, to_unix_ms, time_zone)
        return asdict(context.report(context.nodes.get(node), span))

    @router.get("/report.pdf", replies={
        200: {"content": {"application/pdf": {}}, "description": "The report as PDF."}})
    def report_pdf(
        node: str, since: Since = None, from_unix_ms: FromMs | None = None,
        to_unix_ms: ToMs | None = None, time_zone: TimeZone = None,
    ) -> Response:
        """Return the report of a node as PDF."""
        span = span_of(context, node, since, from_unix_ms, to_unix_ms, time_zone)
        document = context.report(context.nodes.get(node), span)
        photos = context.journal.photos
        made = render_pdf(document, lambda photo: photos.path(photo, small=False))
        name = f"{node}_{span.at(span.to_unix_ms - 1):%Y-%m-%d}.pdf"
        return Response(made, media_type="application/pdf", headers={
            "Content-Disposition": f'attachment; filename="{name}"'})

    @router.get("/happened", answer=HappenedOut)
    def happened(
        node: str, from_unix_ms: FromMs | None = None, to_unix_ms: ToMs | None = None,
        time_zone: TimeZone = None,
    ) -> dict[str, Any]:
        """Summarize a range in a few sentences; default: the last twelve hours."""
        now = wall_unix_ms()
        end = now if to_unix_ms is None else min(to_unix_ms, now)
        begin = end - DAY_MS // 2 if from_unix_ms is None else from_unix_ms
        span = span_of(context, node, None, begin, end, time_zone)
        level, summary, sentences = context.summarize(context.nodes.get(node), span)
        return {"node": node, "from_unix_ms": begin, "to_unix_ms": end, "level": level,
                "summary": summary, "sentences": [one._asdict() for one in sentences]}

    return router


def span_of(
    context: WebContext, node: str, since: str | None, from_unix_ms: int | None,
    to_unix_ms: int | None, time_zone: str | None,
) -> Range:
    """Return the requested range; default: the last week. Raises UnknownNode, BadRange."""
    zone: tzinfo = zone_of(time_zone) or _zone_of_node(context, node)
    now = wall_unix_ms()
    end = now if to_unix_ms is None else min(to_unix_ms, now)
    if from_unix_ms is None:
        from_unix_ms = end - 7 * DAY_MS if since in (None, "week") else _began(
            context, node, str(since), end)
    return Range(from_unix_ms, end, zone)


def choices_of(context: WebContext, node: str) -> list[Choice]:
    """Return the ranges to choose for a report. Raises UnknownNode."""
    found = [Choice("week", _("The last seven days"))]
    planting = next(iter(context.journal.newest(
        about=_about(context, node), kind="planting", count=1)), None)
    if planting is not None:
        found.append(Choice("planting", _("Since the planting of {crop}").format(
            crop=planting.crop or _("No crop named"))))
    run = context.recipes.of(node)
    if run is not None:
        found.append(Choice("recipe", _("Since the start of recipe {name}").format(name=run.name)))
    return found


def _began(context: WebContext, node: str, since: str, end_unix_ms: int) -> int:
    if since == "recipe":
        run = context.recipes.of(node)
        if run is None:
            raise BadRange("since: this node never ran a recipe")
        return run.started_unix_ms
    planting = next(iter(context.journal.newest(
        about=_about(context, node), kind="planting", to_unix_ms=end_unix_ms, count=1)), None)
    if planting is None:
        raise BadRange("since: the journal has no planting of this node")
    return planting.unix_ms


def _about(context: WebContext, node: str) -> NoteFilter:
    return NoteFilter((node,), context.nodes.get(node).site)


def _zone_of_node(context: WebContext, node: str) -> tzinfo:
    report = context.nodes.get(node).report
    minutes = 0 if report is None else int(report.values["clock.utc_offset_min"])
    return timezone(timedelta(minutes=minutes)) if minutes else UTC

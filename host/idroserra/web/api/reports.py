"""The API of reports: what a range of a node came to, as JSON and as PDF; and which ranges."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta
from starlette.responses import Response

from idroserra.i18n.translate import gettext as _
from idroserra.journal.models import About
from idroserra.reports.builder import DAY_MS, BadRange, Range, build_report
from idroserra.reports.pdf import render_pdf
from idroserra.reports.sources import ReportSources
from idroserra.reports.summary import summarize
from idroserra.server.service import Service
from idroserra.web.api.export import zone_of
from idroserra.web.api.nodes import LATEST_UNIX_MS
from idroserra.web.api.schemas import Out, refused
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Replies, Routes

Since = Annotated[Literal["week", "planting", "recipe"] | None, Meta(
    description="week: the last seven days; planting, recipe: since the newest one.")]
FromMs = Annotated[int, Meta(ge=0, le=LATEST_UNIX_MS, description="Start, UTC, in ms.")] | None
ToMs = Annotated[int, Meta(
    ge=0, le=LATEST_UNIX_MS, description="End (not included), in ms; without it, now.")] | None
TimeZone = Annotated[str, Meta(
    max_length=60,
    description="Of the days, such as Europe/Rome; without it, the node's own.")] | None

_REFUSALS: Replies = {
    404: refused("No such node."),
    422: refused("A field is wrong; the message names it."),
    501: refused("This host cannot make PDFs; the message says why."),
    503: refused("The store does not answer."),
}


class Choice(NamedTuple):
    """A range that is offered: the word of `since`, and its name."""

    since: str
    text: str


class SentenceOut(Out):
    """One sentence; level: ok, note, warn or bad."""

    level: str
    text: str


class HappenedOut(Out):
    """What happened in a time: its sum in one sentence, then sentences, worst first."""

    node: str
    from_unix_ms: int
    to_unix_ms: int
    level: str
    summary: str
    sentences: list[SentenceOut]


def reports_router(service: Service) -> Routes:
    """Return the routes of the report."""
    router = Routes("/api/nodes/{node}", _REFUSALS)

    @router.get("/report", answer=dict[str, Any])
    def report(
        node: str, since: Since = None, from_unix_ms: FromMs = None, to_unix_ms: ToMs = None,
        time_zone: TimeZone = None,
    ) -> dict[str, Any]:
        """The report of a node, section by section, in the words of the page."""
        span = span_of(service, node, since, from_unix_ms, to_unix_ms, time_zone)
        return asdict(build_report(sources_of(service), service.nodes.get(node), span))

    @router.get("/report.pdf", replies={
        200: {"content": {"application/pdf": {}}, "description": "The report as PDF."}})
    def report_pdf(
        node: str, since: Since = None, from_unix_ms: FromMs = None, to_unix_ms: ToMs = None,
        time_zone: TimeZone = None,
    ) -> Response:
        """The report of a node on paper."""
        span = span_of(service, node, since, from_unix_ms, to_unix_ms, time_zone)
        document = build_report(sources_of(service), service.nodes.get(node), span)
        photos = service.journal.photos
        made = render_pdf(document, lambda photo: photos.path(photo, small=False))
        name = f"{node}_{span.at(span.to_unix_ms - 1):%Y-%m-%d}.pdf"
        return Response(made, media_type="application/pdf", headers={
            "Content-Disposition": f'attachment; filename="{name}"'})

    @router.get("/happened", answer=HappenedOut)
    def happened(
        node: str, from_unix_ms: FromMs = None, to_unix_ms: ToMs = None,
        time_zone: TimeZone = None,
    ) -> dict[str, Any]:
        """What happened in a night or a day, in a few sentences; without a range, in the last
        twelve hours."""
        now = wall_unix_ms()
        end = now if to_unix_ms is None else min(to_unix_ms, now)
        begin = end - DAY_MS // 2 if from_unix_ms is None else from_unix_ms
        span = span_of(service, node, None, begin, end, time_zone)
        level, summary, sentences = summarize(sources_of(service), service.nodes.get(node), span)
        return {"node": node, "from_unix_ms": begin, "to_unix_ms": end, "level": level,
                "summary": summary, "sentences": [one._asdict() for one in sentences]}

    return router


def sources_of(service: Service) -> ReportSources:
    """Return the parts of the host that a report reads."""
    return ReportSources(service.store, service.alarms.alarms, service.calibrations,
                         service.journal)


def span_of(
    service: Service, node: str, since: str | None, from_unix_ms: int | None,
    to_unix_ms: int | None, time_zone: str | None,
) -> Range:
    """Return the range that is asked for; a week where nothing is. Raises UnknownNode,
    BadRange."""
    zone: tzinfo = zone_of(time_zone) or _zone_of_node(service, node)
    now = wall_unix_ms()
    end = now if to_unix_ms is None else min(to_unix_ms, now)
    if from_unix_ms is None:
        from_unix_ms = end - 7 * DAY_MS if since in (None, "week") else _began(
            service, node, str(since), end)
    return Range(from_unix_ms, end, zone)


def choices_of(service: Service, node: str) -> list[Choice]:
    """Return the ranges a node's report is offered for. Raises UnknownNode."""
    found = [Choice("week", _("The last seven days"))]
    planting = next(iter(service.journal.newest(
        about=_about(service, node), kind="planting", count=1)), None)
    if planting is not None:
        found.append(Choice("planting", _("Since the planting of {crop}").format(
            crop=planting.crop or _("No crop named"))))
    run = service.recipes.of(node)
    if run is not None:
        found.append(Choice("recipe", _("Since the recipe {name} began").format(name=run.name)))
    return found


def _began(service: Service, node: str, since: str, end_unix_ms: int) -> int:
    if since == "recipe":
        run = service.recipes.of(node)
        if run is None:
            raise BadRange("since: this node never ran a recipe")
        return run.started_unix_ms
    planting = next(iter(service.journal.newest(
        about=_about(service, node), kind="planting", to_unix_ms=end_unix_ms, count=1)), None)
    if planting is None:
        raise BadRange("since: the journal has no planting of this node")
    return planting.unix_ms


def _about(service: Service, node: str) -> About:
    return About((node,), service.nodes.get(node).site)


def _zone_of_node(service: Service, node: str) -> tzinfo:
    report = service.nodes.get(node).report
    minutes = 0 if report is None else int(report.values["clock.utc_offset_min"])
    return timezone(timedelta(minutes=minutes)) if minutes else UTC

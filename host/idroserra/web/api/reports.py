"""The HTTP API of reports and summaries of a node."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta
from starlette.responses import Response

from idroserra.core.errors import UnknownNode
from idroserra.history.paging import TooManyEvents
from idroserra.i18n.translate import Locale, current_locale, translate
from idroserra.i18n.translate import gettext as _
from idroserra.journal.models import NoteFilter
from idroserra.reports.builder import DAY_MS, BadRange, Range
from idroserra.reports.pdf import render_pdf
from idroserra.web.api.ranges import FromMs, ToMs, zone_of
from idroserra.web.api.schemas import Out, error_replies
from idroserra.web.context import WebContext
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import BadRequest, Routes

Since = Annotated[Literal["week", "planting", "recipe"] | None, Meta(
    description="week: the last seven days; planting, recipe: since the last one.")]
TimeZone = Annotated[str, Meta(
    max_length=60,
    description="Of the days, for example Europe/Rome; default: that of the node.")] | None

MOST_NODES = 50
KEPT_S = 600.0  # records of a night may arrive late
MOST_KEPT = 4_000
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


class NightOut(Out):
    """The summary of one node; level: ok, note, warn or bad."""

    level: str
    summary: str


class NightsOut(Out):
    """Summaries by node; a node that the host does not know is left out."""

    nights: dict[str, NightOut]


class _Key(NamedTuple):
    node: str
    span: Range
    locale: Locale


class _Kept:
    """The newest summaries. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[_Key, tuple[float, dict[str, str]]] = {}

    def get(self, key: _Key) -> dict[str, str] | None:
        with self._lock:
            made_s, night = self._found.get(key, (float("-inf"), None))
        return night if time.monotonic() - made_s < KEPT_S else None

    def put(self, key: _Key, night: dict[str, str]) -> None:
        with self._lock:
            self._found.pop(key, None)
            self._found[key] = time.monotonic(), night
            if len(self._found) > MOST_KEPT:
                del self._found[next(iter(self._found))]


def nights_router(context: WebContext) -> Routes:
    """Return the routes."""
    router = Routes("/api", error_replies({503: "The store does not answer."}))
    kept = _Kept()

    @router.get("/nights", answer=NightsOut)
    def nights(
        nodes: Annotated[str, Meta(max_length=2_000, description="Comma-separated, at most 50.")],
        from_unix_ms: FromMs, to_unix_ms: ToMs, time_zone: TimeZone = None,
    ) -> dict[str, Any]:
        """Summarize a night of several nodes in one line each, as GET
        /api/nodes/{node}/happened does."""
        names = [name for name in dict.fromkeys(nodes.split(",")) if name]
        if not 1 <= len(names) <= MOST_NODES:
            raise BadRequest(f"nodes: 1 to {MOST_NODES} needed, got {len(names)}")
        found = {}
        for name in names:
            try:
                span = span_of(context, name, None, from_unix_ms, to_unix_ms, time_zone)
                found[name] = _night(context, kept, name, span)
            except UnknownNode:
                continue
        return {"nights": found}

    return router


def _night(context: WebContext, kept: _Kept, node: str, span: Range) -> dict[str, str]:
    key = _Key(node, span, current_locale())
    night = kept.get(key)
    if night is None:
        try:
            summary = context.summarize(context.nodes.get(node), span)
            night = {"level": summary.level, "summary": summary.summary}
        except TooManyEvents as error:
            night = {"level": "warn", "summary": translate(error.args[0])}
        kept.put(key, night)
    return night

"""The HTTP API of the tables on the page as CSV, in English and metric units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC
from functools import partial
from itertools import chain, islice
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta
from starlette.responses import StreamingResponse

from idroserra.alarms.summary import active_alarms
from idroserra.core.reasons import reason_from_json
from idroserra.core.sites import MAX_CHARS
from idroserra.export.table_export import table_csv
from idroserra.history.paging import events
from idroserra.i18n.reasons import reason_json, reason_text
from idroserra.i18n.translate import DEFAULT_LOCALE, use_locale
from idroserra.journal.models import NoteFilter, yields_of
from idroserra.reports.alarm_summary import MAX_CHANGES
from idroserra.reports.builder import Range
from idroserra.web.api.access import tokens_json, users_json
from idroserra.web.api.alarms import kpis_json
from idroserra.web.api.bottles import bottles_json
from idroserra.web.api.calibrations import past_json
from idroserra.web.api.ranges import DAY_MS, FromMs, LocalTime, ToMs, check_span, zone_of
from idroserra.web.api.schemas import error_replies
from idroserra.web.api.sites import sites_of
from idroserra.web.context import WebContext
from idroserra.web.node_view import event_json, wall_unix_ms
from idroserra.web.routing import Replies, Routes, in_reading_threads

Row = Mapping[str, Any]
MOST_CALIBRATIONS = 10_000
_ERROR_REPLIES = error_replies({
    404: "No such node.", 503: "The store or a database of the host does not answer.",
})
_FILE: Replies = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The table."}}

Site = Annotated[str, Meta(max_length=MAX_CHARS, description="Of this site only.")] | None
Name = Literal["sites", "nodes", "readings", "alarms", "alarm-history", "alarm-kpis", "notices",
               "yields"]
NodeName = Literal["readings", "decisions", "happened", "settings", "setpoints", "bottles",
                   "calibrations", "recipe", "preview", "preview-series"]
AdminName = Literal["users", "tokens", "audit"]


class TableQuery(NamedTuple):
    """The site, node and time range of a table."""

    site: str | None
    node: str
    from_unix_ms: int
    to_unix_ms: int


class Table(NamedTuple):
    """The columns of a table, and the function that returns its rows."""

    columns: tuple[str, ...]
    rows: Callable[[WebContext, TableQuery], Iterable[Row]]


def _nodes(context: WebContext, query: TableQuery) -> list[dict[str, Any]]:
    return [node for node in context.views.all() if query.site in (None, node["site"])]


def _node_rows(context: WebContext, query: TableQuery) -> Iterable[Row]:
    for node in _nodes(context, query):
        state = node["state"]
        yield node | {"level": state["level"], "code": state["code"], "text": state["text"],
                      "reasons": [one["text"] for one in state["others"]],
                      "dosing": node["dosing"]["text"]}


def _readings(context: WebContext, query: TableQuery) -> Iterable[Row]:
    nodes = [context.views.get(query.node)] if query.node else _nodes(context, query)
    for node in nodes:
        for key, channel in node["channels"].items():
            band = channel["band"] or {}
            yield channel | {"node": node["node"], "site": node["site"], "channel": key,
                             "band_low": band.get("low"), "band_high": band.get("high")}


def _sites(context: WebContext, query: TableQuery) -> Iterable[Row]:
    return sites_of(_nodes(context, query))


def _alarms(context: WebContext, query: TableQuery) -> Iterable[Row]:
    alarms = [one for one in context.alarm_loop.alarms.all() if one.concerns(query.site)]
    for cause in active_alarms(alarms):
        for one in (cause, *cause["consequences"]):
            yield one | _words(one["reason"])


def _alarm_history(context: WebContext, query: TableQuery) -> Iterable[Row]:
    alarms = context.alarm_loop.alarms
    for change in alarms.history(
            query.from_unix_ms, query.to_unix_ms, MAX_CHANGES, None, query.site):
        yield change._asdict() | {"title": alarms.title(change.rule)} | _words(
            reason_json(change.reason))


def _alarm_kpis(context: WebContext, query: TableQuery) -> Iterable[Row]:
    found = kpis_json(
        context.alarm_loop.alarms, context.nodes, context.config.site, query.from_unix_ms,
        query.to_unix_ms)["sites"]
    return [one for one in found if query.site in (None, one["site"])]


def _notices(context: WebContext, _query: TableQuery) -> Iterable[Row]:
    for notice in context.alarm_loop.dispatcher.notices():
        for delivery in notice["deliveries"] or [{"error": None}]:
            yield notice | delivery | {"error": _words(delivery["error"])["text"]}


def _yields(context: WebContext, query: TableQuery) -> Iterable[Row]:
    about = None if query.site is None else NoteFilter(
        tuple(node.node for node in context.nodes.at(query.site)), query.site)
    return [vars(one) for one in yields_of(context.journal.newest(about=about, kind="harvest"))]


def _decisions(context: WebContext, query: TableQuery) -> Iterable[Row]:
    for event in events(context.store, query.node, query.from_unix_ms, query.to_unix_ms):
        reason = event.detail.get("reason")
        yield event_json(event) | {"unix_ms": event.unix_us // 1_000,
                                   "reason": reason_text(reason), "code": _code(reason)}


def _happened(context: WebContext, query: TableQuery) -> Iterable[Row]:
    span = Range(query.from_unix_ms, query.to_unix_ms, UTC)
    found = context.summarize(context.nodes.get(query.node), span)
    return [{"level": found.level, "text": found.summary},
            *(one._asdict() for one in found.sentences)]


def _settings(context: WebContext, query: TableQuery) -> Iterable[Row]:
    config = context.views.get(query.node)["config"]
    return [{"key": key, "value": value, "rev": config["reported_rev"]}
            for key, value in config["values"].items()]


def _setpoints(context: WebContext, query: TableQuery) -> Iterable[Row]:
    series = context.settings_history.of(context.nodes.get(query.node))
    known = series.known_from_unix_ms
    if known is None or known >= query.to_unix_ms:
        return []
    changes = series.changes(max(query.from_unix_ms, known), query.to_unix_ms)
    rows = [(begin, key, value) for key, steps in changes.items() for begin, value in steps]
    return [{"unix_ms": begin, "key": key, "value": value}
            for begin, key, value in sorted(rows, key=lambda row: row[0])]


def _bottles(context: WebContext, query: TableQuery) -> Iterable[Row]:
    found: list[Row] = bottles_json(
        context.alarm_loop.bottles, context.nodes.get(query.node))["bottles"]
    return found


def _calibrations(context: WebContext, query: TableQuery) -> Iterable[Row]:
    found = context.calibrations.history.of(query.node, None, MOST_CALIBRATIONS)
    return [past_json(one) for one in found]


def _recipe(context: WebContext, query: TableQuery) -> Iterable[Row]:
    run = context.views.get(query.node)["recipe"] or {}
    return [{"key": key, "value": value} for key, value in run.items()]


def _outcome(context: WebContext, query: TableQuery) -> Mapping[str, Any]:
    preview = context.previews.of(query.node)
    return (preview.outcome or {}) if preview is not None else {}


def _preview(context: WebContext, query: TableQuery) -> Iterable[Row]:
    days: list[Row] = list(_outcome(context, query).get("by_day", []))
    return [{"day": number, **day} for number, day in enumerate(days, 1)]


def _preview_series(context: WebContext, query: TableQuery) -> Iterable[Row]:
    outcome = _outcome(context, query)
    for name, values in outcome.get("series", {}).items():
        for step, value in enumerate(values):
            yield {"unix_ms": outcome["from_unix_ms"] + step * outcome["step_ms"],
                   "quantity": name, "value": value}


def _audit(context: WebContext, _query: TableQuery) -> Iterable[Row]:
    return (row._asdict() for row in context.auth.audit.all())


def _in_english(rows: Callable[[], Iterable[Row]]) -> Iterator[Row]:
    """Yield the rows, each made in the default locale: a response is written in other contexts."""
    with use_locale(DEFAULT_LOCALE):
        found = iter(rows())
    while True:
        with use_locale(DEFAULT_LOCALE):
            row = next(found, None)
        if row is None:
            return
        yield row


def _words(reason: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the columns of a reason: its words and its code."""
    return {"text": "", "code": ""} if reason is None else {
        "text": reason["text"], "code": reason["code"]}


def _code(reason: object) -> str:
    found = reason_from_json(reason)
    return "" if found is None else str(found.code)


_ALARM = ("key", "title", "text", "code", "priority", "state", "site", "node", "part",
          "raised_unix_ms", "changed_unix_ms", "shelved_until_unix_ms", "cause", "consequence",
          "action")
_READING = ("node", "site", "channel", "value", "unit", "fault", "fault_text", "unix_ms",
            "band_low", "band_high")

HOST_TABLES: dict[str, Table] = {
    "sites": Table(("site", "level", "text", "nodes", "troubled"), _sites),
    "nodes": Table(("node", "site", "level", "code", "text", "reasons", "dosing", "online",
                    "last_seen_unix_ms", "board", "version"), _node_rows),
    "readings": Table(_READING, _readings),
    "alarms": Table(_ALARM, _alarms),
    "alarm-history": Table(("unix_ms", "key", "title", "text", "code", "priority", "site", "node",
                            "part", "was", "state", "by", "comment"), _alarm_history),
    "alarm-kpis": Table(("site", "is_good", "told_count", "per_hour", "per_10_min",
                         "most_per_10_min", "most_per_hour", "flood_count", "flood_pct",
                         "by_priority", "standing_count", "folded_count", "aside_count", "stale",
                         "chattering", "most_frequent"), _alarm_kpis),
    "notices": Table(("unix_ms", "kind", "title", "target", "state", "tries", "error",
                      "done_unix_ms"), _notices),
    "yields": Table(("node", "site", "crop", "harvests", "weighed", "weight_g", "count",
                     "first_unix_ms", "last_unix_ms"), _yields),
}
NODE_TABLES: dict[str, Table] = {
    "readings": Table(_READING, _readings),
    "decisions": Table(("unix_ms", "kind", "text", "reason", "code", "level", "boot_id", "seq",
                        "detail"),
                       _decisions),
    "happened": Table(("level", "text"), _happened),
    "settings": Table(("key", "value", "rev"), _settings),
    "setpoints": Table(("unix_ms", "key", "value"), _setpoints),
    "bottles": Table(("doser", "volume_ml", "left_ml", "left_pct", "used_ml_per_day", "days_left",
                      "stock", "meq_per_ml", "filled_unix_ms", "by"), _bottles),
    "calibrations": Table(("unix_ms", "kind", "actuator", "by", "is_confirmed", "health",
                           "results", "points", "settings", "undone_unix_ms", "undone_by"),
                          _calibrations),
    "recipe": Table(("key", "value"), _recipe),
    "preview": Table(("day", "from_unix_ms", "to_unix_ms", "ph_down_ml", "ph_up_ml",
                      "nutrient_a_ml", "nutrient_b_ml", "top_off_ml", "transpired_ml"), _preview),
    "preview-series": Table(("unix_ms", "quantity", "value"), _preview_series),
}
ADMIN_TABLES: dict[str, Table] = {
    "users": Table(("name", "role", "made_unix_ms", "sessions", "issuer", "subject",
                    "is_locked_out"),
                   lambda context, _query: users_json(context.auth)),
    "tokens": Table(("name", "role", "by", "made_unix_ms", "used_unix_ms"),
                    lambda context, _query: tokens_json(context.auth)),
    "audit": Table(("seq", "unix_ms", "who", "address", "action", "target", "detail", "result",
                    "reason", "hash"), _audit),
}


def tables_router(context: WebContext) -> Routes:
    """Return the routes."""
    router = Routes("/api", _ERROR_REPLIES)

    def answer(
        table: Table, name: str, site: str | None, node: str, span: tuple[int | None, int | None],
        time_zone: str | None,
    ) -> StreamingResponse:
        zone = zone_of(time_zone)
        to = wall_unix_ms() + 60_000 if span[1] is None else span[1]
        begin = max(0, to - 7 * DAY_MS) if span[0] is None else span[0]
        check_span(begin, to)
        rows = _in_english(partial(table.rows, context, TableQuery(site, node, begin, to)))
        first = list(islice(rows, 1))  # before the answer begins: a store may not answer
        return StreamingResponse(
            in_reading_threads(table_csv(table.columns, chain(first, rows), zone)),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}.csv"'})

    @router.get("/export/{name}", replies=_FILE)
    def host_table(
        name: Name, site: Site = None, from_unix_ms: FromMs | None = None,
        to_unix_ms: ToMs | None = None, time_zone: LocalTime = None,
    ) -> StreamingResponse:
        """A table of overview, alarms or journal as CSV."""
        return answer(HOST_TABLES[name], name, site, "", (from_unix_ms, to_unix_ms), time_zone)

    @router.get("/nodes/{node}/export/{name}", replies=_FILE)
    def node_table(
        node: str, name: NodeName, from_unix_ms: FromMs | None = None,
        to_unix_ms: ToMs | None = None, time_zone: LocalTime = None,
    ) -> StreamingResponse:
        """A table of the node page as CSV."""
        context.nodes.get(node)
        return answer(NODE_TABLES[name], f"{node}_{name}", None, node,
                      (from_unix_ms, to_unix_ms), time_zone)

    @router.get("/admin/export/{name}", replies=_FILE)
    def admin_table(name: AdminName, time_zone: LocalTime = None) -> StreamingResponse:
        """Users, tokens without secrets, or the audit log as CSV."""
        return answer(ADMIN_TABLES[name], name, None, "", (None, None), time_zone)

    return router

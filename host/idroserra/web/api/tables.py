"""The API of every table the page shows: each as a CSV, in English and metric as all exports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta
from starlette.responses import StreamingResponse

from idroserra.alarms.summary import active_alarms
from idroserra.core.sites import MOST_CHARS
from idroserra.export.table_export import table_csv
from idroserra.i18n.translate import PLAIN, use_locale
from idroserra.journal.models import About, yields_of
from idroserra.reports.builder import MAX_CHANGES, Range
from idroserra.reports.summary import summarize
from idroserra.server.service import Service
from idroserra.web.api.alarms import kpis_json
from idroserra.web.api.bottles import bottles_json
from idroserra.web.api.calibrations import past_json
from idroserra.web.api.export import zone_of
from idroserra.web.api.nodes import LATEST_UNIX_MS, MOST_SPAN_MS
from idroserra.web.api.reports import sources_of
from idroserra.web.api.schemas import refused
from idroserra.web.api.sites import sites_of
from idroserra.web.node_view import NodeViews, event_json, wall_unix_ms
from idroserra.web.routing import BadRequest, Replies, Routes

Row = Mapping[str, Any]
DAY_MS = 86_400_000
MOST_AUDIT_ROWS = 1_000_000
MOST_CALIBRATIONS = 10_000
_REFUSALS: Replies = {
    404: refused("No such node."),
    422: refused("A field is wrong; the message names it."),
    503: refused("The store or a file of the host does not answer."),
}
_FILE: Replies = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "The table."}}

From = Annotated[int, Meta(ge=0, le=LATEST_UNIX_MS, description="Start, UTC, in ms, of a "
                                   "table with times; without it, seven days back.")] | None
To = Annotated[int, Meta(ge=0, le=LATEST_UNIX_MS, description="End (not included).")] | None
Site = Annotated[str, Meta(max_length=MOST_CHARS, description="Of this site only.")] | None
TimeZone = Annotated[str, Meta(
    max_length=60, description="Adds local time, such as Europe/Rome.")] | None
Name = Literal["sites", "nodes", "readings", "alarms", "alarm-history", "alarm-kpis", "notices",
               "yields"]
NodeName = Literal["readings", "decisions", "happened", "settings", "bottles", "calibrations",
                   "recipe", "preview", "preview-series"]
AdminName = Literal["users", "tokens", "audit"]


class Asked(NamedTuple):
    """What a table is asked for."""

    site: str | None
    node: str
    from_unix_ms: int
    to_unix_ms: int


class Table(NamedTuple):
    """The columns of a table, and what makes its rows."""

    columns: tuple[str, ...]
    rows: Callable[[Service, NodeViews, Asked], Iterable[Row]]


def _nodes(_service: Service, views: NodeViews, asked: Asked) -> list[dict[str, Any]]:
    return [node for node in views.all() if asked.site in (None, node["site"])]


def _node_rows(service: Service, views: NodeViews, asked: Asked) -> Iterable[Row]:
    for node in _nodes(service, views, asked):
        verdict = node["verdict"]
        yield node | {"level": verdict["level"], "text": verdict["summary"],
                      "reasons": [one["text"] for one in verdict["reasons"]],
                      "dosing": node["dosing"]["text"]}


def _readings(service: Service, views: NodeViews, asked: Asked) -> Iterable[Row]:
    nodes = [views.get(asked.node)] if asked.node else _nodes(service, views, asked)
    for node in nodes:
        for key, channel in node["channels"].items():
            band = channel["band"] or {}
            yield channel | {"node": node["node"], "site": node["site"], "channel": key,
                             "band_low": band.get("low"), "band_high": band.get("high")}


def _sites(service: Service, views: NodeViews, asked: Asked) -> Iterable[Row]:
    return sites_of(_nodes(service, views, asked))


def _alarms(service: Service, _views: NodeViews, asked: Asked) -> Iterable[Row]:
    standing = [one for one in service.alarms.alarms.all() if one.concerns(asked.site)]
    for cause in active_alarms(standing):
        yield cause
        yield from cause["consequences"]


def _alarm_history(service: Service, _views: NodeViews, asked: Asked) -> Iterable[Row]:
    alarms = service.alarms.alarms
    for change in alarms.history(
            asked.from_unix_ms, asked.to_unix_ms, MAX_CHANGES, None, asked.site):
        yield change._asdict() | {"title": alarms.title(change.rule)}


def _alarm_kpis(service: Service, _views: NodeViews, asked: Asked) -> Iterable[Row]:
    found = kpis_json(service, asked.from_unix_ms, asked.to_unix_ms)["sites"]
    return [one for one in found if asked.site in (None, one["site"])]


def _notices(service: Service, _views: NodeViews, _asked: Asked) -> Iterable[Row]:
    for notice in service.alarms.deliveries.status()["notices"]:
        for delivery in notice["deliveries"] or [{}]:
            yield notice | delivery


def _yields(service: Service, _views: NodeViews, asked: Asked) -> Iterable[Row]:
    about = None if asked.site is None else About(
        tuple(node.node for node in service.nodes.at(asked.site)), asked.site)
    return [vars(one) for one in yields_of(
        service.journal.newest(about=about, kind="harvest"))]


def _decisions(service: Service, _views: NodeViews, asked: Asked) -> Iterable[Row]:
    for event in service.store.events(
            asked.node, asked.from_unix_ms, asked.to_unix_ms, None):
        yield event_json(event) | {"unix_ms": event.unix_us // 1_000}


def _happened(service: Service, _views: NodeViews, asked: Asked) -> Iterable[Row]:
    span = Range(asked.from_unix_ms, asked.to_unix_ms, UTC)
    found = summarize(sources_of(service), service.nodes.get(asked.node), span)
    return [{"level": found.level, "text": found.summary},
            *(one._asdict() for one in found.sentences)]


def _settings(_service: Service, views: NodeViews, asked: Asked) -> Iterable[Row]:
    config = views.get(asked.node)["config"]
    return [{"key": key, "value": value, "rev": config["reported_rev"]}
            for key, value in config["values"].items()]


def _bottles(service: Service, _views: NodeViews, asked: Asked) -> Iterable[Row]:
    found: list[Row] = bottles_json(service, service.nodes.get(asked.node))["bottles"]
    return found


def _calibrations(service: Service, _views: NodeViews, asked: Asked) -> Iterable[Row]:
    found = service.calibrations.history.of(asked.node, None, MOST_CALIBRATIONS)
    return [past_json(one) for one in found]


def _recipe(_service: Service, views: NodeViews, asked: Asked) -> Iterable[Row]:
    run = views.get(asked.node)["recipe"] or {}
    return [{"key": key, "value": value} for key, value in run.items()]


def _outcome(service: Service, asked: Asked) -> Mapping[str, Any]:
    preview = service.previews.of(asked.node)
    return (preview.outcome or {}) if preview is not None else {}


def _preview(service: Service, _views: NodeViews, asked: Asked) -> Iterable[Row]:
    days: list[Row] = list(_outcome(service, asked).get("by_day", []))
    return [{"day": number, **day} for number, day in enumerate(days, 1)]


def _preview_series(service: Service, _views: NodeViews, asked: Asked) -> Iterable[Row]:
    outcome = _outcome(service, asked)
    for name, values in outcome.get("series", {}).items():
        for step, value in enumerate(values):
            yield {"unix_ms": outcome["from_unix_ms"] + step * outcome["step_ms"],
                   "quantity": name, "value": value}


def _users(service: Service, _views: NodeViews, _asked: Asked) -> Iterable[Row]:
    return [{"name": user.name, "role": user.role.word, "made_unix_ms": user.made_unix_ms,
             "sessions": service.access.sessions.count(user.name)}
            for user in service.access.users.all()]


def _tokens(service: Service, _views: NodeViews, _asked: Asked) -> Iterable[Row]:
    return [vars(one) | {"role": one.role.word} for one in service.access.tokens.all()]


def _audit(service: Service, _views: NodeViews, _asked: Asked) -> Iterable[Row]:
    return [row._asdict() for row in reversed(service.access.audit.newest(MOST_AUDIT_ROWS))]


_ALARM = ("key", "title", "text", "priority", "state", "site", "node", "part", "raised_unix_ms",
          "changed_unix_ms", "shelved_until_unix_ms", "cause", "consequence", "action")
_READING = ("node", "site", "channel", "value", "unit", "fault", "fault_text", "unix_ms",
            "band_low", "band_high")

HOST_TABLES: dict[str, Table] = {
    "sites": Table(("site", "level", "text", "nodes", "troubled"), _sites),
    "nodes": Table(("node", "site", "level", "text", "reasons", "dosing", "online",
                    "last_seen_unix_ms", "board", "version"), _node_rows),
    "readings": Table(_READING, _readings),
    "alarms": Table(_ALARM, _alarms),
    "alarm-history": Table(("unix_ms", "key", "title", "text", "priority", "site", "node", "part",
                            "was", "state", "by", "comment"), _alarm_history),
    "alarm-kpis": Table(("site", "is_good", "told_count", "per_hour", "per_10_min",
                         "most_per_10_min", "most_per_hour", "flood_pct", "by_priority",
                         "standing_count", "folded_count", "aside_count", "stale", "chattering",
                         "most_frequent"), _alarm_kpis),
    "notices": Table(("unix_ms", "kind", "title", "target", "state", "tries", "error",
                      "done_unix_ms"), _notices),
    "yields": Table(("node", "site", "crop", "harvests", "weighed", "weight_g", "count",
                     "first_unix_ms", "last_unix_ms"), _yields),
}
NODE_TABLES: dict[str, Table] = {
    "readings": Table(_READING, _readings),
    "decisions": Table(("unix_ms", "kind", "text", "reason", "level", "boot_id", "seq", "detail"),
                       _decisions),
    "happened": Table(("level", "text"), _happened),
    "settings": Table(("key", "value", "rev"), _settings),
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
    "users": Table(("name", "role", "made_unix_ms", "sessions"), _users),
    "tokens": Table(("name", "role", "by", "made_unix_ms", "used_unix_ms"), _tokens),
    "audit": Table(("seq", "unix_ms", "who", "address", "action", "target", "detail", "result",
                    "reason", "hash"), _audit),
}


def tables_router(service: Service, views: NodeViews) -> Routes:
    """Return the routes."""
    router = Routes("/api", _REFUSALS)

    def answer(
        table: Table, name: str, site: str | None, node: str, span: tuple[int | None, int | None],
        time_zone: str | None,
    ) -> StreamingResponse:
        zone = zone_of(time_zone)
        to = wall_unix_ms() + 60_000 if span[1] is None else span[1]
        begin = max(0, to - 7 * DAY_MS) if span[0] is None else span[0]
        if not 0 < to - begin <= MOST_SPAN_MS:
            raise BadRequest("to_unix_ms: must be after from_unix_ms, by at most 400 days")
        with use_locale(PLAIN):
            rows = list(table.rows(service, views, Asked(site, node, begin, to)))
        return StreamingResponse(
            table_csv(table.columns, rows, zone), media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}.csv"'})

    @router.get("/export/{name}", replies=_FILE)
    def host_table(
        name: Name, site: Site = None, from_unix_ms: From = None, to_unix_ms: To = None,
        time_zone: TimeZone = None,
    ) -> StreamingResponse:
        """A table of the host as CSV: what the overview, the alarms and the journal show."""
        return answer(HOST_TABLES[name], name, site, "", (from_unix_ms, to_unix_ms), time_zone)

    @router.get("/nodes/{node}/export/{name}",
                replies=_FILE)
    def node_table(
        node: str, name: NodeName, from_unix_ms: From = None, to_unix_ms: To = None,
        time_zone: TimeZone = None,
    ) -> StreamingResponse:
        """A table of a node as CSV: what its page shows beside history and balance."""
        service.nodes.get(node)
        return answer(NODE_TABLES[name], f"{node}_{name}", None, node,
                      (from_unix_ms, to_unix_ms), time_zone)

    @router.get("/admin/export/{name}", replies=_FILE)
    def admin_table(name: AdminName, time_zone: TimeZone = None) -> StreamingResponse:
        """Users, tokens without their secrets, or the whole audit log, as CSV."""
        return answer(ADMIN_TABLES[name], name, None, "", (None, None), time_zone)

    return router

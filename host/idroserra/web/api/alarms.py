"""The API of the alarms: what stands, cause first; acknowledge, shelve, take out; the journal."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from idroserra.alarms.engine import MOST_SHELVED_MS
from idroserra.alarms.summary import active_alarms, summary
from idroserra.core.sites import MAX_CHARS
from idroserra.core.validation import string_pattern
from idroserra.i18n.translate import gettext, translate_message
from idroserra.server.service import Service
from idroserra.web.api.nodes import LATEST_UNIX_MS
from idroserra.web.api.schemas import AskedBy, Out, refused
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Replies, Routes

MOST_CHANGES = 2_000
DAY_MS = 86_400_000

Key = Annotated[str, Meta(min_length=1, max_length=160, description="As GET /api/alarms tells.")]
Comment = Annotated[str, string_pattern(
    r"^[^\x00-\x1f\x7f]*$", max_length=200, description="Kept in the journal.")]
OfSite = Annotated[str, Meta(
    max_length=MAX_CHARS, description="Of this site, with those of the host itself.")] | None

_REFUSALS: Replies = {
    404: refused("No such alarm stands."),
    409: refused("The alarm is in another state."),
    422: refused("A field is wrong; the message names it."),
    503: refused("It could not be written down."),
}


class AlarmsIn(AskedBy):
    """What to say about some alarms."""

    keys: Annotated[list[Key], Meta(min_length=1, max_length=1_000)]
    comment: Comment = ""


class AlarmIn(AskedBy):
    """What to say about one alarm."""

    key: Key
    comment: Comment = ""


class ShelveIn(AlarmIn, kw_only=True):
    """Put an alarm aside; it comes back by itself."""

    for_ms: Annotated[int, Meta(ge=1_000, le=MOST_SHELVED_MS, description="How long, in ms.")]


class AlarmOut(Out):
    """One alarm. key names it; state is one of ISA-18.2's, in words too."""

    key: str
    title: str
    text: str
    priority: Annotated[str, Meta(description="low, medium, high or urgent.")]
    state: Annotated[str, Meta(
        description="unacknowledged, acknowledged, returned, suppressed, shelved, "
                    "out_of_service, or pending: its delay is running.")]
    consequence: str
    action: str
    respond_min: int


class AlarmsOut(Out):
    """What stands, worst first; `consequences` of each are what it explains."""

    unix_ms: int
    summary: dict[str, Any]
    delivery: Annotated[dict[str, Any], Meta(
        description="targets by name with their last error, the heartbeat, the newest notices. "
                    "Addresses are secrets: they are never told.")]
    health: Annotated[dict[str, Any], Meta(description="Whether the alarms themselves work.")]
    alarms: list[AlarmOut]


class KpisOut(Out):
    """How the alarms themselves do, each site; the limits are those of ISA-18.2."""

    from_unix_ms: int
    to_unix_ms: int
    sites: list[dict[str, Any]]


class TestOut(Out):
    """The test's id: what became of it is in `delivery.notices` of GET /api/alarms."""

    id: int


class HistoryOut(Out):
    """Changes of alarms, oldest first."""

    changes: list[dict[str, Any]]


def alarms_summary(service: Service) -> dict[str, Any]:
    """Return the counts for the badge, with whether the alarms themselves work.

    `revision` changes whenever something about an alarm has changed its state."""
    alarms = service.alarms.alarms
    return summary(alarms.all()) | {"health": translate_message(service.alarms.health()["text"]),
                                    "revision": alarms.revision}


def alarms_json(service: Service, site: str | None = None) -> dict[str, Any]:
    """Return what GET /api/alarms answers; the summary is always that of all sites."""
    standing = [one for one in service.alarms.alarms.all() if one.concerns(site)]
    return {"unix_ms": wall_unix_ms(), "summary": alarms_summary(service),
            "health": _health(service), "delivery": service.alarms.deliveries.status(),
            "alarms": active_alarms(standing)}


def kpis_json(service: Service, from_unix_ms: int, to_unix_ms: int) -> dict[str, Any]:
    """Return what GET /api/alarms/kpis answers."""
    sites = {service.config.site, *(node.site for node in service.nodes.all())}
    found = service.alarms.alarms.kpis(sites, from_unix_ms, to_unix_ms)
    return {"from_unix_ms": from_unix_ms, "to_unix_ms": to_unix_ms, "sites": found}


def _health(service: Service) -> dict[str, Any]:
    health = service.alarms.health()
    return {**health, "text": translate_message(health["text"])}


def alarms_router(service: Service) -> Routes:
    """Return the routes under /api/alarms."""
    router = Routes("/api/alarms", _REFUSALS)
    _add_reading(router, service)
    _add_acting(router, service)
    return router


def _add_reading(router: Routes, service: Service) -> None:
    @router.get("", answer=AlarmsOut)
    def list_alarms(site: OfSite = None) -> dict[str, Any]:
        """What stands now: causes, worst first, each with its consequences."""
        return alarms_json(service, site)

    @router.get("/history", answer=HistoryOut)
    def history(
        from_unix_ms: Annotated[
            int, Meta(ge=0, le=LATEST_UNIX_MS, description="UTC, in ms.")] | None = None,
        to_unix_ms: Annotated[
            int, Meta(ge=0, le=LATEST_UNIX_MS, description="Not included.")] | None = None,
        node: Annotated[str, Meta(max_length=40)] | None = None,
        site: OfSite = None,
        limit: Annotated[int, Meta(ge=1, le=MOST_CHANGES, description="Newest so many.")] = 200,
    ) -> dict[str, Any]:
        """The journal: every change of every alarm, and who asked for it."""
        to = wall_unix_ms() + 60_000 if to_unix_ms is None else to_unix_ms
        begin = to - 7 * DAY_MS if from_unix_ms is None else from_unix_ms
        found = service.alarms.alarms.history(begin, to, limit, node, site)
        return {
            "changes": [
                change._asdict()
                | {
                    "title": gettext(service.alarms.alarms.title(change.rule)),
                    "text": translate_message(change.text),
                }
                for change in found
            ]
        }


    @router.get("/kpis", answer=KpisOut)
    def kpis(
        days: Annotated[float, Meta(gt=0, le=400, description="How far back.")] = 7,
    ) -> dict[str, Any]:
        """How many alarms a site's people are told of, floods, standing, stale, chattering."""
        to = wall_unix_ms()
        return kpis_json(service, to - round(days * DAY_MS), to)


def _add_acting(router: Routes, service: Service) -> None:
    alarms = service.alarms.alarms

    @router.post("/acknowledge", answer=AlarmsOut)
    def acknowledge(body: AlarmsIn) -> dict[str, Any]:
        """Say that somebody knows of these alarms."""
        alarms.acknowledge(body.keys, body.by, body.comment, wall_unix_ms())
        return alarms_json(service)

    @router.post("/shelve", answer=AlarmsOut)
    def shelve(body: ShelveIn) -> dict[str, Any]:
        """Put an alarm aside for a time. What it explains stays folded into it."""
        alarms.shelve(body.key, body.for_ms, body.by, body.comment, wall_unix_ms())
        return alarms_json(service)

    @router.post("/unshelve", answer=AlarmsOut)
    def unshelve(body: AlarmIn) -> dict[str, Any]:
        """Take an alarm back before its time; told anew where it is still so."""
        alarms.unshelve(body.key, body.by, body.comment, wall_unix_ms())
        return alarms_json(service)

    @router.post("/test", status=202, answer=TestOut)
    def test(body: AskedBy) -> dict[str, Any]:
        """Send a test to every address. Each is tried once."""
        return {"id": service.alarms.teller.test(body.by, wall_unix_ms())}

    @router.post("/take-out", answer=AlarmsOut)
    def take_out(body: AlarmIn) -> dict[str, Any]:
        """Take an alarm out of service until somebody puts it back."""
        alarms.take_out(body.key, body.by, body.comment, wall_unix_ms())
        return alarms_json(service)

    @router.post("/put-back", answer=AlarmsOut)
    def put_back(body: AlarmIn) -> dict[str, Any]:
        """Put an alarm back into service."""
        alarms.put_back(body.key, body.by, body.comment, wall_unix_ms())
        return alarms_json(service)

"""The HTTP API of alarms: active alarms, history, KPIs; acknowledge, shelve, out of service."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from idroserra.alarms.engine import AlarmEngine
from idroserra.alarms.loop import AlarmLoop
from idroserra.alarms.state_machine import MOST_SHELVED_MS
from idroserra.alarms.summary import active_alarms, summary
from idroserra.core.sites import MAX_CHARS
from idroserra.core.validation import string_pattern
from idroserra.i18n.reasons import reason_json
from idroserra.i18n.translate import gettext
from idroserra.nodes.registry import Nodes
from idroserra.web.api.ranges import DAY_MS, FromMs, ToMs
from idroserra.web.api.schemas import AskedBy, Out, ReasonOut, error_replies
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Routes

MOST_CHANGES = 2_000

Key = Annotated[str, Meta(min_length=1, max_length=160, description="As in GET /api/alarms.")]
Comment = Annotated[str, string_pattern(
    r"^[^\x00-\x1f\x7f]*$", max_length=200, description="Stored in the alarm history.")]
OfSite = Annotated[str, Meta(
    max_length=MAX_CHARS, description="Of this site and of the host itself.")] | None

_ERROR_REPLIES = error_replies({
    404: "No such active alarm.", 409: "The alarm is in another state.",
    429: "A target had 5 tests in 10 minutes.", 503: "The host's database cannot be written.",
})


class AlarmsIn(AskedBy):
    """Alarms and a comment."""

    keys: Annotated[list[Key], Meta(min_length=1, max_length=1_000)]
    comment: Comment = ""


class AlarmIn(AskedBy):
    """An alarm and a comment."""

    key: Key
    comment: Comment = ""


class ShelveIn(AlarmIn, kw_only=True):
    """An alarm to shelve for a limited time."""

    for_ms: Annotated[int, Meta(ge=1_000, le=MOST_SHELVED_MS, description="How long, in ms.")]


class AlarmOut(Out):
    """One alarm; key identifies it, state is that of ISA-18.2."""

    key: str
    title: str
    reason: ReasonOut | None
    priority: Annotated[str, Meta(description="low, medium, high or urgent.")]
    state: Annotated[str, Meta(
        description="unacknowledged, acknowledged, returned, suppressed, shelved, "
                    "out_of_service, or pending: within its on-delay.")]
    consequence: str
    action: str
    respond_min: int
    href: Annotated[str, Meta(description="The page where it is mended, or empty.")]
    place: Annotated[str, Meta(description="The name of that page.")]


class AlarmsOut(Out):
    """Active alarms, worst first; `consequences` are the alarms grouped under each."""

    unix_ms: int
    summary: dict[str, Any]
    delivery: Annotated[dict[str, Any], Meta(
        description="targets by name with their last error, heartbeat, newest notices; unknown: "
                    "why no deliveries can be read, or empty. Addresses are secret and not "
                    "included.")]
    health: Annotated[dict[str, Any], Meta(description="Whether alarms are evaluated and stored.")]
    alarms: list[AlarmOut]


class KpisOut(Out):
    """Alarm statistics of each site, with the limits of ISA-18.2."""

    from_unix_ms: int
    to_unix_ms: int
    sites: list[dict[str, Any]]


class TestOut(Out):
    """The id of the test; its result is in `delivery.notices` of GET /api/alarms."""

    id: int


class HistoryOut(Out):
    """State changes of alarms, oldest first."""

    changes: list[dict[str, Any]]


def alarms_summary(loop: AlarmLoop) -> dict[str, Any]:
    """Return the counts for the badge and the health of the alarm loop.

    `revision` changes with every change of state."""
    return summary(loop.alarms.all()) | {
        "health": loop.health()["text"], "revision": loop.alarms.revision}


def alarms_json(loop: AlarmLoop, site: str | None = None) -> dict[str, Any]:
    """Return AlarmsOut; the summary is always that of all sites."""
    alarms = [one for one in loop.alarms.all() if one.concerns(site)]
    return {"unix_ms": wall_unix_ms(), "summary": alarms_summary(loop), "health": loop.health(),
            "delivery": loop.dispatcher.status(), "alarms": active_alarms(alarms)}


def kpis_json(
    alarms: AlarmEngine, nodes: Nodes, own_site: str, from_unix_ms: int, to_unix_ms: int
) -> dict[str, Any]:
    """Return KpisOut."""
    sites = {own_site, *(node.site for node in nodes.all())}
    found = alarms.kpis(sites, from_unix_ms, to_unix_ms)
    return {"from_unix_ms": from_unix_ms, "to_unix_ms": to_unix_ms, "sites": found}


def alarms_router(loop: AlarmLoop, nodes: Nodes, own_site: str) -> Routes:
    """Return the routes under /api/alarms."""
    router = Routes("/api/alarms", _ERROR_REPLIES)
    _add_reads(router, loop, nodes, own_site)
    _add_actions(router, loop)
    return router


def _add_reads(router: Routes, loop: AlarmLoop, nodes: Nodes, own_site: str) -> None:
    alarms = loop.alarms

    @router.get("", answer=AlarmsOut)
    def list_alarms(site: OfSite = None) -> dict[str, Any]:
        """List active alarms: causes, worst first, each with its consequences."""
        return alarms_json(loop, site)

    @router.get("/history", answer=HistoryOut)
    def history(
        from_unix_ms: FromMs | None = None,
        to_unix_ms: ToMs | None = None,
        node: Annotated[str, Meta(max_length=40)] | None = None,
        site: OfSite = None,
        limit: Annotated[int, Meta(ge=1, le=MOST_CHANGES, description="At most, newest.")] = 200,
    ) -> dict[str, Any]:
        """Return state changes of alarms, with user and comment."""
        to = wall_unix_ms() + 60_000 if to_unix_ms is None else to_unix_ms
        begin = to - 7 * DAY_MS if from_unix_ms is None else from_unix_ms
        found = alarms.history(begin, to, limit, node, site)
        return {"changes": [
            change._asdict() | {"title": gettext(alarms.title(change.rule)),
                                "reason": reason_json(change.reason)}
            for change in found]}

    @router.get("/kpis", answer=KpisOut)
    def kpis(
        days: Annotated[float, Meta(gt=0, le=400, description="How far back.")] = 7,
    ) -> dict[str, Any]:
        """Return alarm statistics: rates, floods, active, stale and chattering alarms."""
        to = wall_unix_ms()
        return kpis_json(alarms, nodes, own_site, to - round(days * DAY_MS), to)


def _add_actions(router: Routes, loop: AlarmLoop) -> None:
    alarms = loop.alarms

    @router.post("/acknowledge", answer=AlarmsOut)
    def acknowledge(body: AlarmsIn) -> dict[str, Any]:
        """Acknowledge alarms."""
        alarms.acknowledge(body.keys, body.by, body.comment, wall_unix_ms())
        return alarms_json(loop)

    @router.post("/shelve", answer=AlarmsOut)
    def shelve(body: ShelveIn) -> dict[str, Any]:
        """Shelve an alarm for a time. Its consequences stay grouped under it."""
        alarms.shelve(body.key, body.for_ms, body.by, body.comment, wall_unix_ms())
        return alarms_json(loop)

    @router.post("/unshelve", answer=AlarmsOut)
    def unshelve(body: AlarmIn) -> dict[str, Any]:
        """Unshelve an alarm. It is notified again if its condition is still true."""
        alarms.unshelve(body.key, body.by, body.comment, wall_unix_ms())
        return alarms_json(loop)

    @router.post("/test", status=202, answer=TestOut)
    def test(body: AskedBy) -> dict[str, Any]:
        """Send a test notification to each target, without retries."""
        return {"id": loop.scheduler.test(body.by, wall_unix_ms())}

    @router.post("/take-out", answer=AlarmsOut)
    def take_out(body: AlarmIn) -> dict[str, Any]:
        """Take an alarm out of service, without a time limit."""
        alarms.take_out_of_service(body.key, body.by, body.comment, wall_unix_ms())
        return alarms_json(loop)

    @router.post("/put-back", answer=AlarmsOut)
    def put_back(body: AlarmIn) -> dict[str, Any]:
        """Put an alarm back into service."""
        alarms.return_to_service(body.key, body.by, body.comment, wall_unix_ms())
        return alarms_json(loop)

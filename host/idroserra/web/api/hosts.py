"""The HTTP API of hosts: the state of this one in short, and those of the others it follows."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from msgspec import Meta
from msgspec.structs import asdict, replace

from idroserra.alarms.rules import PRIORITIES
from idroserra.alarms.summary import titled
from idroserra.auth.identity import current_identity
from idroserra.core.natural_order import natural_key
from idroserra.core.reasons import Reason
from idroserra.help.topics import help_address
from idroserra.i18n.reasons import reason_json, reason_text
from idroserra.i18n.translate import gettext as _
from idroserra.node_state.causes import LEVELS
from idroserra.nodes.host_health import host_problems
from idroserra.nodes.state_text import ended
from idroserra.other_hosts.service import OtherHost, OtherHosts
from idroserra.other_hosts.status import MOST_SITES, AlarmStatus, Status, missing_of, reason_words
from idroserra.web.api.schemas import Out, ReasonOut, error_replies
from idroserra.web.api.sites import attention_text, fine_text
from idroserra.web.own_status import OwnStatus
from idroserra.web.routing import Routes

MOST_ALARMS = 3  # of a host on the page
MOST_PROBLEMS = 5


class HostOut(Out):
    """A host and its state. Times are those of the clock of the host that answers."""

    name: Annotated[str, Meta(description="As in the configuration; of this host its site.")]
    url: Annotated[str, Meta(description="Its page; \"\" of this host.")]
    is_own: bool
    level: Annotated[str, Meta(
        description="ok, note, warn or bad; bad also if its state is not known.")]
    text: Annotated[str, Meta(description="The state, or why it is not known, in words.")]
    reason: Annotated[ReasonOut | None, Meta(description="Why its state is not known.")]
    help: Annotated[str, Meta(description="The help on this reason, or empty.")]
    failed_unix_ms: Annotated[int | None, Meta(
        description="Since when its state is not known; null if it is, or was never asked for.")]
    answered_unix_ms: Annotated[int | None, Meta(description="When it answered last.")]
    version: str
    nodes: Annotated[dict[str, int] | None, Meta(
        description="Each node once: no_contact, stopped, attention or fine; null: not known.")]
    notes: Annotated[list[dict[str, str]], Meta(
        description="Further problems of the host, and what its version does not send: level, "
                    "text.")]
    sites: Annotated[list[dict[str, Any]], Meta(
        description="Worst first: site, level, nodes, troubled, href.")]
    alarms: Annotated[list[dict[str, Any]], Meta(
        description="The first alarms, worst first: text, level, priority, site, node (its "
                    "name), raised_unix_ms, href.")]
    alarm_count: Annotated[int | None, Meta(
        description="Alarms to attend to; null: not known.")]


class HostsOut(Out):
    """This host and the others of its configuration, the most urgent first."""

    hosts: list[HostOut]


def hosts_router(own: OwnStatus, site: str, others: OtherHosts) -> Routes:
    """Return the routes."""
    router = Routes("/api", error_replies({503: "The host's database cannot be read."}))

    @router.get("/status", answer=Status)
    def status() -> Status:
        """Return the state of this host in short."""
        who = current_identity()
        return replace(own.now(), role=None if who is None else who.role.label)

    @router.get("/hosts", answer=HostsOut)
    def hosts() -> dict[str, Any]:
        """List this host and the others, the most urgent first."""
        status = own.now()
        found = [host_json(OtherHost(site, "", status, status.unix_ms)),
                 *map(host_json, others.look())]
        return {"hosts": sorted(found, key=_urgency)}

    return router


def host_json(one: OtherHost) -> dict[str, Any]:
    """Return HostOut."""
    status, reason = one.status, one.reason
    found: dict[str, Any] = {
        "name": one.name, "url": one.url, "is_own": not one.url, "level": "note",
        "text": _("Asked for its state; no answer yet."), "reason": reason_json(reason),
        "help": "" if reason is None else help_address(reason.code),
        "failed_unix_ms": one.failed_unix_ms, "answered_unix_ms": one.answered_unix_ms,
        "version": "", "nodes": None, "notes": [], "sites": [], "alarms": [], "alarm_count": None}
    if reason is not None:
        return found | {"level": "bad", "text": _unknown_text(reason)}
    if status is None:
        return found
    states = [
        *host_problems(status.parts or {})[:MOST_PROBLEMS], *_alarm_health(status),
        _nodes_state(status), *_missing(status)]
    first, notes = states[0], states[1:]
    levels = [status.level, *(state["level"] for state in states)]
    return found | {
        "level": max(levels, key=LEVELS.index), "text": first["text"], "notes": notes,
        "version": status.version or "",
        "nodes": None if status.nodes is None else asdict(status.nodes),
        "sites": [asdict(site) | {"href": f"{one.url}/sites/{quote(site.site, safe='')}"}
                  for site in (status.sites or ())[:MOST_SITES]],
        "alarms": [] if status.alarms is None else [
            _alarm_json(alarm, status, one) for alarm in status.alarms.first[:MOST_ALARMS]],
        "alarm_count": None if status.alarms is None else status.alarms.count}


def _unknown_text(reason: Reason) -> str:
    return ended(_("State unknown: {why}").format(why=reason_text(reason)))


def _alarm_health(status: Status) -> list[dict[str, str]]:
    text = (status.parts or {}).get("alarms", {}).get("state", "")
    return [{"level": "bad", "text": _(text)}] if text else []


def _nodes_state(status: Status) -> dict[str, str]:
    is_fine = status.worst is None and status.nodes is not None and status.nodes.total
    level = status.worst.level if status.worst is not None else "ok" if is_fine else "note"
    return {"level": level, "text": _nodes_text(status)}


def _nodes_text(status: Status) -> str:
    counts, worst = status.nodes, status.worst
    if counts is None:
        return _("It does not send the state of its nodes.")
    if not counts.total:
        return _("No greenhouse has reported yet.")
    if worst is None:
        return fine_text(counts.total)
    return attention_text(
        counts.total - counts.fine, counts.total, worst.title, ended(reason_words(worst.reason)))


def _missing(status: Status) -> list[dict[str, str]]:
    missing = missing_of(status)
    if not missing:
        return []
    text = _("Its version {version} does not send everything. Missing: {fields}").format(
        version=status.version or "?", fields=", ".join(missing))
    return [{"level": "note", "text": text}]


def _alarm_json(alarm: AlarmStatus, status: Status, host: OtherHost) -> dict[str, Any]:
    raised = alarm.raised_unix_ms
    if raised is not None and host.answered_unix_ms is not None:  # by the clock of this host
        raised = host.answered_unix_ms - max(0, status.unix_ms - raised)
    page = f"/nodes/{quote(alarm.node, safe='')}" if alarm.node else "/alarms"
    return {
        "text": titled(_(alarm.title), reason_words(alarm.reason)), "priority": alarm.priority,
        "level": {"low": "note", "medium": "warn"}.get(alarm.priority, "bad"),
        "site": alarm.site, "node": alarm.node_title, "raised_unix_ms": raised,
        "href": f"{host.url}{page}"}


def _urgency(host: dict[str, Any]) -> tuple[Any, ...]:
    rank = max((PRIORITIES.index(alarm["priority"]) for alarm in host["alarms"]), default=-1)
    nodes = host["nodes"] or {}
    not_fine = sum(nodes.values()) - nodes.get("fine", 0)
    return (-LEVELS.index(host["level"]), -rank, host["nodes"] is None, -not_fine,
            natural_key(host["name"]))

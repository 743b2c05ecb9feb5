"""The state of a host in short: what GET /api/status answers, and how another host reads it.

Both sides use these types. A host of another version may lack fields, which are then None, and may
have others, which are ignored. What is read comes from another machine: every text and number has
a limit.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from idro.errors import ProtocolError
from idro.protocol.messages_host import reason_of
from idroserra.core.reasons import REASONS, Reason, reason_from_json, sentence
from idroserra.i18n.reasons import as_sentence, english

MOST_ALARMS = 5
MOST_SITES = 20
MOST_CHARS = 200  # of the text of a reason, as in the protocol

Level = Literal["ok", "note", "warn", "bad"]
Name = Annotated[str, Meta(max_length=200)]
Line = Annotated[str, Meta(max_length=1_000)]
Count = Annotated[int, Meta(ge=0, le=10_000_000)]
UnixMs = Annotated[int, Meta(ge=0, le=1 << 53)]
Priority = Literal["low", "medium", "high", "urgent"]
WithReason = Annotated[dict[str, Any] | None, Meta(
    description="A reason: its code, the values of the code, and both in English.")]


class UnreadableStatus(ValueError):
    """An answer is not the state of a host."""


class NodeCounts(msgspec.Struct, frozen=True):
    """Nodes, each counted once. Those whose level is warn or bad: under the first that is true."""

    no_contact: Count
    stopped: Annotated[Count, Meta(description="Dosing is stopped by a person, or locked.")]
    attention: Annotated[Count, Meta(description="Neither.")]
    fine: Annotated[Count, Meta(
        description="Its level is ok or note; it may not have reported yet.")]

    @property
    def total(self) -> int:
        """The number of nodes."""
        return self.no_contact + self.stopped + self.attention + self.fine


class SiteStatus(msgspec.Struct, frozen=True):
    """A site: the level of its worst node, and how many of its nodes are warn or bad."""

    site: Name
    level: Level
    nodes: Count
    troubled: Count


class NodeStatus(msgspec.Struct, frozen=True):
    """A node and the worst cause of its state."""

    node: Name
    title: Name
    site: Name
    level: Level
    reason: WithReason
    since_unix_ms: UnixMs | None


class AlarmStatus(msgspec.Struct, frozen=True):
    """An alarm that is active or not acknowledged; node and site may be ""."""

    title: Line
    reason: WithReason
    priority: Priority
    site: Name
    node: Name
    node_title: Name
    raised_unix_ms: UnixMs | None


class Alarms(msgspec.Struct, frozen=True):
    """The number of alarms to attend to, and the first of them, the worst first."""

    count: Count
    unacknowledged: Count
    first: list[AlarmStatus]


class Status(msgspec.Struct, frozen=True):
    """The state of a host in short. Times are those of its clock."""

    unix_ms: Annotated[UnixMs, Meta(description="Its time now.")]
    level: Annotated[Level, Meta(
        description="The worst of its nodes, of the host itself and of unacknowledged alarms.")]
    version: Name | None = None
    role: Annotated[Name | None, Meta(description="The role of who asks.")] = None
    parts: Annotated[dict[Name, dict[Name, Line]] | None, Meta(
        description="As in GET /api/health: broker, store, spool, and standby if there is one, "
                    "with their state; failures. alarms: why alarms are not evaluated or "
                    "saved.")] = None
    last_heard_unix_ms: Annotated[UnixMs | None, Meta(
        description="When a node was heard last; null: never.")] = None
    nodes: NodeCounts | None = None
    worst: Annotated[NodeStatus | None, Meta(
        description="The worst node that is not fine.")] = None
    sites: Annotated[list[SiteStatus] | None, Meta(description="Worst first.")] = None
    alarms: Alarms | None = None


# Fields that every version with a status has; what lacks one is said on the page.
EXPECTED = ("version", "parts", "nodes", "sites", "alarms")
_decoder = msgspec.json.Decoder(Status)


def read_status(body: bytes) -> Status:
    """Return the status that another host answered. Raises UnreadableStatus."""
    try:
        found = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise UnreadableStatus(str(error)[:200]) from None
    except (ValueError, RecursionError):
        raise UnreadableStatus("not JSON") from None
    alarms = found.alarms
    for one in (found.worst, *(() if alarms is None else alarms.first)):
        if one is not None and not _is_readable(one.reason):
            raise UnreadableStatus("not a reason")
    return found


def missing_of(status: Status) -> list[str]:
    """Return the expected fields that the host did not send."""
    return [name for name in EXPECTED if getattr(status, name) is None]


def reason_to_send(reason: Reason | None) -> dict[str, Any] | None:
    """Return a reason with its text in English; what no other host would take as that text."""
    if reason is None:
        return None
    text = "".join(char if char.isprintable() else " " for char in english(reason)[:MOST_CHARS])
    found = {**reason.as_json(), "text": text}
    return found if _is_readable(found) else {**sentence(text).as_json(), "text": text}


def _is_readable(reason: dict[str, Any] | None) -> bool:
    """Return whether a reason is one by the rules for those of nodes, with a short text."""
    if reason is None:
        return True
    text = reason.get("text", "")
    try:
        reason_of({"reason": reason}, "reason")
    except ProtocolError:
        return False
    return isinstance(text, str) and len(text) <= MOST_CHARS


def reason_words(reason: dict[str, Any] | None) -> str:
    """Return a reason of another host in the reader's language; one that this version does not
    know in the words of that host. "" for None."""
    if reason is None:
        return ""
    found = reason_from_json(reason)
    if found is None or not _is_known(found):
        return str(reason.get("text") or reason["code"])
    return as_sentence(found)


def _is_known(reason: Reason) -> bool:
    inner = [value for value in reason.values.values() if isinstance(value, Reason)]
    return reason.code in REASONS and all(map(_is_known, inner))

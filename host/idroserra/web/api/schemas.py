"""The shapes of the HTTP API: what goes in is checked here, what comes out is described here."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from idroserra.auth.identity import verified_name
from idroserra.core.validation import string_pattern

# Whoever logged in acts in their own name, whatever the request says.
WHO = Annotated[str, string_pattern(
    r"^[^\x00-\x1f\x7f]+$", min_length=1, max_length=40,
    description="Who asks, for a program that asks for somebody; kept with the event on the "
                "node. Of a person it is the name of the log-in.")]


class In(msgspec.Struct, forbid_unknown_fields=True):
    """What a request brings: a key that is not declared is refused."""


class AskedBy(In, kw_only=True):
    """Who asks."""

    by: WHO = "api"

    def __post_init__(self) -> None:
        """Put the true name of who asks in place of what the request claims."""
        self.by = verified_name(self.by)


class Out(msgspec.Struct):
    """What an answer holds at least."""


class CommandIn(AskedBy):
    """A request to a node. It is a request: the node's safety gate decides."""

    verb: Annotated[str, Meta(
        max_length=40, description="dose, run, correct, end_correction, hold, stop or resume")]
    args: Annotated[dict[str, Any], Meta(
        max_length=8,
        description="dose: actuator, volume_ul; run: actuator, for_ms, duty_pct (dimmers "
                    "only); correct: actuator, target_milli_ph, volume_ul; hold: for_ms, 0 "
                    "to release")] = {}
    ttl_ms: Annotated[int, Meta(
        ge=1_000, le=60_000,
        description="The node does not act on it any later than this, in ms.")] = 30_000
    id: Annotated[str, string_pattern(
        r"^[0-9a-f]{24}$",
        description="Its id, made up by who asks: a second request with it sends nothing again, "
                    "for who got no answer to the first.")] | None = None
    until_unix_ms: Annotated[int, Meta(
        ge=0, description="Reaching the host later than this, it has expired.")] | None = None


class CommandOut(Out):
    """A command and what became of it."""

    id: str
    node: str
    verb: str
    args: dict[str, Any]
    by: str
    state: Annotated[str, Meta(description="pending, done, refused, expired, failed or timeout")]
    reason: Annotated[str, Meta(description="Why, in words; empty where there is nothing to say.")]
    sent_unix_ms: int
    ends_unix_ms: int


class ConfigIn(AskedBy):
    """Settings to change; the others stay."""

    values: Annotated[dict[str, Any], Meta(
        min_length=1, max_length=100,
        description="Setting keys and values, as in docs/protocol.md.")]


class ConfigOut(Out):
    """`rev` is what the host wants, `values` what the node says is in force."""

    rev: int
    reported_rev: int | None
    error: str | None
    values: dict[str, Any]


class NodeOut(Out):
    """One node: contact, newest reading of each channel, outputs, settings and a verdict."""

    node: str
    site: str
    online: bool
    adopted: Annotated[bool, Meta(description="True when the host may command it.")]
    last_seen_unix_ms: int | None
    board: str | None
    version: str | None
    boot_id: str | None
    clock: str | None
    image_sha256: str | None
    stale_after_ms: Annotated[int, Meta(
        description="A reading older than this is no news, in ms.")]
    channels: Annotated[dict[str, dict[str, Any]], Meta(
        description="By channel: unit, decimals, value or fault (never both), unix_ms, band.")]
    outputs: Annotated[dict[str, str], Meta(description="Actuator: doser, switch or dimmer.")]
    config: ConfigOut
    history_progress: dict[str, Any] | None
    dosing: Annotated[dict[str, Any], Meta(
        description="state: on, advise, off (only watching), stopped, latched or unknown; in "
                    "words too.")]
    has_button: Annotated[bool | None, Meta(
        description="Whether steps of a correction can be released at the board; null: unknown.")]
    authority: Annotated[dict[str, Any] | None, Meta(
        description="granted_pct and asked_pct of the budgets; full_from_unix_ms: when it may "
                    "get what is asked for, at the earliest; in words too.")]
    advice: Annotated[list[str], Meta(description="What a node that only advises would give.")]
    decisions: Annotated[list[dict[str, Any]], Meta(
        description="What pH and EC control decided last, and why: loop, text, unix_ms; none of "
                    "a node out of contact.")]
    correction: Annotated[dict[str, Any] | None, Meta(
        description="The newest correction of a fresh fill, open or over: state, volumes in ul, "
                    "target_ph, wait_until_unix_ms; in words too.")]
    calibration_due_days: Annotated[int | None, Meta(
        description="In how many days pH is due, negative: since when; null where none is known.")]
    recipe: Annotated[dict[str, Any] | None, Meta(
        description="The newest recipe, as GET /api/nodes/{node}/recipe gives it.")]
    verdict: Annotated[dict[str, Any], Meta(
        description="level: ok, note, warn or bad; and sentences.")]


class NodesOut(Out):
    """Every node the host ever heard of."""

    nodes: list[NodeOut]


class SeriesOut(Out):
    """Columns of a chart: per channel [unix_ms, min, mean, max], empty columns left out."""

    node: str
    from_unix_ms: int
    to_unix_ms: int
    columns: int
    series: dict[str, list[tuple[int, float, float, float]]]


class EventOut(Out):
    """One event, with its sentence."""

    node: str
    unix_us: int
    seq: int
    boot_id: str
    kind: str
    detail: dict[str, Any]
    text: str
    reason: str
    level: str


class EventsOut(Out):
    """Events, oldest first; `left_out` counts older ones beyond the limit."""

    node: str
    events: list[EventOut]
    left_out: int


class RejectedMessageOut(Out):
    """A message, or a record of one, that was not understood; `payload` is its text as it came."""

    node: str
    topic: str
    reason: str
    unix_ms: int
    payload: str


class RejectedOut(Out):
    """What was rejected, newest first; `count` is how many ever were."""

    rejected: list[RejectedMessageOut]
    count: int


class ErrorOut(Out):
    """Why a request was refused, in one line that names the field."""

    error: str


def refused(description: str) -> dict[str, Any]:
    """Return what a route says of a status with an ErrorOut."""
    schema = {"$ref": f"#/components/schemas/{ErrorOut.__name__}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}

"""Request and response types that several modules of the API use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from idroserra.auth.identity import verified_name
from idroserra.core.validation import string_pattern
from idroserra.web.routing import Replies

WHO = Annotated[str, string_pattern(
    r"^[^\x00-\x1f\x7f]+$", min_length=1, max_length=40,
    description="The person a program acts for, stored with the event on the node. Replaced by "
                "the user name in a session.")]


class In(msgspec.Struct, forbid_unknown_fields=True):
    """A request body; undeclared keys are refused."""


class AskedBy(In, kw_only=True):
    """The person who asks."""

    by: WHO = "api"

    def __post_init__(self) -> None:
        """Replace `by` with the user name of a session."""
        self.by = verified_name(self.by)


class Out(msgspec.Struct):
    """A response body; it may have further keys."""


class CommandIn(AskedBy):
    """A request to a node. The node's safety gate decides."""

    verb: Annotated[str, Meta(
        max_length=40, description="dose, run, correct, end_correction, hold, stop or resume")]
    args: Annotated[dict[str, Any], Meta(
        max_length=8,
        description="dose: actuator, volume_ul; run: actuator, for_ms, duty_pct (dimmers "
                    "only); correct: actuator, target_milli_ph, volume_ul; hold: for_ms, 0 "
                    "to release")] = {}
    ttl_ms: Annotated[int, Meta(
        ge=1_000, le=60_000,
        description="Expires at the node after this time, in ms.")] = 30_000
    id: Annotated[str, string_pattern(
        r"^[0-9a-f]{24}$",
        description="Id chosen by the client. A repeated request with the same id sends nothing, "
                    "so it is safe after a lost response.")] | None = None
    until_unix_ms: Annotated[int, Meta(
        ge=0, description="Expired if it reaches the host later, Unix ms.")] | None = None
    ends: Annotated[str, Meta(
        max_length=80,
        description="resume: `dosing.hold` of the node as the person saw it. Refused if a stop "
                    "was requested, or dosing was stopped, locked or resumed since. Send it when "
                    "several nodes are resumed; without it, whatever holds the dosing ends."
    )] | None = None


class ReasonOut(Out):
    """A reason: its code, the values of the code, and both in words."""

    code: str
    values: dict[str, Any]
    text: str


class CommandOut(Out):
    """A command and its state."""

    id: str
    node: str
    verb: str
    args: dict[str, Any]
    by: str
    state: Annotated[str, Meta(description="pending, done, refused, expired, failed or timeout")]
    reason: ReasonOut | None
    sent_unix_ms: int
    ends_unix_ms: int


class ConfigIn(AskedBy):
    """Settings to change; the others are kept."""

    values: Annotated[dict[str, Any], Meta(
        min_length=1, max_length=100,
        description="Setting keys and values, as in docs/protocol.md.")]


class RestoredOut(Out):
    """Settings of a restored backup that wait for a choice."""

    made_unix_ms: Annotated[int, Meta(description="When the backup was made.")]
    rev: Annotated[int, Meta(description="Their revision in the backup.")]
    differences: Annotated[dict[str, dict[str, Any]], Meta(
        description="By setting: its value in the backup, and that of the node; empty until the "
                    "node has reported.")]


class ConfigOut(Out):
    """`rev` is the revision the host wants, `values` are the settings the node reports."""

    rev: int
    reported_rev: int | None
    refused_rev: Annotated[int, Meta(description="The newest revision that the node refused; its "
                                     "settings are those of `reported_rev`. 0: none.")]
    error: Annotated[ReasonOut | None, Meta(description="Why the node refused the last.")]
    values: dict[str, Any]
    restored: RestoredOut | None


class NodeOut(Out):
    """One node: contact, newest reading of each channel, outputs, settings and health."""

    node: str
    title: Annotated[str, Meta(description="Its name for people; its node id if it has none.")]
    site: str
    online: bool
    adopted: Annotated[bool, Meta(description="True when the host may command it.")]
    last_seen_unix_ms: int | None
    board: str | None
    version: str | None
    system: Annotated[dict[str, Any], Meta(
        description="What it runs on: micropython (its release), psram_bytes (0: none), cpu_hz; "
                    "null: unknown, as of older firmware.")]
    boot_id: str | None
    clock: str | None
    image_sha256: str | None
    stale_after_ms: Annotated[int, Meta(description="Age in ms above which a reading is stale.")]
    channels: Annotated[dict[str, dict[str, Any]], Meta(
        description="By channel: unit, decimals, value or fault (never both), unix_ms, band, "
                    "level of the worst cause about it.")]
    outputs: Annotated[dict[str, str], Meta(description="Actuator: doser, switch or dimmer.")]
    config: ConfigOut
    history_progress: dict[str, Any] | None
    dosing: Annotated[dict[str, Any], Meta(
        description="state: on, held, advise, off (monitoring only), stopped, latched or unknown; "
                    "cause: why it does not dose; label and text in words; hold: name of what a "
                    "resume ends.")]
    has_button: Annotated[bool | None, Meta(
        description="Whether the board has a button to confirm correction steps; null: unknown.")]
    authority: Annotated[dict[str, Any] | None, Meta(
        description="granted_pct and asked_pct of the budgets; full_from_unix_ms: earliest time "
                    "of the full share; text in words.")]
    advice: Annotated[list[str], Meta(description="Doses that a node in advice mode recommends.")]
    decisions: Annotated[list[dict[str, Any]], Meta(
        description="Last decisions of pH and EC control: loop, reason, text, unix_ms; empty "
                    "without contact.")]
    correction: Annotated[dict[str, Any] | None, Meta(
        description="The newest correction of a fresh fill: state, volumes in ul, channel, "
                    "target, wait_until_unix_ms; text in words.")]
    calibration_due_days: Annotated[int | None, Meta(
        description="Days until the pH calibration is due, negative if overdue; null: unknown.")]
    recipe: Annotated[dict[str, Any] | None, Meta(
        description="The newest run, as in GET /api/nodes/{node}/recipe.")]
    state: Annotated[dict[str, Any], Meta(
        description="The worst cause: level (ok, note, warn or bad), code, cause, text, "
                    "since_unix_ms, until_unix_ms, remedy (code of its how-to), mender (node, "
                    "grower or technician), help, href (the page where it is mended); others: the "
                    "further causes.")]


class NodesOut(Out):
    """Every node the host knows."""

    nodes: list[NodeOut]


class SeriesOut(Out):
    """Columns of a chart: per channel [unix_ms, min, mean, max], without empty columns."""

    node: str
    from_unix_ms: int
    to_unix_ms: int
    columns: int
    series: dict[str, list[tuple[int, float, float, float]]]


class EventOut(Out):
    """One event, with its text."""

    node: str
    unix_us: int
    seq: int
    boot_id: str
    kind: str
    detail: dict[str, Any]
    text: str
    reason: ReasonOut | None
    level: str


class EventsOut(Out):
    """Events, oldest first; `has_older`: others of the range are older, beyond the limit."""

    node: str
    events: list[EventOut]
    has_older: bool


class RejectedMessageOut(Out):
    """A rejected message or record; `payload` is its original text, `error` a technical text
    in English."""

    node: str
    topic: str
    error: str
    unix_ms: int
    payload: str


class RejectedOut(Out):
    """Rejected messages, newest first; `count` is the total."""

    rejected: list[RejectedMessageOut]
    count: int


class ErrorOut(Out):
    """Why a request was refused, in one line that names the field. words: in the reader's
    language, if it is not English, or for a form; code: of the reason, where there is one; field:
    of a form; detail: what the database answered; since_unix_ms: since when."""

    error: str
    words: str = ""
    code: str = ""
    field: str = ""
    detail: str = ""
    since_unix_ms: int | None = None


def error_replies(descriptions: Mapping[int, str]) -> Replies:
    """Return the OpenAPI error responses of a group of routes; 422 is always one of them."""
    texts = {422: "A field is wrong; the message names it.", **descriptions}
    return {status: error_reply(text) for status, text in texts.items()}


def error_reply(description: str) -> dict[str, Any]:
    """Return the OpenAPI response object of an error."""
    schema = {"$ref": f"#/components/schemas/{ErrorOut.__name__}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}

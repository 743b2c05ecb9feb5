"""The shapes of the HTTP API: what goes in is checked here, what comes out is described here."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from idroserra.access.who import true_name

# Whoever logged in acts in their own name, whatever the request says.
WHO = Annotated[str, Field(
    min_length=1, max_length=40, pattern=r"^[^\x00-\x1f\x7f]+$", validate_default=True,
    description="Who asks, for a program that asks for somebody; kept with the event on the "
                "node. Of a person it is the name of the log-in."), AfterValidator(true_name)]


class CommandIn(BaseModel):
    """A request to a node. It is a request: the node's safety gate decides."""

    model_config = ConfigDict(extra="forbid")

    verb: str = Field(
        max_length=40, description="dose, run, correct, end_correction, hold, stop or resume")
    args: dict[str, Any] = Field(
        default_factory=dict, max_length=8,
        description="dose: actuator, volume_ul; run: actuator, for_ms, duty_pct (dimmers only); "
                    "correct: actuator, target_milli_ph, volume_ul; hold: for_ms, 0 to release")
    by: WHO = "api"
    ttl_ms: int = Field(30_000, ge=1_000, le=60_000,
                        description="The node does not act on it any later than this, in ms.")
    id: str | None = Field(None, pattern=r"^[0-9a-f]{24}$", description=
                           "Its id, made up by who asks: a second request with it sends nothing "
                           "again, for who got no answer to the first.")
    until_unix_ms: int | None = Field(None, ge=0, description=
                                      "Reaching the host later than this, it has expired.")


class CommandOut(BaseModel):
    """A command and what became of it."""

    id: str
    node: str
    verb: str
    args: dict[str, Any]
    by: str
    state: str = Field(description="pending, done, refused, expired, failed or timeout")
    reason: str = Field(description="Why, in words; empty where there is nothing to say.")
    sent_unix_ms: int
    ends_unix_ms: int


class ConfigIn(BaseModel):
    """Settings to change; the others stay."""

    model_config = ConfigDict(extra="forbid")

    values: dict[str, Any] = Field(min_length=1, max_length=100,
                                   description="Setting keys and values, as in docs/protocol.md.")
    by: WHO = "api"


class ConfigOut(BaseModel):
    """`rev` is what the host wants, `values` what the node says is in force."""

    rev: int
    reported_rev: int | None
    error: str | None
    values: dict[str, Any]


class NodeOut(BaseModel):
    """One node: contact, newest reading of each channel, outputs, settings and a verdict."""

    model_config = ConfigDict(extra="allow")

    node: str
    site: str
    online: bool
    adopted: bool = Field(description="True when the host may command it.")
    last_seen_unix_ms: int | None
    board: str | None
    version: str | None
    boot_id: str | None
    clock: str | None
    image_sha256: str | None
    stale_after_ms: int = Field(description="A reading older than this is no news, in ms.")
    channels: dict[str, dict[str, Any]] = Field(
        description="By channel: unit, decimals, value or fault (never both), unix_ms, band.")
    outputs: dict[str, str] = Field(description="Actuator: doser, switch or dimmer.")
    config: ConfigOut
    history_progress: dict[str, Any] | None
    dosing: dict[str, Any] = Field(
        description="state: on, advise, off (only watching), stopped, latched or unknown; in "
                    "words too.")
    has_button: bool | None = Field(
        description="Whether steps of a correction can be released at the board; null: unknown.")
    authority: dict[str, Any] | None = Field(
        description="granted_pct and asked_pct of the budgets; full_from_unix_ms: when it may get "
                    "what is asked for, at the earliest; in words too.")
    advice: list[str] = Field(description="What a node that only advises would give.")
    decisions: list[dict[str, Any]] = Field(
        description="What pH and EC control decided last, and why: loop, text, unix_ms; none of a "
                    "node out of contact.")
    correction: dict[str, Any] | None = Field(
        description="The newest correction of a fresh fill, open or over: state, volumes in ul, "
                    "target_ph, wait_until_unix_ms; in words too.")
    calibration_due_days: int | None = Field(
        description="In how many days pH is due, negative: since when; null where none is known.")
    recipe: dict[str, Any] | None = Field(
        description="The newest recipe, as GET /api/nodes/{node}/recipe gives it.")
    verdict: dict[str, Any] = Field(description="level: ok, note, warn or bad; and sentences.")


class NodesOut(BaseModel):
    """Every node the host ever heard of."""

    nodes: list[NodeOut]


class SeriesOut(BaseModel):
    """Columns of a chart: per channel [unix_ms, min, mean, max], empty columns left out."""

    node: str
    from_unix_ms: int
    to_unix_ms: int
    columns: int
    series: dict[str, list[tuple[int, float, float, float]]]


class EventOut(BaseModel):
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


class EventsOut(BaseModel):
    """Events, oldest first; `left_out` counts older ones beyond the limit."""

    node: str
    events: list[EventOut]
    left_out: int


class RejectedMessageOut(BaseModel):
    """A message, or a record of one, that was not understood; `payload` is its text as it came."""

    node: str
    topic: str
    reason: str
    unix_ms: int
    payload: str


class RejectedOut(BaseModel):
    """What was rejected, newest first; `count` is how many ever were."""

    rejected: list[RejectedMessageOut]
    count: int


class ErrorOut(BaseModel):
    """Why a request was refused, in one line that names the field."""

    error: str


def refused(description: str) -> dict[str, Any]:
    """Return what a route says of a status with an ErrorOut.

    By its name: with the model itself each status of each route has a validator of its own made,
    which is half of what the application takes to start. The routes of api.py bring the model."""
    schema = {"$ref": f"#/components/schemas/{ErrorOut.__name__}"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}

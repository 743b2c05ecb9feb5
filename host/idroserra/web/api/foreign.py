"""The HTTP API of foreign readings: what is adopted, what was seen, and the subscription."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from idroserra.core import protocol
from idroserra.core.validation import string_pattern
from idroserra.foreign.adopted import NAME_PATTERN
from idroserra.foreign.readings import ForeignReading
from idroserra.foreign.seen import Seen
from idroserra.foreign.service import ForeignReadings
from idroserra.i18n.channels import display_of, format_value
from idroserra.i18n.marker import N_
from idroserra.i18n.translate import gettext as _
from idroserra.web.api.schemas import AskedBy, Out, error_replies
from idroserra.web.routing import Routes

_ERROR_REPLIES = error_replies({
    404: "No foreign reading of this name, or no such value was seen.",
    503: "The host's database cannot be written.",
})
_WET, _DRY = N_("wet"), N_("dry")
# Limits that are offered for a quantity: low, high, too old after.
_OFFERED = {"temp_c": (-20, 60, 7_200), "rh_pct": (0, 100, 7_200), "power_w": (0, 5_000, 900),
            "leak": (0, 1, 93_600)}  # a leak sensor on a battery reports once a day

Name = Annotated[str, string_pattern(NAME_PATTERN, description="Of its history and alarms.")]


class AdoptIn(AskedBy):
    """A value that was seen, and its limits; they are in the stored unit of the quantity."""

    device: Annotated[str, Meta(max_length=200, description="As in `seen`.")]
    field: Annotated[str, Meta(max_length=60, description="As in `seen`.")]
    place: Annotated[str, Meta(max_length=60, description="Where the sensor is, for people.")] = ""
    quantity: Annotated[str, Meta(
        max_length=20, description="temp_c, rh_pct, power_w or leak. Required if `seen` has none; "
                                   "must be the one of `seen` otherwise.")] | None = None
    low: Annotated[float | None, Meta(
        description="The least plausible value; null: as offered for the quantity.")] = None
    high: Annotated[float | None, Meta(description="The greatest plausible value.")] = None
    too_old_s: Annotated[int, Meta(
        ge=30, le=604_800, description="Age from which a value is no longer shown.")] | None = None


class ForeignOut(Out):
    """An adopted reading as it is now."""

    name: str
    place: str
    device: str
    field: str
    quantity: str
    low: float
    high: float
    too_old_s: int
    label: Annotated[str, Meta(description="The quantity in words.")]
    state: Annotated[str, Meta(description="ok, waiting (none since the host started), old, "
                                           "implausible or offline")]
    value: Annotated[float | None, Meta(
        description="In the stored unit: C, %, W, or 0 and 1. Null unless the state is ok.")]
    text: Annotated[str, Meta(description="The value with its unit, or \"\"; wet while is_leak.")]
    is_leak: Annotated[bool, Meta(
        description="The newest value is a leak, whatever the state; also one that the broker had "
                    "kept.")]
    refused_text: Annotated[str, Meta(description="The implausible value with its unit, or \"\".")]
    has_value: Annotated[bool, Meta(description="Whether a value came since then.")]
    age_ms: Annotated[int, Meta(description="Of the newest value; if none came, since the host "
                                            "started or the value was adopted.")]


class SeenOut(Out):
    """A value that was seen and is not adopted."""

    device: str
    source: Annotated[str, Meta(description="Zigbee2MQTT, Tasmota, Shelly or ESPHome")]
    field: str
    quantity: Annotated[str | None, Meta(description="Null: the message has no unit.")]
    text: Annotated[str, Meta(description="The value with its unit; \"\" if the broker had kept "
                                          "it, so that its age is unknown.")]
    heard_unix_ms: int


class OfferedOut(Out):
    """A quantity with its label, unit and the limits that are offered."""

    quantity: str
    label: str
    unit: str
    low: float
    high: float
    too_old_s: int


class ForeignReadingsOut(Out):
    """The adopted readings and the subscription."""

    topics: Annotated[list[str], Meta(description="Empty: off.")]
    state: Annotated[str, Meta(description="off, connected, paused (too many messages), or why "
                                           "nothing is received; technical, in English")]
    dropped: Annotated[int, Meta(description="Messages that were too large or too many.")]
    readings: list[ForeignOut]


class SeenListOut(Out):
    """The values that were seen and are not adopted, and what they can be adopted as."""

    omitted: Annotated[int, Meta(description="Values that the list has no room for.")]
    seen: list[SeenOut]
    quantities: list[OfferedOut]


def foreign_router(foreign: ForeignReadings) -> Routes:
    """Return the routes."""
    router = Routes("/api/foreign", _ERROR_REPLIES)

    @router.get("", answer=ForeignReadingsOut)
    def list_foreign() -> dict[str, Any]:
        """List the adopted readings with their age."""
        return _foreign(foreign)

    @router.get("/seen", answer=SeenListOut)
    def list_seen() -> dict[str, Any]:
        """List the values that were seen and are not adopted."""
        return {"omitted": foreign.status().omitted,
                "seen": [_seen(one) for one in foreign.seen()],
                "quantities": [_offered(key) for key in protocol.FOREIGN_QUANTITIES]}

    @router.put("/{name}", answer=ForeignOut)
    def adopt_foreign(name: Name, body: AdoptIn) -> dict[str, Any]:
        """Adopt a value that was seen, or change the limits of an adopted one."""
        values = {key: value for key, value in msgspec.to_builtins(body).items()
                  if key != "by" and value is not None}
        low, high, too_old_s = _OFFERED.get(values.get("quantity") or foreign.quantity_of(
            body.device, body.field) or "", (0, 1, 7_200))
        offered = {"low": low, "high": high, "too_old_s": too_old_s}
        return _reading(foreign.adopt(name, offered | values, body.by))

    @router.delete("/{name}", answer=ForeignReadingsOut)
    def forget_foreign(name: Name) -> dict[str, Any]:
        """Forget a foreign reading. Its history stays."""
        foreign.forget(name)
        return _foreign(foreign)

    return router


def _foreign(foreign: ForeignReadings) -> dict[str, Any]:
    topics, state, dropped, _omitted = foreign.status()
    return {"topics": list(topics), "state": state, "dropped": dropped,
            "readings": [_reading(one) for one in foreign.readings()]}


def _reading(one: ForeignReading) -> dict[str, Any]:
    adopted = one.adopted
    channel = adopted.channel
    return {
        **msgspec.to_builtins(adopted), "label": display_of(channel).label, "state": one.state,
        "value": one.number, "text": _text(channel, 1 if one.is_wet else one.number),
        "is_leak": one.is_wet is True,
        "refused_text": _text(channel, one.refused), "has_value": one.has_value,
        "age_ms": one.age_ms}


def _seen(one: Seen) -> dict[str, Any]:
    quantity = one.value.quantity
    text = ("" if one.number is None else f"{one.number:g}" if quantity is None
            else _text(f"{protocol.FOREIGN}.{quantity}", one.number))
    return {"device": one.device, "source": one.source, "field": one.value.field,
            "quantity": quantity, "text": text, "heard_unix_ms": one.heard_unix_ms}


def _offered(key: str) -> dict[str, Any]:
    low, high, too_old_s = _OFFERED[key]
    return {"quantity": key, "label": display_of(f"{protocol.FOREIGN}.{key}").label,
            "unit": {"temp_c": "°C", "rh_pct": "%", "power_w": "W"}.get(key, ""),
            "low": low, "high": high, "too_old_s": too_old_s}


def _text(channel: str, number: float | None) -> str:
    if number is None:
        return ""
    if channel.endswith(".leak"):
        return _(_WET) if number else _(_DRY)
    return format_value(channel, number)

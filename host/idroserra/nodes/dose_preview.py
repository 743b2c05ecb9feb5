"""What a dose by hand would do: reading, target, predicted effect, budgets and warnings. Pure.

The node checks every dose again; this tells a person beforehand what it will do and refuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from idroserra.core import protocol
from idroserra.core.reasons import Reason, reason_from_json
from idroserra.node_state.causes import CHANNEL_OF, innermost
from idroserra.node_state.inputs import EC, LEVEL, NEEDS, PH, Reading, StateInputs
from idroserra.node_state.state import state_of
from idroserra.nodes.latest_events import Event

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
LEARNED_WITHIN_MS = 7 * DAY_MS
LEARNED, TITRATED = "learned", "titrated"
# {doser: (channel, key of its target, key of its deadband, key of its effect, sign)}
_EFFECTS = {
    "ph_down": (PH, "ph.target", "ph.deadband", "ph.down_ul_per_ph", -1),
    "ph_up": (PH, "ph.target", "ph.deadband", "ph.up_ul_per_ph", 1),
    "nutrient_a": (EC, "ec.target_us_cm", "ec.deadband_us_cm", "ec.ul_per_100_us_cm", 1),
    "nutrient_b": (EC, "ec.target_us_cm", "ec.deadband_us_cm", "ec.ul_per_100_us_cm", 1),
}
# The doser that must not run within a time of another, as in the firmware's interlocks.
APART_MS = {
    "ph_down": ("ph_up", HOUR_MS), "ph_up": ("ph_down", HOUR_MS),
    "nutrient_a": ("nutrient_b", 60_000), "nutrient_b": ("nutrient_a", 60_000)}
# Chosen modes, in which a dose by hand is as usual, and waits of control alone; budgets are
# compared with the dose itself.
_OF_CONTROL = frozenset({
    "dosing_off", "advice_only", "advice", "mixing", "calibration", "ph_calibration_old",
    "hour_spent", "day_spent"})


class DoseLimits(NamedTuple):
    """What the node allows a doser: a dose, an hour and a day, and the time between two doses."""

    dose_ul: int
    hour_ul: int
    day_ul: int
    gap_ms: int


class DosePreview(NamedTuple):
    """What is known of a dose before it is given; values in the unit of the channel.

    after: the predicted reading, None if unknown; effect: LEARNED, TITRATED or None.
    hour_left_ul, day_left_ul: before the dose; None without known limits.
    """

    actuator: str
    volume_ul: int
    channel: str | None
    reading: Reading | None
    is_usable: bool
    target: float | None
    low: float | None
    high: float | None
    after: float | None
    effect: str | None
    limits: DoseLimits | None
    hour_left_ul: int | None
    day_left_ul: int | None
    warnings: tuple[Reason, ...]


def preview_dose(
    actuator: str, volume_ul: int, inputs: StateInputs, doses: Iterable[Event],
    limits: DoseLimits | None,
) -> DosePreview:
    """Return the preview of a dose of `volume_ul`. doses: those of the node within the last
    LEARNED_WITHIN_MS; limits: None if the host does not know them."""
    doses = list(doses)
    own = [one for one in doses if one.detail.get("actuator") == actuator]
    channel, target, low, high, per_ul, effect = _loop(actuator, inputs, own)
    reading = None if channel is None else inputs.readings.get(channel)
    trouble = None if channel is None else _trouble(channel, reading, inputs)
    value = None if reading is None or trouble is not None else reading.value
    after = None if value is None or per_ul is None else value + per_ul * volume_ul
    hour_ul, day_ul = _spent(own, inputs.now_unix_ms)
    hour_left = None if limits is None else max(0, limits.hour_ul - hour_ul)
    day_left = None if limits is None else max(0, limits.day_ul - day_ul)
    found = DosePreview(
        actuator, volume_ul, channel, reading, value is not None, target, low, high, after,
        effect, limits, hour_left, day_left, ())
    warnings = [*_blocking(actuator, inputs, trouble), *([] if trouble is None else [trouble]),
                *_of_gap(actuator, doses, limits, inputs.now_unix_ms), *_of_value(found, value),
                *_of_budget(found, inputs.granted_pct)]
    return found._replace(warnings=tuple(warnings))


def _loop(
    actuator: str, inputs: StateInputs, own: Iterable[Event]
) -> tuple[str | None, float | None, float | None, float | None, float | None, str | None]:
    """Return channel, target, low, high, effect in the channel's unit per ul, and its source."""
    if actuator not in _EFFECTS:
        return None, None, None, None, None, None
    channel, target_key, deadband_key, effect_key, sign = _EFFECTS[actuator]
    settings = inputs.settings
    target, deadband = settings.get(target_key), settings.get(deadband_key)
    low = high = None
    if target is not None and deadband is not None:
        low, high = round(target - deadband, 3), round(target + deadband, 3)
    learned = _learned_ul_per_ph(own, inputs.now_unix_ms) if channel == PH else None
    if learned:
        return channel, target, low, high, sign / learned, LEARNED
    ul = settings.get(effect_key)
    if not ul or ul == protocol.SETTINGS[effect_key].default:  # it was never measured
        return channel, target, low, high, None, None
    return channel, target, low, high, sign * (1 if channel == PH else 100) / ul, TITRATED


def _learned_ul_per_ph(own: Iterable[Event], now_unix_ms: int) -> int | None:
    """Return the response of the water by which control dosed last, or None."""
    for event in sorted(own, key=lambda one: -one.unix_us):
        reason = reason_from_json(event.detail.get("reason"))
        ul_per_ph = None if reason is None else reason.values.get("ul_per_ph")
        if isinstance(ul_per_ph, int) and now_unix_ms - event.unix_ms <= LEARNED_WITHIN_MS:
            return ul_per_ph
    return None


def _trouble(channel: str, reading: Reading | None, inputs: StateInputs) -> Reason | None:
    """Return why the reading cannot be relied on, or None."""
    if reading is None or reading.unix_ms is None:
        return Reason("no_reading", channel=channel)
    age_ms = inputs.now_unix_ms - reading.unix_ms
    if age_ms > inputs.stale_after_ms or not inputs.is_online:
        return Reason("reading_old", channel=channel, age_ms=max(0, age_ms))
    if reading.fault:
        return Reason("channel_fault", channel=channel, fault=reading.fault)
    return None


def _blocking(
    actuator: str, inputs: StateInputs, trouble: Reason | None
) -> list[Reason]:
    """Return the worst cause for which the node refuses a dose of this doser, apart from
    `trouble`."""
    about = None if trouble is None else trouble.values.get("channel")
    needed = NEEDS.get(actuator, (LEVEL,))
    for cause in state_of(inputs).causes:
        why = innermost(cause.reason)
        if not cause.forbids_doses or why.code in _OF_CONTROL:
            continue
        channel = CHANNEL_OF.get(why.code) or why.values.get("channel")
        # Probes in air arm nothing: both hang in one tank.
        is_in_air = "in_air" in (why.code, why.values.get("fault"))
        if channel is None or is_in_air or (channel in needed and channel != about):
            return [cause.reason]
    return []


def _of_gap(
    actuator: str, doses: Iterable[Event], limits: DoseLimits | None, now_unix_ms: int
) -> list[Reason]:
    """Return the warning that the dose follows too soon on another, as the node's safety gate."""
    last_unix_ms: dict[str, int] = {}
    for event in doses:
        name = str(event.detail.get("actuator"))
        last_unix_ms[name] = max(event.unix_ms, last_unix_ms.get(name, 0))
    waits = [("gap", actuator, 0 if limits is None else limits.gap_ms)]
    if actuator in APART_MS:
        waits.append(("apart", *APART_MS[actuator]))
    for code, other, apart_ms in waits:
        since_ms = max(0, now_unix_ms - last_unix_ms.get(other, 0))
        if since_ms < apart_ms:
            return [Reason(code, actuator=other, left_ms=apart_ms - since_ms)]
    return []


def _of_value(found: DosePreview, value: float | None) -> list[Reason]:
    """Return the warnings about the direction and the size of the dose."""
    if value is None or found.channel is None or found.target is None:
        return []
    sign = _EFFECTS[found.actuator][-1]
    off = (found.target - value) * sign  # positive: the dose moves the reading to its target

    def reason(code: str, reading: float, limit: float) -> Reason:
        return Reason(code, actuator=found.actuator, channel=found.channel,
                      scaled=_scaled(found.channel, reading),
                      limit_scaled=_scaled(found.channel, limit))

    if off < 0:
        return [reason("dose_wrong_way", value, found.target)]
    edge = found.high if sign > 0 else found.low
    if found.after is not None and edge is not None and (found.after - edge) * sign > 0:
        return [reason("dose_overshoots", found.after, edge)]
    return []


def _of_budget(found: DosePreview, granted_pct: int | None) -> list[Reason]:
    """Return the limit that the dose exceeds: the node refuses it whole."""
    limits, volume_ul = found.limits, found.volume_ul
    if limits is None or found.hour_left_ul is None or found.day_left_ul is None:
        return []
    share_pct = granted_pct or 25  # as in the firmware: of a node that only advises
    if volume_ul > limits.dose_ul:
        return [Reason("max_dose", volume_ul=limits.dose_ul)]
    if volume_ul > found.hour_left_ul:
        return [Reason("hour_spent", volume_ul=limits.hour_ul, share_pct=share_pct)]
    if volume_ul > found.day_left_ul:
        return [Reason("day_spent", volume_ul=limits.day_ul, share_pct=share_pct)]
    return []


def _spent(own: Iterable[Event], now_unix_ms: int) -> tuple[int, int]:
    """Return the volumes of the last hour and day; a correction has a daily budget of its own."""
    hour_ul = day_ul = 0
    for event in own:
        age_ms, volume_ul = now_unix_ms - event.unix_ms, _volume_ul(event.detail)
        reason = reason_from_json(event.detail.get("reason"))
        if age_ms < HOUR_MS:
            hour_ul += volume_ul
        if age_ms < DAY_MS and (reason is None or reason.code != "correction_step"):
            day_ul += volume_ul
    return hour_ul, day_ul


def _volume_ul(detail: Mapping[str, Any]) -> int:
    volume = detail.get("volume_ul")
    return volume if isinstance(volume, int) else 0


def _scaled(channel: str | None, value: float) -> int:
    scaled: int = protocol.to_scaled(protocol.split_channel(str(channel))[1], value)
    return scaled

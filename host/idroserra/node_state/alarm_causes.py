"""Merges the alarms of a node into the causes of its state. Pure.

An alarm about what the state found itself raises the level of that cause; another one is a cause
of its own. So a node is never shown as well beside an active or unacknowledged alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from idroserra.core.reasons import Reason
from idroserra.node_state.causes import LEVELS, Cause, innermost, subject_of
from idroserra.node_state.inputs import LEVEL, RaisedAlarm

_LEVEL_OF_PRIORITY = {"low": "note", "medium": "warn", "high": "bad", "urgent": "bad"}
# An alarm whose condition is over waits for an acknowledgement only.
_LEVEL_OF_RETURNED = {"low": "note", "medium": "note", "high": "warn", "urgent": "warn"}
_OUT_OF_CONTACT = ("no_contact", "no_message", "no_new_reading", "not_adopted")
# {what an alarm watches: the codes of causes about the same}
_CODES = {
    "silent": _OUT_OF_CONTACT,
    "water": ("water_rises", "water_falls"),
    "settings_refused": ("last_settings_refused",),
    "recipe_held": ("recipe_paused",),
    "calibration": ("calibration_due", "ph_calibration_old"),
    "stale": _OUT_OF_CONTACT,
    "irrigation_no_flow": ("pump_without_flow", "flow_missing", "flow_retry"),
    "irrigation_stuck_on": ("flow_with_pump_off",),
    "air_too_hot": ("hot_lock", "hot_lock_warm", "air_too_hot", "air_warmed"),
    "air_warms": ("heater_suspect", "heater_off_warms", "air_warmed"),
}


def with_alarms(causes: Iterable[Cause], alarms: Iterable[RaisedAlarm]) -> list[Cause]:
    """Return the causes with those of the alarms."""
    found = list(causes)
    for alarm in alarms:
        place = _covering(found, alarm)
        levels = _LEVEL_OF_PRIORITY if alarm.is_active else _LEVEL_OF_RETURNED
        level = levels[alarm.priority]
        if place is None:
            code = "alarm_raised" if alarm.is_active else "alarm_returned"
            found.append(Cause(Reason(code, title=alarm.title), level, alarm.unix_ms))
        elif alarm.is_active and LEVELS.index(level) > LEVELS.index(found[place].level):
            found[place] = replace(found[place], level=level)
    return found


def _covering(causes: Sequence[Cause], alarm: RaisedAlarm) -> int | None:
    """Return the place of the cause that an alarm is about, or None."""
    return next((place for place, one in enumerate(causes) if _covers(one, alarm)), None)


def _covers(cause: Cause, alarm: RaisedAlarm) -> bool:
    codes = {cause.reason.code, innermost(cause.reason).code}
    subject = subject_of(cause.reason)
    if alarm.watch == "latched":
        return subject == "latch"
    if alarm.watch in ("stale", "fault") and subject == ("reading", alarm.part):
        return True
    if alarm.watch in ("above", "below"):
        return "leak" in codes and subject == ("reading", alarm.part)
    if alarm.watch in ("above_band", "below_band"):
        return subject == ("band", alarm.part) or (
            alarm.part == LEVEL and "water_low" in codes and alarm.watch == "below_band")
    return not codes.isdisjoint(_CODES.get(alarm.watch, ()))

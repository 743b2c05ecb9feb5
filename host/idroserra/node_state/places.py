"""Where on the page each cause and each alarm is mended. Pure."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

from idroserra.core.reasons import Reason
from idroserra.i18n.marker import N_
from idroserra.node_state.causes import CORRECTION, channel_of, innermost

# Rooms of a node: label. "now" is at the address of the node itself.
ROOMS = {
    "now": N_("Now"), "charts": N_("Charts"), "crop": N_("Crop"),
    "water": N_("Water and dosing"), "climate": N_("Climate and light"), "log": N_("Log"),
    "setup": N_("Setup"),
}
# Pages that are no room.
_PAGES = {"alarms": ("/alarms", N_("Alarms")), "updates": ("/updates", N_("Updates")),
          "nodes": ("/settings/nodes", N_("Nodes")),
          "notifications": ("/settings/notifications", N_("Notifications")),
          "foreign": ("/settings/foreign", N_("Foreign readings"))}


class Place(NamedTuple):
    """A room of a node, "calibrate" or a page of the host; anchor: a part of it, or ""."""

    room: str
    anchor: str = ""


_STOP = Place("now", "control")
_SETPOINTS = Place("water", "setpoints")
_PROBES = Place("calibrate")
_WATER, _CLIMATE, _LOG, _SETUP = Place("water"), Place("climate"), Place("log"), Place("setup")
_BY_CODE = {
    **dict.fromkeys(("dosing_stopped", "stopped", "latch_no_effect", "latch_wrong_way",
                     "latch_resets", "latch_ledger", "dosing_locked"), _STOP),
    **dict.fromkeys(("dosing_off", "advice_only", "advice", "ec_high"), _SETPOINTS),
    **dict.fromkeys(("calibration", "calibrating", "calibration_due", "ph_calibration_old",
                     "ph_incredible"), _PROBES),
    **dict.fromkeys(("doser_no_effect", "doser_wrong_way", "b_missing"),
                    Place("water", "bottles")),
    **dict.fromkeys(("water_low", "water_rises", "water_falls", "tank_leaks", "fill_timeout",
                     "fill_spent", "tank_full", "hour_spent", "day_spent", "leak"), _WATER),
    "circulation_off": Place("water", "run"),
    **dict.fromkeys(("flow_retry", "flow_missing", "pump_without_flow", "flow_with_pump_off",
                     "hot_lock", "hot_lock_warm", "air_wet", "heater_off_warms",
                     "heater_suspect", "air_warmed", "air_too_hot"), _CLIMATE),
    **dict.fromkeys(("settings_waiting", "last_settings_refused", "settings_unreported"), _SETUP),
    **dict.fromkeys(("backup_differs", "backup_restored"), Place("setup", "restored")),
    "recipe_paused": Place("crop", "recipe"), "trial": Place("updates"),
    "not_adopted": Place("nodes"), "alarm_raised": Place("alarms"),
    "alarm_returned": Place("alarms"),
}
_BY_WATCH = {
    "latched": _STOP, "water": _WATER, "calibration": _PROBES, "settings_refused": _SETUP,
    "recipe_held": Place("crop", "recipe"), "bottle": Place("water", "bottles"),
    "irrigation_no_flow": _CLIMATE, "irrigation_stuck_on": _CLIMATE, "air_too_hot": _CLIMATE,
    "air_warms": _CLIMATE, "update_failed": Place("updates"), "update_stopped": Place("updates"),
    "micropython": _SETUP, "psram": _SETUP, "cpu": _SETUP, "undelivered": Place("notifications"),
    "foreign_leak": Place("foreign"), "foreign_old": Place("foreign"),
    "foreign_implausible": Place("foreign"), "foreign_down": Place("foreign"),
}


def place_of_cause(reason: Reason) -> Place:
    """Return where a cause of a node's state is mended; the log if there is no better place."""
    code = innermost(reason).code
    if reason.code in CORRECTION:
        return Place("water", "correct")
    place = _BY_CODE.get(reason.code) or _BY_CODE.get(code)
    if place is not None:
        return place
    channel = channel_of(reason)
    if channel is None:
        return _LOG
    return _of_channel(channel, is_band=code in ("reading_above", "reading_below"))


def place_of_alarm(watch: str, part: str) -> Place:
    """Return where the alarm of a node is mended. part: its channel, if it is about one."""
    place = _BY_WATCH.get(watch)
    if place is not None:
        return place
    if "." in part:
        return _of_channel(part, is_band=watch not in ("fault", "stale"))
    return _LOG


def address_of(node: str, place: Place) -> str:
    """Return the address of a place of a node."""
    anchor = f"#{place.anchor}" if place.anchor else ""
    if place.room in _PAGES:
        return f"{_PAGES[place.room][0]}{anchor}"
    if not node:
        return ""
    room = "" if place.room == "now" else f"/{place.room}"
    return f"/nodes/{quote(node, safe='')}{room}{anchor}"


def label_of(place: Place) -> str:
    """Return the English name of a place."""
    if place.room in _PAGES:
        return _PAGES[place.room][1]
    return ROOMS.get(place.room, N_("Probes and pumps"))


def _of_channel(channel: str, *, is_band: bool) -> Place:
    """Return the place of a channel: its setpoints, or its probe if the reading is missing."""
    if not channel.startswith("reservoir."):
        return _CLIMATE if is_band else _LOG
    if is_band:
        return _SETPOINTS
    has_wizard = channel in ("reservoir.ph", "reservoir.ec_us_cm", "reservoir.level_mm")
    return _PROBES if has_wizard else _LOG

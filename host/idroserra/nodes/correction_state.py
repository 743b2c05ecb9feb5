"""State of the correction of a fresh fill, from the node's events, as one JSON object.

The node reports each change once; remaining time counts down from its report.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idroserra.core.protocol import int_of
from idroserra.core.reasons import Reason, reason_from_json
from idroserra.i18n.channels import plain_name, volume_text
from idroserra.i18n.reasons import reason_json, reason_text
from idroserra.i18n.translate import gettext as _
from idroserra.node_state.inputs import OpenCorrection
from idroserra.nodes.latest_events import LatestEvents

REACHED = "target_reached"
RESET = Reason("board_reset")
TARGET_US_CM = "target_us_cm"

Correction = dict[str, Any]


def correction_of(events: LatestEvents, node: str) -> Correction | None:
    """Return the newest correction of a node, open or ended, or None."""
    found = _newest(events, node)
    return None if found is None else described(*found)


def open_correction(events: LatestEvents, node: str) -> OpenCorrection | None:
    """Return the open correction of a node, or None."""
    found = _newest(events, node)
    if found is None or found[0].get("state") == "ended":
        return None
    detail, unix_ms = found
    return OpenCorrection(
        str(detail.get("state")), str(detail.get("actuator")), int_of(detail, "next_ul"),
        reason_from_json(detail.get("reason")), unix_ms)


def described(detail: Mapping[str, Any], unix_ms: int) -> Correction:
    """Return the correction in a `correction` event reported at `unix_ms`."""
    state, reason = str(detail.get("state")), reason_from_json(detail.get("reason"))
    wait_ms = 0 if reason is None else int_of(reason.values, "left_ms")
    given_ul, left_ul = int_of(detail, "given_ul"), int_of(detail, "left_ul")
    return {
        "state": state, "is_open": state != "ended",
        "is_reached": state == "ended" and reason is not None and reason.code == REACHED,
        "actuator": str(detail.get("actuator")), "given_ul": given_ul, "left_ul": left_ul,
        "total_ul": given_ul + left_ul, "next_ul": int_of(detail, "next_ul"),
        "channel": "reservoir.ec_us_cm" if TARGET_US_CM in detail else "reservoir.ph",
        "target": int_of(detail, TARGET_US_CM) or int_of(detail, "target_milli_ph") / 1_000,
        "reason": reason_json(reason),
        "by": str(detail.get("by") or ""), "unix_ms": unix_ms,
        "wait_until_unix_ms": unix_ms + wait_ms if wait_ms else None,
        "text": state_text(state, reason, int_of(detail, "next_ul"), str(detail.get("actuator"))),
    }


def state_text(state: str, reason: Reason | None, next_ul: int, actuator: str) -> str:
    """Return the state of a correction in words, without the countdown of mixing."""
    if state == "opened":
        return _("Opened: the node checks whether the first step may be given")
    if state == "ready":
        return _("Press the button on the board: {volume} of {what}").format(
            volume=volume_text(next_ul), what=plain_name(actuator))
    if state == "given":
        volume_ul = 0 if reason is None else int_of(reason.values, "volume_ul")
        return _("Step given: {volume}").format(volume=volume_text(volume_ul))
    if state == "held":
        if reason is not None and reason.code == "mixing":
            return _("Waiting: the water is mixing")
        return _("Waiting: {reason}").format(reason=reason_text(reason))
    return _("Over: {reason}").format(reason=reason_text(reason))


def _newest(events: LatestEvents, node: str) -> tuple[Mapping[str, Any], int] | None:
    """Return (detail, unix_ms) of the newest report; a correction does not survive a reset."""
    events.is_read(node)
    event = events.newest(node, "correction")
    if event is None:
        return None
    boot = events.newest(node, "boot")
    if event.detail.get("state") != "ended" and boot and boot.unix_us > event.unix_us:
        return {**event.detail, "state": "ended", "reason": RESET}, event.unix_ms
    return event.detail, event.unix_ms

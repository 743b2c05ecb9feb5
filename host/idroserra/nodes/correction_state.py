"""State of the pH correction of a fresh fill, from the node's events, as one JSON object.

The node reports each change once; remaining minutes count down from its report.
"""

from __future__ import annotations

import re
from typing import Any

from idroserra.i18n.channels import plain_name, volume_text
from idroserra.i18n.events import reason_text
from idroserra.i18n.translate import gettext as _
from idroserra.nodes.latest_events import LatestEvents

REACHED = "the target is reached"  # a reason of the firmware
RESET = "the board was reset"
_LEFT = re.compile(r", (\d+) (s|min) left$")
_UNIT_MS = {"s": 1_000, "min": 60_000}

Correction = dict[str, Any]


def correction_of(events: LatestEvents, node: str) -> Correction | None:
    """Return the newest correction of a node, open or ended, or None."""
    events.is_read(node)
    event = events.newest(node, "correction")
    if event is None:
        return None
    boot = events.newest(node, "boot")
    detail = dict(event.detail)
    if detail.get("state") != "ended" and boot is not None and boot.unix_us > event.unix_us:
        detail.update(state="ended", reason=RESET)  # a correction does not survive a reset
    return described(detail, event.unix_ms)


def described(detail: dict[str, Any], unix_ms: int) -> Correction:
    """Return the correction in a `correction` event reported at `unix_ms`."""
    state, reason = str(detail.get("state")), str(detail.get("reason") or "")
    left = _LEFT.search(reason)
    wait_ms = 0 if left is None else int(left[1]) * _UNIT_MS[left[2]]
    given_ul, left_ul = _ul(detail, "given_ul"), _ul(detail, "left_ul")
    return {
        "state": state, "is_open": state != "ended",
        "is_reached": state == "ended" and reason == REACHED,
        "actuator": str(detail.get("actuator")), "given_ul": given_ul, "left_ul": left_ul,
        "total_ul": given_ul + left_ul, "next_ul": _ul(detail, "next_ul"),
        "target_ph": _ul(detail, "target_milli_ph") / 1_000, "reason": reason_text(reason),
        "by": str(detail.get("by") or ""), "unix_ms": unix_ms,
        "wait_until_unix_ms": unix_ms + wait_ms if wait_ms else None,
        "text": state_text(state, reason, _ul(detail, "next_ul"), str(detail.get("actuator"))),
    }


def state_text(state: str, reason: str, next_ul: int, actuator: str) -> str:
    """Return the state of a correction in words, without the countdown."""
    bare = _LEFT.sub("", reason)
    plain = reason_text(bare)
    if state == "opened":
        return _("Opened: the node checks whether the first step may be given")
    if state == "ready":
        return _("Press the button on the board: {volume} of {what}").format(
            volume=volume_text(next_ul), what=plain_name(actuator))
    if state == "given":
        return _("Step given: {volume}").format(volume=plain)
    if state == "held":
        if bare == "mixing":
            return _("Waiting: the water is mixing")
        return _("Waiting: {reason}").format(reason=plain)
    return _("Over: {reason}").format(reason=plain)


def _ul(detail: dict[str, Any], key: str) -> int:
    value = detail.get(key)
    return value if isinstance(value, int) else 0

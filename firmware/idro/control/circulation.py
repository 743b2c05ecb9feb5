"""Circulation pump: runs in cycles on uptime, never dry. An unknown level does not stop it."""

from idro.protocol.reason import Reason
from idro.protocol.types import Decision, hold

ACTUATOR = "circulation"
LEASE_MS = 60_000
_RESTART_ABOVE_MM = 5
_CIRCULATING = Decision(ACTUATOR, None, LEASE_MS, None, Reason("circulating"))
_REST = hold(Reason("circulation_rest"))


def decide(level, values, now_ms, is_on):
    """Return the Decision for the circulation pump.

    `level` is the Reading of the reservoir, `values` the settings. The pump stops at a low
    level, but not without a level reading: the roots would dry out.
    """
    low_mm = values["level.low_mm"] + (0 if is_on else _RESTART_ABOVE_MM)
    if level.value is not None and level.value < low_mm:
        return hold(Reason("water_low", level_mm=level.value, low_mm=low_mm))
    on_ms = values["circulation.on_ms"]
    off_ms = values["circulation.off_ms"]
    if off_ms and now_ms % (on_ms + off_ms) >= on_ms:
        return _REST
    return _CIRCULATING

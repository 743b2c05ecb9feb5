"""When the water moves: on and off by turns, never dry. An unknown level stops nothing."""

from idro.protocol.types import Decision, hold

ACTUATOR = "circulation"
LEASE_MS = 60_000
_RESTART_ABOVE_MM = 5


def decide(level, values, now_ms, is_on):
    """Return the Decision for the circulation pump.

    `level` is the Reading of the reservoir, `values` the settings. A lost level sensor is no
    reason to let the roots dry; a low level is.
    """
    low_mm = values["level.low_mm"] + (0 if is_on else _RESTART_ABOVE_MM)
    if level.value is not None and level.value < low_mm:
        return hold(f"off: water is low, {level.value} of {low_mm} mm")
    on_ms = values["circulation.on_ms"]
    off_ms = values["circulation.off_ms"]
    if off_ms and now_ms % (on_ms + off_ms) >= on_ms:
        return hold("off: resting")
    return Decision(ACTUATOR, None, LEASE_MS, None, "on: circulating")

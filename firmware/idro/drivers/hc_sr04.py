"""HC-SR04: ultrasonic ranger above the water, for a headspace that stays dry.

Vendor page: trigger 10 us, 20 mm to 4 m, a cycle of 60 ms. Its echo is 5 V: a divider is needed.
"""

from idro.drivers.ultrasonic import EchoLine, UltrasonicLevel

PART = "hc_sr04"

_TRIGGER_US = 12
_BLIND_MM = 40  # 20, and as much again for what scatters there
_RANGE_MM = 4_000


def build(spec, gpio, clock, settings):
    """Return the UltrasonicLevel of a board's sensor entry; `gpio` as EchoLine has it."""
    return UltrasonicLevel(spec, EchoLine(spec, gpio, clock, _TRIGGER_US), _BLIND_MM, _RANGE_MM)

"""HC-SR04: ultrasonic ranger above the water, for dry headspace.

Vendor page: trigger 10 us, 20 mm to 4 m, 60 ms cycle. The echo is 5 V and needs a divider.
"""

from idro.drivers.shared.ultrasonic import EchoLine, UltrasonicLevel

PART = "hc_sr04"

_TRIGGER_US = 12
_BLIND_MM = 40  # 20, plus 20 for scatter at that distance
_RANGE_MM = 4_000


def build(spec, gpio, clock, settings):
    """Return the UltrasonicLevel of a board's sensor entry; `gpio` as in EchoLine."""
    return UltrasonicLevel(spec, EchoLine(spec, gpio, clock, _TRIGGER_US), _BLIND_MM, _RANGE_MM)

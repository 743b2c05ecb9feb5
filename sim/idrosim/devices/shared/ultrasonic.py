"""Base of ultrasonic range finders with trigger and echo lines.

Vendor pages of HC-SR04 and JSN-SR04T: a trigger pulse of at least `trigger_us`, then an echo pulse
as long as the time of flight. Inside its blind zone a part reports the end of the zone.
"""

import math

_BURST_US = 450  # eight cycles at 40 kHz and processing in the part
_CYCLE_US = 60_000


def echo_us(distance_mm, air_c):
    """Return the time of flight of sound to `distance_mm` and back, us."""
    return 2_000.0 * distance_mm / (331.3 * math.sqrt(1 + air_c / 273.15))


class Ultrasonic:
    """One part; `distance_mm` and `air_c` return distance and air temperature to the water.

    fault: None, "unplugged" (no echo) or "stuck" (repeats the last distance).
    """

    LIMITS = ()  # trigger in us, blind zone in mm, range in mm, pulse without echo in us

    def __init__(self, clock, distance_mm, air_c):
        self._clock = clock
        self._distance_mm = distance_mm
        self._air_c = air_c
        self._trigger_us, self._blind_mm, self._far_mm, self._lost_us = self.LIMITS
        self._risen_us = None
        self._pinged_us = -_CYCLE_US
        self._pulse = None
        self._last_us = None
        self.fault = None

    def set_level(self, level):
        """Set the level of the trigger line."""
        now_us = self._clock.now_us
        if level:
            self._risen_us = now_us if self._risen_us is None else self._risen_us
            return
        if self._risen_us is None:
            return
        width_us = now_us - self._risen_us
        self._risen_us = None
        assert width_us >= self._trigger_us, f"ultrasonic: trigger of {width_us} us"
        since_us = now_us - self._pinged_us
        assert since_us >= _CYCLE_US, f"ultrasonic: triggered again after {since_us} us"
        self._pinged_us = now_us
        if self.fault == "unplugged":
            self._pulse = None
            return
        if self.fault != "stuck" or self._last_us is None:
            self._last_us = self._width_us()
        rise_us = now_us + _BURST_US
        self._pulse = (rise_us, rise_us + self._last_us)

    def level(self):
        """Return the level of the echo line."""
        pulse = self.pulse()
        return 1 if pulse and pulse[0] <= self._clock.now_us else 0

    def pulse(self):
        """Return (start, end) of the present or coming echo pulse, us, or None."""
        pulse = self._pulse
        return pulse if pulse is not None and pulse[1] > self._clock.now_us else None

    def _width_us(self):
        distance_mm = self._distance_mm()
        if distance_mm > self._far_mm:
            return self._lost_us
        return int(echo_us(max(distance_mm, self._blind_mm), self._air_c()) + 0.5)

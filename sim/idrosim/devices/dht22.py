"""DHT22 humidity sensor on its data line (Aosong AM2302 datasheet 7).

The host pulls the line low for 1 to 20 ms; the part answers the measurement before, and measures
again. It must not be asked in the first 2 s of its supply, nor more often than every 2 s.
"""

FAULTS = ("unplugged", "noisy")
_INTERVAL_US = 2_000_000
_START_US = (1_000, 20_000)


def wire(wiring, spec):
    """Connect a sensor to its pin; return it and its probe."""
    air, probe = wiring.air(spec)
    part = wiring.pin_parts[spec["pin"]] = Dht22(wiring.clock, air)
    return part, probe


class Dht22:
    """One part; `air` returns (temp_c, rh_pct) of its surroundings.

    fault: None, "unplugged" or "noisy" (damaged answers). `damage_count` is the number of next
    answers to damage.
    """

    def __init__(self, clock, air):
        self._clock = clock
        self._air = air
        self.fault = None
        self.damage_count = 0
        self.power_cycle()

    def power_cycle(self):
        """Forget the measurement, as when power returns."""
        self._asked_us = self._clock.now_us
        self._measured = packed(0.0, 0.0)

    def set_level(self, level):
        raise AssertionError("dht22: its data line must be released")

    def level(self):
        """Return the level of the line: its resistor pulls it up."""
        return 1

    def answer(self, low_us):
        """Return the five bytes after a start of `low_us`; None if the part does not answer."""
        if self.fault == "unplugged":
            return None
        assert _START_US[0] <= low_us <= _START_US[1], f"dht22: start of {low_us} us"
        now_us = self._clock.now_us
        since_us = now_us - self._asked_us
        assert since_us >= _INTERVAL_US, f"dht22: asked again after {since_us} us"
        self._asked_us = now_us
        answer, self._measured = self._measured, packed(*self._air())
        if self.damage_count > 0 or self.fault == "noisy":
            self.damage_count = max(0, self.damage_count - 1)
            return bytes((answer[0], answer[1] ^ 0x04)) + answer[2:]
        return answer


def packed(temp_c, rh_pct):
    """Return the five bytes of a measurement: tenths, the sign in a bit of its own, the sum."""
    tenths_pct = min(1_000, max(0, int(rh_pct * 10 + 0.5)))
    tenths_c = int(abs(temp_c) * 10 + 0.5) | (0x8000 if temp_c < 0 else 0)
    content = bytes((tenths_pct >> 8, tenths_pct & 0xFF, tenths_c >> 8, tenths_c & 0xFF))
    return content + bytes((sum(content) & 0xFF,))

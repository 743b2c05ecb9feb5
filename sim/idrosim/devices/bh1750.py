"""BH1750 light sensor at opcode level (ROHM BH1750FVI datasheet), with its timing.

One-time high resolution takes at most 180 ms for a measurement time of 69, others in proportion;
then the part powers down. Until the end the register holds the previous result.
"""

from idrosim.devices.shared.part_faults import acknowledge

_OFF, _ON, _RESET = 0x00, 0x01, 0x07
_ONE_TIME_HIGH = 0x20
_DEFAULT_TIME = 69
_LONGEST_US = 180_000


class Bh1750:
    """One part; `lux` returns its illuminance, lx.

    fault: None, "unplugged" or "stuck" (repeats the last measurement).
    """

    def __init__(self, clock, lux):
        self._clock = clock
        self._lux = lux
        self.fault = None
        self.power_cycle()

    def power_cycle(self):
        """Reset, as when power returns."""
        self._is_on = False
        self._time = _DEFAULT_TIME
        self._count = self._next_count = 0
        self._done_us = None

    def write(self, data):
        """Handle one opcode."""
        acknowledge(self)
        assert len(data) == 1, f"bh1750: opcode of {len(data)} bytes"
        code = data[0]
        self._settle()
        if code in (_OFF, _ON):
            self._is_on = code == _ON
        elif code == _RESET:
            assert self._is_on, "bh1750: reset while powered down"
            self._count = 0
        elif code & 0xF8 == 0x40:
            self._time = (code & 7) << 5 | self._time & 0x1F
        elif code & 0xE0 == 0x60:
            self._time = self._time & 0xE0 | code & 0x1F
        else:
            assert code == _ONE_TIME_HIGH, f"bh1750: opcode {code:02x} is not simulated"
            self._measure()

    def read(self, count):
        """Return the last finished result."""
        acknowledge(self)
        assert count <= 2, f"bh1750: read of {count} bytes"
        self._settle()
        return bytes((self._count >> 8, self._count & 0xFF))[:count]

    def _measure(self):
        assert self._is_on, "bh1750: measurement started while powered down"
        assert self._done_us is None, "bh1750: measurement started during another"
        assert 31 <= self._time <= 254, f"bh1750: measurement time {self._time}"
        if self.fault != "stuck":
            counts = self._lux() * 1.2 * self._time / _DEFAULT_TIME
            self._next_count = min(65_535, max(0, int(counts + 0.5)))
        self._done_us = self._clock.now_us + _LONGEST_US * self._time // _DEFAULT_TIME

    def _settle(self):
        if self._done_us is not None and self._clock.now_us >= self._done_us:
            self._done_us = None
            self._count = self._next_count
            self._is_on = False

"""VL53L0X at register level, as far as public sources describe it, with its timing.

ST DS11555: identity at 0xC0 to 0xC2, 1.2 ms to boot, 33 ms a measurement, targets up to 1.2 m. As
Linux and ST's API use it: 1 in SYSRANGE_START is one shot; RESULT_RANGE_STATUS has the completion
in bit 0, the status in bits 6:3, the rates of signal and of ambient light in the words at 6 and
8, which differ from shot to shot, the distance in that at 10. A result stays until the next.
"""

from idrosim.devices.shared.part_faults import ENODEV, acknowledge

_START, _RESULT, _IDENTITY = 0x00, 0x14, 0xC0
_BOOT_US = 1_200
_SHOT_US = 33_000
_VALID, _NO_TARGET = 11, 4
_NEAR_MM, _FAR_MM = 30.0, 1_200.0
_NOTHING_MM = 8_190


class Vl53l0x:
    """One part; `distance_mm` returns the distance to the target.

    fault: None, "unplugged" or "stuck" (repeats the last result). `identity` may be that of
    another chip.
    """

    def __init__(self, clock, distance_mm):
        self._clock = clock
        self._distance_mm = distance_mm
        self.identity = b"\xee\xaa\x10"
        self.fault = None
        self._shots = 0
        self._ready_us = 0
        self.power_cycle()

    def power_cycle(self):
        """Reset, as when power returns: no result, no answer while it boots."""
        self._ready_us = self._clock.now_us + _BOOT_US if self._clock.now_us else 0
        self._pointer = 0
        self._result = self._next = bytes(12)
        self._done_us = None

    def write(self, data):
        """Handle an I2C write: the register, and a byte for it."""
        self._acknowledge()
        assert 1 <= len(data) <= 2, f"vl53l0x: write of {len(data)} bytes"
        self._pointer = data[0]
        if len(data) == 1:
            return
        assert data[0] == _START, f"vl53l0x: register {data[0]:02x} is not described"
        assert data[1] == 1, f"vl53l0x: mode {data[1]:02x} is not a single shot"
        assert self._done_us is None, "vl53l0x: started while it measures"
        if self.fault != "stuck" or self._next[0] == 0:
            self._next = self._measure()
        self._done_us = self._clock.now_us + _SHOT_US

    def read(self, count):
        """Return `count` bytes from the selected register on."""
        self._acknowledge()
        if self._pointer == _IDENTITY:
            assert count <= 3, f"vl53l0x: {count} bytes of the identity"
            return self.identity[:count]
        assert self._pointer == _RESULT, f"vl53l0x: register {self._pointer:02x} is not described"
        assert count <= 12, f"vl53l0x: {count} bytes of the result"
        return self._result[:count]

    def _acknowledge(self):
        acknowledge(self)
        now_us = self._clock.now_us
        if now_us < self._ready_us:
            raise OSError(ENODEV)
        if self._done_us is not None and now_us >= self._done_us:
            self._done_us = None
            self._result = self._next

    def _measure(self):
        found_mm = self._distance_mm()
        status = _VALID if found_mm <= _FAR_MM else _NO_TARGET
        shown_mm = int(max(found_mm, _NEAR_MM) + 0.5) if status == _VALID else _NOTHING_MM
        self._shots += 1
        rates = bytes((0x04, self._shots * 37 & 0xFF, 0x00, self._shots * 11 & 0x1F))
        return (bytes((status << 3 | 1,)) + bytes(5) + rates
                + bytes((shown_mm >> 8, shown_mm & 0xFF)))

"""AHT20 humidity sensor at command level (Aosong AHT20 datasheet 5.3, 5.4), with its timing.

After its supply returns it does not acknowledge for 100 ms, the longest of AHT20 and AHT21, and
has no calibration until it is initialised. While it is busy, it sends its last measurement.
"""

from idrosim.devices.shared.part_faults import ENODEV, acknowledge, damaged
from idrosim.devices.shared.sensirion import crc8

FAULTS = ("unplugged", "noisy")
_INITIALISE, _MEASURE = b"\xbe\x08\x00", b"\xac\x33\x00"
_POWER_ON_US, _INITIALISE_US, _MEASURE_US = 100_000, 10_000, 80_000
_BUSY, _CALIBRATED, _IDLE = 0x80, 0x08, 0x10


def wire(wiring, spec):
    """Connect a sensor to its bus; return it and its probe."""
    air, probe = wiring.air(spec)
    return wiring.on_i2c(spec, Aht20(wiring.clock, air)), probe


class Aht20:
    """One part; `air` returns (temp_c, rh_pct) of its surroundings.

    fault: None, "unplugged" or "noisy" (damaged answers). `damage_count` is the number of next
    measurements to damage.
    """

    def __init__(self, clock, air):
        self._clock = clock
        self._air = air
        self.fault = None
        self.damage_count = 0
        self.power_cycle()

    def power_cycle(self):
        """Lose calibration and measurement, as when power returns."""
        self._on_us = self._clock.now_us + _POWER_ON_US
        self._done_us = 0
        self._calibrated = 0
        self._values = self._next = _packed(0x80000, 0x80000)

    def write(self, data):
        """Handle one command."""
        self._acknowledge()
        now_us = self._clock.now_us
        assert now_us >= self._done_us, "aht20: command while it is busy"
        self._values = self._next
        assert data in (_INITIALISE, _MEASURE), f"aht20: {bytes(data).hex()} is not a command"
        if data == _INITIALISE:
            self._calibrated = _CALIBRATED
            self._done_us = now_us + _INITIALISE_US
            return
        self._done_us = now_us + _MEASURE_US
        if self._calibrated:
            temp_c, rh_pct = self._air()
            self._next = _packed(_bits(rh_pct / 100), _bits((temp_c + 50) / 200))

    def read(self, count):
        """Return status, measurement and CRC, as many as `count`."""
        self._acknowledge()
        assert count <= 7, f"aht20: read of {count} bytes"
        is_busy = self._clock.now_us < self._done_us
        status = _IDLE | self._calibrated | (_BUSY if is_busy else 0)
        content = bytes((status,)) + (self._values if is_busy else self._next)
        if count == 1:
            return content[:1]
        return damaged(self, content + bytes((crc8(content),)))[:count]

    def _acknowledge(self):
        acknowledge(self)
        if self._clock.now_us < self._on_us:
            raise OSError(ENODEV)


def _bits(ratio):
    """Return the 20 bits of `ratio`, 0..1."""
    return min(0xFFFFF, max(0, int(ratio * 0x100000 + 0.5)))


def _packed(raw_rh, raw_temp):
    """Return the five bytes of two values of 20 bits."""
    return (raw_rh << 20 | raw_temp).to_bytes(5, "big")

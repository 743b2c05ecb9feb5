"""BME280 at register level (Bosch BST-BME280-DS002 1.6): forced mode, without pressure.

Trimming words are read from registers, zero until they are copied after a reset. A measurement
takes its maximum time; until its end the data registers hold the last one, 0x80000 and 0x8000
before the first or where a quantity is skipped. The raw values are the inverse of the formulas in
floating point of the datasheet (8.1).
"""

import struct

from idrosim.devices.shared.part_faults import ENODEV, acknowledge, damaged

FAULTS = ("unplugged",)
_ID, _RESET, _CTRL_HUM, _STATUS, _CTRL_MEAS = 0xD0, 0xE0, 0xF2, 0xF3, 0xF4
_TRIM_TP, _TRIM_H1, _TRIM_H2, _DATA = 0x88, 0xA1, 0xE1, 0xF7
_START_US, _COPY_US = 2_000, 1_000
_SKIPPED = (0x80000, 0x8000)
# T1 to T3 of the example in the BMP280 datasheet 3.12; H1 to H6 as parts have them.
TRIM = (27_504, 26_435, -1_000, 75, 362, 0, 324, 50, 30)


def wire(wiring, spec):
    """Connect a sensor to its bus; return it and its probe."""
    air, probe = wiring.air(spec)
    return wiring.on_i2c(spec, Bme280(wiring.clock, air)), probe


class Bme280:
    """One part; `air` returns (temp_c, rh_pct) of its surroundings.

    `identity` is 0x60; that of a BMP280 is 0x58. fault: None or "unplugged". `damage_count` is the
    number of next reads to damage: the part has no checksum.
    """

    def __init__(self, clock, air, trim=TRIM, identity=0x60):
        self._clock = clock
        self._air = air
        self._trim = trim
        self._identity = identity
        self.fault = None
        self.damage_count = 0
        self.power_cycle()

    def power_cycle(self):
        """Reset the registers, as when power returns."""
        self._reset_us = self._clock.now_us
        self._pointer = 0
        self._written_hum = self._samples_hum = self._ctrl_meas = 0
        self._data = self._next = _SKIPPED
        self._done_us = 0
        self.config = 0  # filter and standby: what another program set stays until a reset

    def write(self, data):
        """Handle a write: the register, and one value for it."""
        self._acknowledge()
        self._pointer = register = data[0]
        if len(data) == 1:
            return
        assert len(data) == 2, f"bme280: write of {len(data)} bytes"
        value = data[1]
        if register == _RESET:
            assert value == 0xB6, f"bme280: reset by {value:02x}"
            self.power_cycle()
            return
        assert not self._is_copying(), "bme280: written while it copies its trimming words"
        assert self._clock.now_us >= self._done_us, "bme280: written while it measures"
        assert register in (_CTRL_HUM, _CTRL_MEAS), f"bme280: register {register:02x} written"
        if register == _CTRL_HUM:
            self._written_hum = value
            return
        assert value & 3 in (1, 2), f"bme280: mode {value & 3} is not simulated"
        self._ctrl_meas = value
        self._samples_hum = self._written_hum & 7  # it counts from the next write here
        self._measure()

    def read(self, count):
        """Return `count` bytes from the selected register on."""
        self._acknowledge()
        first, content = self._block()
        start = self._pointer - first
        assert start + count <= len(content), \
            f"bme280: {count} bytes at register {self._pointer:02x}"
        return damaged(self, content[start:start + count])

    def _block(self):
        """Return the first register and the content of the block that the pointer is in."""
        t1, t2, t3, h1, h2, h3, h4, h5, h6 = (0,) * 9 if self._is_copying() else self._trim
        pointer = self._pointer
        if _TRIM_TP <= pointer <= _TRIM_H1:
            return _TRIM_TP, struct.pack("<Hhh", t1, t2, t3) + bytes(19) + bytes((h1,))
        if _TRIM_H2 <= pointer < _TRIM_H2 + 7:
            low45 = h4 & 0x0F | (h5 & 0x0F) << 4
            return _TRIM_H2, struct.pack("<hBbBbb", h2, h3, h4 >> 4, low45, h5 >> 4, h6)
        if _CTRL_HUM <= pointer <= _CTRL_MEAS:
            is_measuring = self._clock.now_us < self._done_us
            status = (0x08 if is_measuring else 0) | (0x01 if self._is_copying() else 0)
            return _CTRL_HUM, bytes((self._written_hum, status, self._ctrl_meas & 0xFC))
        if pointer >= _DATA:
            raw_temp, raw_rh = self._next if self._clock.now_us >= self._done_us else self._data
            return _DATA, b"\x80\x00\x00" + (raw_temp << 4).to_bytes(3, "big") + bytes(
                (raw_rh >> 8, raw_rh & 0xFF))
        assert pointer == _ID, f"bme280: register {pointer:02x} read"
        return _ID, bytes((self._identity,))

    def _measure(self):
        samples = self._ctrl_meas >> 5, self._ctrl_meas >> 2 & 7, self._samples_hum
        assert max(samples) <= 1, "bme280: oversampling is not simulated"
        assert self.config == 0, "bme280: measures with the filter of another program"
        temp, pressure, hum = samples
        self._done_us = self._clock.now_us + 1_250 + 2_300 * temp + 2_875 * (pressure + hum)
        temp_c, rh_pct = self._air()
        fine = temp_c * 5_120
        self._data = self._next
        self._next = (
            raw_temperature(fine, self._trim) if temp else _SKIPPED[0],
            raw_humidity(rh_pct, fine, self._trim) if hum and temp else _SKIPPED[1])

    def _is_copying(self):
        return self._clock.now_us < self._reset_us + _START_US + _COPY_US

    def _acknowledge(self):
        acknowledge(self)
        if self._clock.now_us < self._reset_us + _START_US:
            raise OSError(ENODEV)


def raw_temperature(fine, trim):
    """Return the 20 bits that give `fine`, 1/5120 C; by Newton's method."""
    t1, t2, t3 = trim[:3]
    x = fine / t2
    for _ in range(4):
        x -= (x * t2 + x * x * t3 / 64 - fine) / (t2 + x * t3 / 32)
    return _limited((x + t1 / 1_024) * 16_384, 0xFFFFF)


def raw_humidity(rh_pct, fine, trim):
    """Return the 16 bits that give `rh_pct` at `fine`, 1/5120 C."""
    h1, h2, h3, h4, h5, h6 = trim[3:]
    fine -= 76_800
    bend = h1 / 524_288
    value = (1 - (1 - 4 * bend * rh_pct) ** 0.5) / (2 * bend) if bend else rh_pct
    value /= h2 / 65_536 * (1 + h6 / 67_108_864 * fine * (1 + h3 / 67_108_864 * fine))
    return _limited(value + h4 * 64 + h5 / 16_384 * fine, 0xFFFF)


def _limited(value, most):
    return min(most, max(0, int(value + 0.5)))

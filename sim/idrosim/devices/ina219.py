"""INA219 current monitor at register level (TI SBOS448G), triggered mode.

A 12-bit conversion of shunt and bus voltage takes at most 1.17 ms; until its end the registers
hold the previous result and the ready bit is 0.
"""

from idrosim.devices.shared.part_faults import acknowledge

_RESET_CONFIG = 0x399F
_CONVERSION_US = 1_172
_CONFIG, _SHUNT, _BUS = 0, 1, 2
_GAIN_UV = (40_000, 80_000, 160_000, 320_000)


class Ina219:
    """One part; `supply` returns (mV, mA) of its rail.

    fault: None, "unplugged" or "stuck" (repeats the last result).
    """

    def __init__(self, clock, supply, shunt_mohm):
        self._clock = clock
        self._supply = supply
        self._shunt_mohm = shunt_mohm
        self.fault = None
        self.power_cycle()

    def power_cycle(self):
        """Reset the registers."""
        self._config = _RESET_CONFIG
        self._pointer = 0
        self._result = self._next = (0, 0)
        self._is_ready = False
        self._done_us = None

    def write(self, data):
        """Handle a write: the pointer, and two bytes for the register it selects."""
        acknowledge(self)
        assert len(data) in (1, 3), f"ina219: write of {len(data)} bytes"
        assert data[0] <= 5, f"ina219: no register {data[0]:02x}"
        self._pointer = data[0]
        if len(data) == 1:
            return
        assert data[0] == _CONFIG, f"ina219: register {data[0]:02x} written"
        self._settle()
        assert self._done_us is None, "ina219: configured during a conversion"
        self._config = data[1] << 8 | data[2]
        assert self._config & 7 == 3, "ina219: mode is not simulated"
        assert self._config & 0x7F8 == 0x198, "ina219: resolution is not simulated"
        self._is_ready = False
        if self.fault != "stuck":
            self._next = self._measured()
        self._done_us = self._clock.now_us + _CONVERSION_US

    def read(self, count):
        """Return `count` bytes of the selected register."""
        acknowledge(self)
        assert count <= 2, f"ina219: read of {count} bytes"
        self._settle()
        shunt, bus = self._result
        ready = 2 if self._is_ready else 0
        word = {_CONFIG: self._config, _SHUNT: shunt & 0xFFFF, _BUS: bus | ready}[self._pointer]
        return bytes((word >> 8, word & 0xFF))[:count]

    def _settle(self):
        if self._done_us is not None and self._clock.now_us >= self._done_us:
            self._done_us = None
            self._result = self._next
            self._is_ready = True

    def _measured(self):
        supply_mv, current_ma = self._supply()
        full_uv = _GAIN_UV[self._config >> 11 & 3]
        shunt_uv = min(full_uv, max(-full_uv, current_ma * self._shunt_mohm))
        shunt = int(shunt_uv / 10 + 32_000.5) - 32_000  # steps of 10 uV, rounded
        return shunt, min(8_000, int(supply_mv / 4 + 0.5)) << 3

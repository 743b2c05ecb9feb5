"""TSL2591 light sensor at register level (ams TSL2591 datasheet v3), with its timing.

Integrations run while it is enabled, each up to 8 % longer than nominal; the data registers hold
the last finished one. The valid bit is set by the first after enabling.
"""

from idrosim.devices.shared.part_faults import acknowledge

_NORMAL = 0xA0
_ENABLE, _CONTROL, _ID, _STATUS, _DATA = 0x00, 0x01, 0x12, 0x13, 0x14
_POWER, _SENSE = 0x01, 0x02
_GAINS = (1.0, 24.5, 400.0, 9_200.0)
_STEP_US = 108_000
_INFRARED_SHARE = 0.25  # of a white lamp, and of sun through glass


class Tsl2591:
    """One part; `lux` returns its illuminance, lx.

    fault: None, "unplugged" or "stuck" (repeats the last counts).
    """

    def __init__(self, clock, lux):
        self._clock = clock
        self._lux = lux
        self.fault = None
        self._counts = bytes(4)
        self.power_cycle()

    def power_cycle(self):
        """Reset, as when power returns."""
        self._pointer = 0
        self._enable = self._control = 0
        self._valid_us = None

    def write(self, data):
        """Handle a command byte, and a byte for the register it selects."""
        acknowledge(self)
        assert len(data) in (1, 2), f"tsl2591: write of {len(data)} bytes"
        assert data[0] & 0xE0 == _NORMAL, f"tsl2591: {data[0]:02x} is not a normal command"
        self._pointer = data[0] & 0x1F
        if len(data) == 1:
            return
        if self._pointer == _ENABLE:
            self._enable = data[1]
            is_sensing = data[1] & (_POWER | _SENSE) == _POWER | _SENSE
            span_us = _STEP_US * ((self._control & 7) + 1)
            self._valid_us = self._clock.now_us + span_us if is_sensing else None
            return
        assert self._pointer == _CONTROL, f"tsl2591: register {self._pointer:02x} written"
        assert not self._enable & _SENSE, "tsl2591: gain changed while it integrates"
        assert data[1] & 0x88 == 0, f"tsl2591: control {data[1]:02x}"
        assert data[1] & 7 <= 5, f"tsl2591: integration time {data[1] & 7}"
        self._control = data[1]

    def read(self, count):
        """Return `count` bytes, starting at the selected register."""
        acknowledge(self)
        is_valid = self._valid_us is not None and self._clock.now_us >= self._valid_us
        if self._pointer == _DATA:
            if is_valid and not (self.fault == "stuck" and any(self._counts)):
                self._counts = self._integrated()
            return self._counts[:count]
        known = {_ENABLE: self._enable, _CONTROL: self._control, _ID: 0x50,
                 _STATUS: 1 if is_valid else 0}
        assert self._pointer in known, f"tsl2591: register {self._pointer:02x} read"
        assert count == 1, f"tsl2591: {count} bytes of a register"
        return bytes((known[self._pointer],))

    def _integrated(self):
        span_ms = 100 * ((self._control & 7) + 1)
        full = 36_863 if span_ms == 100 else 65_535
        per_lx = span_ms * _GAINS[self._control >> 4 & 3] / 408
        # Both diodes see infrared; lux is their weighted difference (ams, lux equation).
        both = self._lux() * per_lx / (1 - _INFRARED_SHARE) ** 2
        content = b""
        for value in (both, both * _INFRARED_SHARE):
            code = min(full, int(value + 0.5))
            content += bytes((code & 0xFF, code >> 8))
        return content

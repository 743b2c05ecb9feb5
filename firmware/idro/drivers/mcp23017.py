"""MCP23017: I2C expander with sixteen outputs for dosers and switches.

Microchip DS20001952C, reset state (IOCON.BANK = 0): direction in registers 00 and 01, output latch
in 14 and 15. A pin of the chip drives its RESET line: while low, every pin is an input and the
pull-downs hold all loads off. It is low from the start of boot and goes low again when the bus
fails, so a cut-off needs no working bus.
"""

import struct

from idro.drivers.shared.expander_pin import ExpanderPin
from idro.errors import FAILURES

_DIRECTION, _LATCH = 0x00, 0x14
_PINS = 16
_ATTEMPTS = 3


def build(spec, i2c, off, sleep_us):
    """Return the Mcp23017 of a board's expander entry; `off` is the pin at RESET, an output."""
    return Mcp23017(i2c, spec["address"], off)


class Mcp23017:
    """One expander; `reset` is a machine.Pin output. All outputs start off."""

    def __init__(self, i2c, address, reset):
        self._i2c = i2c
        self._address = address
        self._reset = reset
        # One element a pin: a cut-off may fire while another pin is driven.
        self._is_output = bytearray(_PINS)
        self._levels = bytearray(_PINS)
        self._safe_levels = bytearray(_PINS)
        self.on_halt = []  # called when every output is switched off
        self.halt()

    def output(self, number, safe_level):
        """Return pin `number` (0..7 port A, 8..15 port B) as an output, at its safe level."""
        self._is_output[number] = 1
        self._levels[number] = self._safe_levels[number] = safe_level
        return ExpanderPin(self, number, safe_level)

    def halt(self):
        """Switch every output off, without the bus."""
        self._reset.value(0)
        self._levels[:] = self._safe_levels
        for lost in self.on_halt:
            lost()

    def drive(self, number, level):
        """Drive a pin. Raises OSError, with every output off, if the part does not follow,
        and MemoryError."""
        self._reset.value(1)
        self._levels[number] = level
        failure = OSError("it does not follow")
        for _ in range(_ATTEMPTS):
            try:
                # The latch first, so that a pin becomes an output at its wanted level.
                self._write(_LATCH, self._levels, 0)
                self._write(_DIRECTION, self._is_output, 1)
                if self._is_verified():
                    return
            except FAILURES as error:
                failure = error
        self.halt()
        raise failure

    def _write(self, register, bits, flip):
        self._i2c.writeto_mem(self._address, register, struct.pack("<H", _word(bits, flip)))

    def _is_verified(self):
        # Compare with the current levels: a cut-off may have fired since the write.
        return self._read(_LATCH) == _word(self._levels, 0) and self._read(
            _DIRECTION) == _word(self._is_output, 1)

    def _read(self, register):
        return struct.unpack("<H", self._i2c.readfrom_mem(self._address, register, 2))[0]


def _word(bits, flip):
    word = 0
    for number in range(_PINS):
        word |= (bits[number] ^ flip) << number
    return word

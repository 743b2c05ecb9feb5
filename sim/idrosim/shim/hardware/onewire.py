"""Simulated `onewire` module, which the ESP32 image of MicroPython contains as frozen code.

A slot takes 70 us and a reset about 1 ms, as with bit-banging.
"""

from idrosim.devices.shared.onewire_bus import OneWireBus, crc8
from idrosim.shim.hardware.pins import Pin, pin_id
from idrosim.shim.hardware.timers import block

BIT_US = 70
BYTE_US = 8 * BIT_US
RESET_US = 960


class OneWireError(Exception):
    """No part answered the reset."""


class OneWire:
    """The bus master on one pin."""

    SEARCH_ROM, MATCH_ROM, SKIP_ROM = 0xF0, 0x55, 0xCC
    _runtime = None

    def __init__(self, pin):
        self.pin = pin
        pin.init(Pin.OPEN_DRAIN, Pin.PULL_UP)
        line = OneWire._runtime.world.onewire_buses.get(pin_id(pin))
        self._line = OneWireBus(()) if line is None else line

    def reset(self, required=False):
        """Return True if a part answers. Raises OneWireError if `required` and none does."""
        OneWire._runtime.clock.spend(RESET_US - BIT_US)  # waits that let callbacks run
        block(BIT_US)
        is_present = self._line.reset()
        if required and not is_present:
            raise OneWireError
        return is_present

    def _transfer(self, duration_us, call, *value):
        runtime = OneWire._runtime
        block(duration_us)
        try:
            return call(*value)
        except AssertionError as error:
            return runtime.misuse(error)

    def readbit(self):
        """Return one bit."""
        return self._transfer(BIT_US, self._line.readbit)

    def writebit(self, value):
        """Write one bit."""
        self._transfer(BIT_US, self._line.writebit, 1 if value else 0)

    def readbyte(self):
        """Return one byte, least significant bit first."""
        return self._transfer(BYTE_US, self._line.readbyte)

    def writebyte(self, value):
        """Write one byte, least significant bit first."""
        self._transfer(BYTE_US, self._line.writebyte, value)

    def readinto(self, buf):
        """Fill `buf`."""
        for index in range(len(buf)):
            buf[index] = self.readbyte()

    def write(self, buf):
        """Write every byte of `buf`."""
        for value in buf:
            self.writebyte(value)

    def select_rom(self, rom):
        """Address one part."""
        self.reset()
        self.writebyte(self.MATCH_ROM)
        self.write(rom)

    def scan(self):
        """Return the ROM of every part (Maxim application note 187)."""
        found = []
        last_fork = -1
        rom = [0] * 64
        while self.reset():
            self.writebyte(self.SEARCH_ROM)
            last_fork = self._search(rom, last_fork)
            if last_fork is None:
                break
            found.append(_packed(rom))
            if last_fork < 0:
                break
        return found

    def crc8(self, data):
        """Return the Dallas CRC of `data`, 0 if the last byte is its CRC."""
        return crc8(data)

    def _search(self, rom, last_fork):
        """Follow one branch of the search; return the deepest fork left, None without answer."""
        next_fork = -1
        for place in range(64):
            bit = self.readbit()
            complement = self.readbit()
            if bit and complement:
                return None
            if not bit and not complement:
                if place == last_fork:
                    bit = 1
                elif place < last_fork:
                    bit = rom[place]
                if not bit:
                    next_fork = place
            rom[place] = bit
            self.writebit(bit)
        return next_fork


def _packed(bits):
    rom = bytearray(8)
    for place, bit in enumerate(bits):
        rom[place >> 3] |= bit << (place & 7)
    return rom

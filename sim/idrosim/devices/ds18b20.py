"""DS18B20 thermometer at time-slot level (Maxim 19-7487), with its timing.

A conversion takes the maximum time of the datasheet; until its end the scratchpad holds the
previous reading (85 C after power-up). Slots out of order are assertions.
"""

from idrosim.devices.shared.onewire_bus import crc8
from idrosim.devices.shared.part_faults import damaged

_FAMILY = 0x28
_SEARCH, _READ_ROM, _MATCH, _SKIP = 0xF0, 0x33, 0x55, 0xCC
_CONVERT, _WRITE, _READ, _COPY, _RECALL, _POWER = 0x44, 0x4E, 0xBE, 0x48, 0xB8, 0xB4
_CONVERSION_US = (93_750, 187_500, 375_000, 750_000)
_POWER_ON_RAW = 0x0550

# States of the part. In the first four it accepts no bytes from the master.
_IDLE = 0  # not addressed: silent until the next reset
_BUSY = 1  # read slots return whether a conversion is done
_SENDING = 2
_SEARCHING = 3
_ROM_COMMAND = 4
_MATCHING = 5
_FUNCTION_COMMAND = 6
_TAKING_SETTINGS = 7


class Ds18b20:
    """One part with an 8-byte `rom`; `temp` returns the ambient temperature, C.

    fault: None, "unplugged" (the line stays high), "shorted" (it stays low), "stuck" (every
    conversion gives the last reading) or "noisy" (every message is damaged). `damage_count` is
    the number of next messages to damage.
    """

    def __init__(self, clock, rom, temp):
        assert len(rom) == 8, "ds18b20: a ROM code has 8 bytes"
        assert rom[0] == _FAMILY, "ds18b20: not of this family"
        assert crc8(rom) == 0, "ds18b20: bad CRC in the ROM code"
        self._clock = clock
        self._rom = bytes(rom)
        self._temp = temp
        self._eeprom = bytes((0x4B, 0x46, 0x7F))
        self.fault = None
        self.damage_count = 0
        self.power_cycle()

    def power_cycle(self):
        """Reset, as when power returns: settings from EEPROM, 85 C in the scratchpad."""
        self._raw = _POWER_ON_RAW
        self._next_raw = _POWER_ON_RAW
        self._settings = self._eeprom
        self._done_us = None
        self._enter(_IDLE)

    @property
    def is_sending(self):
        """True while the part answers with bits of its own: two at once collide."""
        return self._state == _SENDING and not self._is_cut_off()

    def reset(self):
        """Handle a reset pulse. Return True if the line is low in the presence slot."""
        if self.fault is None or not self._is_cut_off():
            self._enter(_ROM_COMMAND)
            return True
        return self.fault == "shorted"

    def write_bit(self, bit):
        """Handle one write slot."""
        if self._state == _IDLE or self._is_cut_off():
            return
        if self._state == _SEARCHING:
            self._search_direction(bit & 1)
            return
        assert self._state > _SEARCHING, "ds18b20: write slot while it sends or converts"
        self._byte |= (bit & 1) << self._bit_count
        self._bit_count += 1
        if self._bit_count == 8:
            byte = self._byte
            self._byte = self._bit_count = 0
            self._take(byte)

    def read_bit(self):
        """Return the 0 or 1 of one read slot."""
        if self._is_cut_off():
            return 0 if self.fault == "shorted" else 1
        if self._state == _IDLE:
            return 1
        if self._state == _BUSY:
            return 0 if self._is_converting() else 1
        assert self._state in (_SENDING, _SEARCHING), "ds18b20: read slot where a byte is due"
        position = self._sent_bits
        if position >= 8 * len(self._answer):
            return 1
        self._sent_bits += 1
        bit = self._answer[position >> 3] >> (position & 7) & 1
        if self._sent_bits == 8 * len(self._answer) and self._after_answer != _SENDING:
            self._enter(self._after_answer)
        return bit

    def write_byte(self, byte):
        """Handle eight write slots."""
        if self._state > _SEARCHING and self._bit_count == 0 and not self._is_cut_off():
            self._take(byte)
            return
        for shift in range(8):
            self.write_bit(byte >> shift & 1)

    def read_byte(self):
        """Return the byte of eight read slots."""
        if self._state == _SENDING and self._after_answer == _SENDING and not self._sent_bits & 7:
            position = self._sent_bits >> 3
            if position < len(self._answer) and not self._is_cut_off():
                self._sent_bits += 8
                return self._answer[position]
        byte = 0
        for shift in range(8):
            byte |= self.read_bit() << shift
        return byte

    def scratchpad(self):
        """Return the current nine bytes."""
        self._is_converting()
        content = bytes((self._raw & 0xFF, self._raw >> 8)) + self._settings + b"\xff\x0c\x10"
        return content + bytes((crc8(content),))

    def _is_cut_off(self):
        return self.fault in ("unplugged", "shorted")

    def _enter(self, state):
        self._state = state
        self._byte = 0
        self._bit_count = 0
        self._taken = b""

    def _is_converting(self):
        if self._done_us is not None and self._clock.now_us >= self._done_us:
            self._done_us = None
            self._raw = self._next_raw
        return self._done_us is not None

    def _take(self, byte):
        if self._state == _ROM_COMMAND:
            self._rom_command(byte)
        elif self._state == _FUNCTION_COMMAND:
            self._function_command(byte)
        elif self._state == _MATCHING:
            self._match(byte)
        else:
            self._take_settings(byte)

    def _rom_command(self, byte):
        if byte == _SKIP:
            self._enter(_FUNCTION_COMMAND)
        elif byte == _MATCH:
            self._enter(_MATCHING)
        elif byte == _READ_ROM:
            self._send(self._rom, _FUNCTION_COMMAND)
        elif byte == _SEARCH:
            self._search_position = 0
            self._offer_search_bit()
        else:
            raise AssertionError(f"ds18b20: {byte:02x} is not a ROM command")

    def _match(self, byte):
        self._taken += bytes((byte,))
        if not self._rom.startswith(self._taken):
            self._enter(_IDLE)
        elif len(self._taken) == 8:
            self._enter(_FUNCTION_COMMAND)

    def _search_bit(self):
        position = self._search_position
        return self._rom[position >> 3] >> (position & 7) & 1

    def _offer_search_bit(self):
        # The bit, then its complement; the other bits of the byte are never read.
        bit = self._search_bit()
        self._enter(_SEARCHING)
        self._answer = bytes((bit | (1 - bit) << 1,))
        self._after_answer = _SENDING
        self._sent_bits = 0

    def _search_direction(self, bit):
        assert self._sent_bits == 2, "ds18b20: search direction before both bits were read"
        if bit != self._search_bit():
            self._enter(_IDLE)
            return
        self._search_position += 1
        if self._search_position < 64:
            self._offer_search_bit()
        else:
            self._enter(_IDLE)

    def _function_command(self, byte):
        if byte == _CONVERT:
            self._convert()
        elif byte == _READ:
            self._send(self.scratchpad(), _SENDING)
        elif byte == _WRITE:
            self._enter(_TAKING_SETTINGS)
        elif byte == _COPY:
            self._eeprom = self._settings
            self._enter(_BUSY)
        elif byte == _RECALL:
            self._settings = self._eeprom
            self._enter(_BUSY)
        elif byte == _POWER:
            self._send(b"\xff", _SENDING)
        else:
            raise AssertionError(f"ds18b20: {byte:02x} is not a function command")

    def _convert(self):
        assert not self._is_converting(), "ds18b20: conversion started during another"
        resolution = self._settings[2] >> 5 & 3
        if self.fault != "stuck":
            celsius = min(125.0, max(-55.0, self._temp()))
            unused_bits = 3 - resolution
            sixteenths = int(celsius * 16 + 880.5) - 880
            self._next_raw = ((sixteenths >> unused_bits) << unused_bits) & 0xFFFF
        self._done_us = self._clock.now_us + _CONVERSION_US[resolution]
        self._enter(_BUSY)

    def _take_settings(self, byte):
        self._taken += bytes((byte,))
        if len(self._taken) == 3:
            # Only the two resolution bits of the configuration are writable.
            config = self._taken[2] & 0x60 | 0x1F
            self._settings = self._taken[:2] + bytes((config,))
            self._enter(_IDLE)

    def _send(self, content, after_answer):
        self._enter(_SENDING)
        self._answer = damaged(self, content, 0x04)
        self._after_answer = after_answer
        self._sent_bits = 0

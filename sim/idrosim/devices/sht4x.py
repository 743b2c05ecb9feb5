"""SHT4x humidity sensor at command level (Sensirion SHT4x datasheet v6), with its timing.

A measurement takes the maximum time of the datasheet; until its end reads are not acknowledged.
Heater commands exist in the part, but the firmware must never send one: an assertion.
"""

from idrosim.devices.shared.part_faults import ENODEV, acknowledge, damaged

# Duration of each measurement command, us.
_MEASURE_US = {0xFD: 8_300, 0xF6: 4_500, 0xE0: 1_600}
_SERIAL, _SOFT_RESET, _COMMAND_US = 0x89, 0x94, 1_000
_HEATER = (0x39, 0x32, 0x2F, 0x24, 0x1E, 0x15)


class Sht4x:
    """One part; `air` returns (temp_c, rh_pct) of its surroundings.

    fault: None, "unplugged", "stuck" (repeats the last measurement) or "noisy" (damaged answers).
    `damage_count` is the number of next answers to damage.
    """

    def __init__(self, clock, air, serial=0x0F0E0D0C):
        self._clock = clock
        self._air = air
        self._serial = serial
        self._measured = None
        self._answer = None
        self._ready_us = 0
        self.fault = None
        self.damage_count = 0

    def write(self, data):
        """Handle one command."""
        acknowledge(self)
        assert len(data) == 1, f"sht4x: command of {len(data)} bytes"
        command = data[0]
        assert self._clock.now_us >= self._ready_us, "sht4x: command while it measures"
        assert command not in _HEATER, "sht4x: the heater must stay off"
        if command in _MEASURE_US:
            if self._measured is None or self.fault != "stuck":
                temp_c, rh_pct = self._air()
                self._measured = packed((
                    word((temp_c + 45) / 175 * 65535), word((rh_pct + 6) / 125 * 65535)))
            self._answer = self._measured
            self._ready_us = self._clock.now_us + _MEASURE_US[command]
            return
        assert command in (_SERIAL, _SOFT_RESET), f"sht4x: {command:02x} is not a command"
        serial = packed((self._serial >> 16, self._serial & 0xFFFF))
        self._answer = serial if command == _SERIAL else None
        self._ready_us = self._clock.now_us + _COMMAND_US

    def read(self, count):
        """Return the answer to the last command. Raises OSError before it is ready."""
        acknowledge(self)
        if self._answer is None or self._clock.now_us < self._ready_us:
            raise OSError(ENODEV)
        assert count <= 6, f"sht4x: read of {count} bytes"
        answer, self._answer = self._answer, None
        return damaged(self, answer)[:count]


def word(value):
    """Return `value` rounded and limited to 16 bits."""
    return min(65535, max(0, int(value + 0.5)))


def packed(words):
    """Return 16-bit `words` as Sensirion parts send them, each followed by its CRC."""
    content = b""
    for each in words:
        pair = bytes((each >> 8, each & 0xFF))
        content += pair + bytes((crc8(pair),))
    return content


def crc8(data):
    """Return the CRC-8 of `data`: x^8 + x^5 + x^4 + 1, initial value 0xFF."""
    remainder = 0xFF
    for byte in data:
        remainder = _REMAINDERS[remainder ^ byte]
    return remainder


def _divided(byte):
    for _ in range(8):
        byte = (byte << 1 ^ (0x31 if byte & 0x80 else 0)) & 0xFF
    return byte


_REMAINDERS = bytes(_divided(byte) for byte in range(256))

"""SHT4x at command level (Sensirion SHT4x datasheet v6): commands, timing, CRC.

A measurement takes the datasheet's longest time; until then the part answers no read header. The
heater commands exist in the part, but this firmware must never send one.
"""

_ENODEV = 19
# Command: how long the part needs, in us.
_MEASURE_US = {0xFD: 8_300, 0xF6: 4_500, 0xE0: 1_600}
_SERIAL, _SOFT_RESET, _COMMAND_US = 0x89, 0x94, 1_000
_HEATER = (0x39, 0x32, 0x2F, 0x24, 0x1E, 0x15)


class Sht4x:
    """One part; `air` returns (temp_c, rh_pct) of what surrounds it.

    fault: None, "unplugged", "stuck" (the last measurement again) or "noisy" (damaged answers).
    `damage_count` is how many of the next answers are damaged.
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
        """Take one command."""
        self._acknowledge()
        assert len(data) == 1, f"sht4x: command of {len(data)} bytes"
        command = data[0]
        assert self._clock.now_us >= self._ready_us, "sht4x: command while it measures"
        assert command not in _HEATER, "sht4x: the heater must stay off"
        if command in _MEASURE_US:
            if self._measured is None or self.fault != "stuck":
                self._measured = _words(*self._air())
            self._answer = self._measured
            self._ready_us = self._clock.now_us + _MEASURE_US[command]
            return
        assert command in (_SERIAL, _SOFT_RESET), f"sht4x: {command:02x} is no command"
        high, low = self._serial >> 16, self._serial & 0xFFFF
        self._answer = _pack(high) + _pack(low) if command == _SERIAL else None
        self._ready_us = self._clock.now_us + _COMMAND_US

    def read(self, count):
        """Return the answer to the last command; no acknowledge before it is ready."""
        self._acknowledge()
        if self._answer is None or self._clock.now_us < self._ready_us:
            raise OSError(_ENODEV)
        assert count <= 6, f"sht4x: read of {count} bytes"
        answer = self._answer
        self._answer = None
        if self.damage_count > 0 or self.fault == "noisy":
            self.damage_count = max(0, self.damage_count - 1)
            answer = bytes((answer[0] ^ 0x10,)) + answer[1:]
        return answer[:count]

    def _acknowledge(self):
        if self.fault == "unplugged":
            raise OSError(_ENODEV)


def _words(temp_c, rh_pct):
    raw_temp = (temp_c + 45) / 175 * 65535
    raw_rh = (rh_pct + 6) / 125 * 65535
    return _pack(_word(raw_temp)) + _pack(_word(raw_rh))


def _word(value):
    return min(65535, max(0, int(value + 0.5)))


def _pack(word):
    content = bytes((word >> 8, word & 0xFF))
    return content + bytes((crc8(content),))


def crc8(data):
    """Return the CRC of a word by polynomial division: x^8 + x^5 + x^4 + 1, start FF."""
    remainder = 0xFF
    for byte in data:
        remainder = _REMAINDERS[remainder ^ byte]
    return remainder


def _divided(byte):
    for _ in range(8):
        byte = (byte << 1 ^ (0x31 if byte & 0x80 else 0)) & 0xFF
    return byte


_REMAINDERS = bytes(_divided(byte) for byte in range(256))

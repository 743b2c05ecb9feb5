"""Sensirion parts: their words with CRC, and the base of the SHT sensors at command level."""

from idrosim.devices.shared.part_faults import ENODEV, acknowledge, damaged


class Sht:
    """One SHT sensor; `air` returns (temp_c, rh_pct) of its surroundings.

    A measurement takes the maximum time of the datasheet; until its end reads are not
    acknowledged. A command in FORBIDDEN exists in the part, but the firmware must never send it:
    an assertion.

    fault: None, "unplugged", "stuck" (repeats the last measurement) or "noisy" (damaged answers).
    `damage_count` is the number of next answers to damage.
    """

    PART = ""
    COMMAND_BYTES = 2
    MEASURE_US = {}  # command: duration
    ANSWERS = {}  # command that does not measure: words of its answer
    COMMAND_US = 1_000  # its duration
    FORBIDDEN = {}  # command: why
    RH_PCT = 100, 0  # span and offset of the humidity

    def __init__(self, clock, air):
        self._clock = clock
        self._air = air
        self._measured = None
        self._answer = None
        self._ready_us = 0
        self.fault = None
        self.damage_count = 0

    def write(self, data):
        """Handle one command."""
        acknowledge(self)
        name = self.PART
        assert len(data) == self.COMMAND_BYTES, f"{name}: command of {len(data)} bytes"
        command = int.from_bytes(data, "big")
        assert self._clock.now_us >= self._ready_us, f"{name}: command while it measures"
        assert command not in self.FORBIDDEN, f"{name}: {self.FORBIDDEN[command]}"
        if command in self.MEASURE_US:
            if self._measured is None or self.fault != "stuck":
                self._measured = self._measurement()
            self._answer = self._measured
            self._ready_us = self._clock.now_us + self.MEASURE_US[command]
            return
        assert command in self.ANSWERS, f"{name}: {command:02x} is not a command"
        self._answer = packed(self.ANSWERS[command]) or None
        self._ready_us = self._clock.now_us + self.COMMAND_US

    def read(self, count):
        """Return the answer to the last command. Raises OSError before it is ready."""
        acknowledge(self)
        if self._answer is None or self._clock.now_us < self._ready_us:
            raise OSError(ENODEV)
        assert count <= 6, f"{self.PART}: read of {count} bytes"
        answer, self._answer = self._answer, None
        return damaged(self, answer)[:count]

    def _measurement(self):
        temp_c, rh_pct = self._air()
        span_pct, offset_pct = self.RH_PCT
        return packed((word((temp_c + 45) / 175 * 65535),
                       word((rh_pct - offset_pct) / span_pct * 65535)))


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

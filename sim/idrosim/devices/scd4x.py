"""SCD4x at command level (Sensirion SCD4x datasheet v1.4): states, periods, execution times, CRC.

Idle, it takes a start; measuring, it has a new measurement every 5 s, takes only ready, read and
stop, and answers no read header without a measurement. After a stop it is deaf for 500 ms.
"""

from idrosim.devices.sht4x import crc8

_ENODEV = 19
_START, _STOP, _IS_READY, _READ, _SERIAL = 0x21B1, 0x3F86, 0xE4B8, 0xEC05, 0x3682
_PERIOD_US = 5_000_000
_COMMAND_US = 1_000
_STOP_US = 500_000


class Scd4x:
    """One part; `air` returns (co2_ppm, temp_c, rh_pct) of what surrounds it.

    fault: None, "unplugged", "stuck" (the last measurement again) or "noisy" (damaged answers).
    `damage_count` is how many of the next answers are damaged.
    """

    def __init__(self, clock, air, serial=0x0F0E0D0C0B0A):
        self._clock = clock
        self._air = air
        self._serial = serial
        self._measured = None
        self.fault = None
        self.damage_count = 0
        self.power_cycle()

    def power_cycle(self):
        """Lose and regain the supply: idle."""
        self._started_us = None
        self._taken = 0
        self._answer = None
        self._free_us = 0

    def write(self, data):
        """Take one command."""
        self._acknowledge()
        now_us = self._clock.now_us
        assert len(data) == 2, f"scd4x: command of {len(data)} bytes"
        assert now_us >= self._free_us, "scd4x: command before the last one was done"
        command = data[0] << 8 | data[1]
        self._free_us = now_us + (_STOP_US if command == _STOP else _COMMAND_US)
        self._answer = None
        if command == _STOP:
            self._started_us = None
        elif command == _START:
            assert self._started_us is None, "scd4x: started while it measures"
            self._started_us = now_us
            self._taken = 0
        elif command == _IS_READY:
            self._answer = _packed((0x8006 if self._waiting() else 0x8000,))
        elif command == _READ:
            self._answer = self._measurement()
        else:
            assert command == _SERIAL, f"scd4x: {command:04x} is no command"
            assert self._started_us is None, "scd4x: serial number asked while it measures"
            serial = self._serial
            self._answer = _packed((serial >> 32, serial >> 16 & 0xFFFF, serial & 0xFFFF))

    def read(self, count):
        """Return the answer to the last command; no acknowledge where there is none."""
        self._acknowledge()
        assert count <= 9, f"scd4x: read of {count} bytes"
        if self._answer is None or self._clock.now_us < self._free_us:
            raise OSError(_ENODEV)
        answer = self._answer
        self._answer = None
        if self.damage_count > 0 or self.fault == "noisy":
            self.damage_count = max(0, self.damage_count - 1)
            answer = bytes((answer[0] ^ 0x10,)) + answer[1:]
        return answer[:count]

    def _waiting(self):
        """Return how many measurements were made since the one that was read last."""
        if self._started_us is None:
            return 0
        return (self._clock.now_us - self._started_us) // _PERIOD_US - self._taken

    def _measurement(self):
        if not self._waiting():
            return None
        self._taken += self._waiting()
        if self.fault != "stuck" or self._measured is None:
            co2_ppm, temp_c, rh_pct = self._air()
            self._measured = _packed((
                _word(co2_ppm), _word((temp_c + 45) / 175 * 65535), _word(rh_pct / 100 * 65535),
            ))
        return self._measured

    def _acknowledge(self):
        if self.fault == "unplugged" or self._clock.now_us < self._free_us - _COMMAND_US:
            raise OSError(_ENODEV)


def _word(value):
    return min(65535, max(0, int(value + 0.5)))


def _packed(words):
    content = b""
    for word in words:
        pair = bytes((word >> 8, word & 0xFF))
        content += pair + bytes((crc8(pair),))
    return content

"""SCD4x CO2 sensor at command level (Sensirion SCD4x datasheet v1.4), with its timing.

Idle, it accepts a start; measuring, it has a new measurement every 5 s, accepts only ready, read
and stop, and does not acknowledge a read without a measurement. After a stop it does not
acknowledge for 500 ms.
"""

from idrosim.devices.shared.part_faults import ENODEV, damaged
from idrosim.devices.shared.sensirion import packed, word

_START, _STOP, _IS_READY, _READ, _SERIAL = 0x21B1, 0x3F86, 0xE4B8, 0xEC05, 0x3682
_PERIOD_US = 5_000_000
_COMMAND_US = 1_000
_STOP_US = 500_000


class Scd4x:
    """One part; `air` returns (co2_ppm, temp_c, rh_pct) of its surroundings.

    fault: None, "unplugged", "stuck" (repeats the last measurement) or "noisy" (damaged answers).
    `damage_count` is the number of next answers to damage.
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
        """Reset to idle, as when power returns."""
        self._started_us = None
        self._taken = 0
        self._answer = None
        self._free_us = 0

    def write(self, data):
        """Handle one command."""
        self._acknowledge()
        now_us = self._clock.now_us
        assert len(data) == 2, f"scd4x: command of {len(data)} bytes"
        assert now_us >= self._free_us, "scd4x: command before the last was done"
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
            self._answer = packed((0x8006 if self._waiting() else 0x8000,))
        elif command == _READ:
            self._answer = self._measurement()
        else:
            assert command == _SERIAL, f"scd4x: {command:04x} is not a command"
            assert self._started_us is None, "scd4x: serial number read while it measures"
            serial = self._serial
            self._answer = packed((serial >> 32, serial >> 16 & 0xFFFF, serial & 0xFFFF))

    def read(self, count):
        """Return the answer to the last command. Raises OSError without one."""
        self._acknowledge()
        assert count <= 9, f"scd4x: read of {count} bytes"
        if self._answer is None or self._clock.now_us < self._free_us:
            raise OSError(ENODEV)
        answer, self._answer = self._answer, None
        return damaged(self, answer)[:count]

    def _waiting(self):
        """Return the number of unread measurements."""
        if self._started_us is None:
            return 0
        return (self._clock.now_us - self._started_us) // _PERIOD_US - self._taken

    def _measurement(self):
        if not self._waiting():
            return None
        self._taken += self._waiting()
        if self.fault != "stuck" or self._measured is None:
            co2_ppm, temp_c, rh_pct = self._air()
            self._measured = packed((
                word(co2_ppm), word((temp_c + 45) / 175 * 65535), word(rh_pct / 100 * 65535)))
        return self._measured

    def _acknowledge(self):
        if self.fault == "unplugged" or self._clock.now_us < self._free_us - _COMMAND_US:
            raise OSError(ENODEV)

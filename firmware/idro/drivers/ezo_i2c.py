"""An EZO circuit on I2C: a status byte before every answer, a NUL behind it.

1 is done, 2 a command it did not understand, 254 not ready, 255 nothing to say: the circuit
started anew, or woke from sleep, after the command was sent. Only damage and silence are retried.
"""

from idro.errors import SensorError

_DONE, _SYNTAX, _PENDING = 1, 2, 254
_ANSWER_BYTES = 32
# A sleep may end up to one tick early.
_MARGIN_MS = 1
_POLLS = 3
_POLL_MS = 100


class EzoI2c:
    """The line to one circuit; `i2c` is a machine.I2C at 100 kHz."""

    def __init__(self, part, i2c, address, clock):
        self._part = part
        self._i2c = i2c
        self._address = address
        self._clock = clock
        self._answer = bytearray(_ANSWER_BYTES)

    async def prepare(self):
        """Nothing: the line has no state."""

    async def exchange(self, command, wait_ms):
        """Return the text that answers `command`, ready after `wait_ms`. Raises SensorError."""
        self._i2c.writeto(self._address, command.encode())
        await self._clock.sleep_ms(wait_ms + _MARGIN_MS)
        self._i2c.readfrom_into(self._address, self._answer)
        for _ in range(_POLLS):
            if self._answer[0] != _PENDING:
                break
            await self._clock.sleep_ms(_POLL_MS)
            self._i2c.readfrom_into(self._address, self._answer)
        return self._text(command)

    def _text(self, command):
        status = self._answer[0]
        if status == _DONE:
            content = bytes(self._answer[1:])
            end = content.find(b"\x00")
            try:
                return content[:end].decode() if end >= 0 else content.decode()
            except UnicodeError:
                raise SensorError(self._part, "crc", f"{command}: {content.hex()}") from None
        if status == _PENDING:
            raise SensorError(self._part, "timeout", f"{command}: still not ready")
        if status == _SYNTAX:
            raise SensorError(self._part, "crc", f"{command}: not understood")
        raise SensorError(self._part, "no_ack", f"{command}: status {status}")

"""EZO circuit on I2C: a status byte before every response, a NUL after it.

Status 1 is done, 2 a syntax error, 254 not ready, 255 no data: the circuit restarted, or woke from
sleep, after the command. Only damaged and missing responses are retried.
"""

from idro.errors import SensorError

_DONE, _SYNTAX, _PENDING = 1, 2, 254
_ANSWER_BYTES = 32
# A sleep may end up to one tick early.
_MARGIN_MS = 1
_POLLS = 3
_POLL_MS = 100


class EzoI2c:
    """I2C transport of one circuit; `i2c` is a machine.I2C at 100 kHz."""

    def __init__(self, part, i2c, address, clock):
        self._part = part
        self._i2c = i2c
        self._address = address
        self._clock = clock
        self._answer = bytearray(_ANSWER_BYTES)

    async def prepare(self):
        """Do nothing: I2C needs no preparation."""

    async def exchange(self, command, wait_ms):
        """Return the response to `command`, ready after `wait_ms`. Raises SensorError."""
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

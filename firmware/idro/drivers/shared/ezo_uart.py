"""EZO circuit on a UART, 9600 baud: lines that end in CR; *OK or *ER ends each response.

A new circuit sends readings once a second by default; that mode is switched off first. *RS and *RE
report a restart, *OV and *UV a bad supply: the command is then retried.
"""

from idro.errors import SensorError

_CR = b"\r"
# A sleep may end up to one tick early.
_MARGIN_MS = 1
# 32 characters and their *OK.
_REPLY_MS = 40
_POLLS = 10
_POLL_MS = 20


class EzoUart:
    """UART transport of one circuit; `uart` is a machine.UART that never blocks (time-out 0),
    `short_ms` the wait for commands other than readings."""

    def __init__(self, part, uart, clock, short_ms):
        self._part = part
        self._uart = uart
        self._clock = clock
        self._short_ms = short_ms

    async def prepare(self):
        """Turn on response codes and turn off continuous readings. Raises SensorError."""
        self._uart.write(_CR)  # ends an incomplete line
        await self._clock.sleep_ms(self._short_ms + _REPLY_MS)
        for command in ("*OK,1", "C,0"):
            await self._lines(command, self._short_ms)

    async def exchange(self, command, wait_ms):
        """Return the response to `command`, ready after `wait_ms`. Raises SensorError."""
        lines = await self._lines(command, wait_ms)
        if len(lines) > 1:
            raise SensorError(self._part, "crc", f"{command}: {lines[:4]}")
        return lines[0] if lines else ""

    async def _lines(self, command, wait_ms):
        """Return the lines before *OK. Raises SensorError."""
        unsolicited = self._uart.read() or b""
        if b"*R" in unsolicited:
            raise SensorError(self._part, "no_ack", f"{command}: it restarted")
        self._uart.write(command.encode() + _CR)
        await self._clock.sleep_ms(wait_ms + _MARGIN_MS)
        received = b""
        for _ in range(_POLLS):
            received += self._uart.read() or b""
            if b"*OK\r" in received or b"*ER\r" in received:
                break
            await self._clock.sleep_ms(_POLL_MS)
        return self._parse(command, received)

    def _parse(self, command, received):
        try:
            lines = received.decode().split("\r")
        except UnicodeError:
            raise SensorError(self._part, "crc", f"{command}: {received.hex()[:60]}") from None
        if "*ER" in lines:
            raise SensorError(self._part, "crc", f"{command}: not understood")
        if "*OK" not in lines:
            fault = "crc" if received else "no_ack"
            raise SensorError(self._part, fault, f"{command}: {lines[:4]}")
        before = lines[:lines.index("*OK")]
        if any(line.startswith("*") for line in before):
            raise SensorError(self._part, "no_ack", f"{command}: {before[:4]}")
        return before

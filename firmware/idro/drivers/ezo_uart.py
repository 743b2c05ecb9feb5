"""An EZO circuit on a UART, 9600 baud: lines that end in CR, each exchange closed by *OK or *ER.

A fresh circuit speaks by itself once a second; that mode is switched off before anything is
asked. *RS and *RE tell of a restart, *OV and *UV of a bad supply: what was asked is asked again.
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
    """The line to one circuit; `uart` is a machine.UART that never blocks (time-out 0), `short_ms`
    the circuit's wait for commands other than readings."""

    def __init__(self, part, uart, clock, short_ms):
        self._part = part
        self._uart = uart
        self._clock = clock
        self._short_ms = short_ms

    async def prepare(self):
        """Make the circuit close every answer, and speak only when asked. Raises SensorError."""
        self._uart.write(_CR)  # ends a line that was cut in half
        await self._clock.sleep_ms(self._short_ms + _REPLY_MS)
        for command in ("*OK,1", "C,0"):
            await self._lines(command, self._short_ms)

    async def exchange(self, command, wait_ms):
        """Return the text that answers `command`, ready after `wait_ms`. Raises SensorError."""
        lines = await self._lines(command, wait_ms)
        if len(lines) > 1:
            raise SensorError(self._part, "crc", f"{command}: {lines[:4]}")
        return lines[0] if lines else ""

    async def _lines(self, command, wait_ms):
        """Return the lines before *OK. Raises SensorError."""
        unasked = self._uart.read() or b""
        if b"*R" in unasked:
            raise SensorError(self._part, "no_ack", f"{command}: it restarted")
        self._uart.write(command.encode() + _CR)
        await self._clock.sleep_ms(wait_ms + _MARGIN_MS)
        heard = b""
        for _ in range(_POLLS):
            heard += self._uart.read() or b""
            if b"*OK\r" in heard or b"*ER\r" in heard:
                break
            await self._clock.sleep_ms(_POLL_MS)
        return self._closed(command, heard)

    def _closed(self, command, heard):
        try:
            lines = heard.decode().split("\r")
        except UnicodeError:
            raise SensorError(self._part, "crc", f"{command}: {heard.hex()[:60]}") from None
        if "*ER" in lines:
            raise SensorError(self._part, "crc", f"{command}: not understood")
        if "*OK" not in lines:
            fault = "crc" if heard else "no_ack"
            raise SensorError(self._part, fault, f"{command}: {lines[:4]}")
        before = lines[:lines.index("*OK")]
        if any(line.startswith("*") for line in before):
            raise SensorError(self._part, "no_ack", f"{command}: {before[:4]}")
        return before

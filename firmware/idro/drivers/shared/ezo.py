"""Atlas EZO circuits: the command set that all share, over I2C or UART.

Atlas EZO datasheets: an ASCII command, a fixed wait for each command, one response.
The compensation temperature is lost with the supply, so each reading sends it first.
"""

from idro.drivers.shared.bus_retry import with_retries
from idro.errors import SensorError

_SHORT_MS = 300


class Ezo:
    """One circuit, on I2C if the board's entry `spec` has an address, else on a UART; a reading
    takes `read_ms`. Its signal is digital, so there is no spread."""

    spread_uv = None

    def __init__(self, part, spec, bus, clock, read_ms):
        if "address" in spec:
            from idro.drivers.shared.ezo_i2c import EzoI2c

            self._transport = EzoI2c(part, bus, spec["address"], clock)
        else:
            from idro.drivers.shared.ezo_uart import EzoUart

            self._transport = EzoUart(part, bus, clock, _SHORT_MS)
        self._part = part
        self._temp_channel = spec.get("pair", spec["source"]) + ".temp_c"
        self._read_ms = read_ms
        self._is_prepared = False
        self._is_only = False

    async def read_milli(self, centi_c=None):
        """Return the reading in 1/1000, at a water temperature except for a circuit without
        compensation. Raises SensorError."""
        return await with_retries(self._part, self._measure, centi_c)

    async def read_only(self, wanted, centi_c):
        """Return the reading in 1/1000 of the output `wanted` of a circuit that has several; the
        others are switched off. Raises SensorError."""
        if not self._is_only:
            await self._send_only(wanted)
        self._is_only = False  # after a failure, another circuit may be connected
        value = await self.read_milli(centi_c)
        self._is_only = True
        return value

    async def query(self, name):
        """Return the response fields of the query `name`, such as O. Raises SensorError."""
        return await with_retries(self._part, self._query, name)

    async def send(self, command, wait_ms=_SHORT_MS):
        """Send a command without a response text. Raises SensorError."""
        await with_retries(self._part, self._exchange, command, wait_ms, _no_answer)

    async def _send_only(self, wanted):
        outputs = await self.query("O")
        if wanted not in outputs:
            await self.send(f"O,{wanted},1")
        for name in outputs:
            if name != wanted:
                await self.send(f"O,{name},0")

    async def _measure(self, centi_c):
        if centi_c is not None:
            sign = "-" if centi_c < 0 else ""
            degrees, hundredths = divmod(abs(centi_c), 100)
            await self._exchange(f"T,{sign}{degrees}.{hundredths:02d}", _SHORT_MS, _no_answer)
        return await self._exchange("R", self._read_ms, milli)

    async def _query(self, name):
        return await self._exchange(name + ",?", _SHORT_MS, lambda text: _fields(name, text))

    async def _exchange(self, command, wait_ms, parse):
        if not self._is_prepared:
            await self._transport.prepare()
        self._is_prepared = False
        answer = await self._transport.exchange(command, wait_ms)
        try:
            parsed = parse(answer)
        except ValueError:
            raise SensorError(self._part, "crc", f"{command}: {answer[:40]}") from None
        self._is_prepared = True
        return parsed


def milli(text):
    """Return a decimal text in 1/1000, without a float. Raises ValueError."""
    is_negative = text.startswith("-")
    whole, _, part = text[1 if is_negative else 0:].partition(".")
    if not whole or not only_digits(whole + part):
        raise ValueError(text)
    value = int(whole) * 1000 + int((part + "000")[:3])
    return -value if is_negative else value


def only_digits(text):
    """True if `text` holds only 0 to 9."""
    return all("0" <= char <= "9" for char in text)


def _no_answer(text):
    if text:
        raise ValueError(text)


def _fields(name, text):
    """Return the fields after `?name,`; EC circuits send it in capitals or after a comma."""
    words = text.split(",")
    if words[0] == "?":
        words.pop(0)
        words[0] = "?" + words[0]
    if words[0].upper() != "?" + name.upper() or len(words) < 2:
        raise ValueError(text)
    return words[1:]

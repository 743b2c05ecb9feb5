"""Atlas EZO circuits: the command set that pH and EC share, over either of their two lines.

Atlas EZO-pH and EZO-EC datasheets: an ASCII command, a fixed wait for each command, one answer.
A circuit that is asked before its wait is over answers that it is not ready, so nobody asks. The
temperature the circuit compensates with is lost with its supply: each reading sends it first.
"""

from idro.drivers.bus_retry import with_retries
from idro.errors import SensorError

_SHORT_MS = 300
_CALIBRATE_MS = 900  # EC needs 600, its older firmware 800


class Ezo:
    """One circuit behind `link`; `read_ms` is how long it needs for a reading."""

    def __init__(self, part, link, read_ms):
        self._part = part
        self._link = link
        self._read_ms = read_ms
        self._is_prepared = False

    async def read_milli(self, centi_c):
        """Return the reading at a water temperature, in 1/1000. Raises SensorError."""
        return await with_retries(self._part, self._measure, centi_c)

    async def ask(self, name):
        """Return the fields that answer the query `name`, such as O. Raises SensorError."""
        return await with_retries(self._part, self._query, name, _fields)

    async def ask_milli(self, name):
        """Return the numbers that answer the query `name`, in 1/1000. Raises SensorError."""
        return await with_retries(self._part, self._query, name, _milli_fields)

    async def tell(self, command, wait_ms=_SHORT_MS):
        """Send a command that is only acknowledged. Raises SensorError."""
        await with_retries(self._part, self._once, command, wait_ms, _nothing)

    async def calibrate(self, point):
        """Calibrate at `point`, such as "mid,7.00" or "dry". Raises SensorError."""
        await self.tell("Cal," + point, _CALIBRATE_MS)

    async def calibration_count(self):
        """Return how many points are calibrated. Raises SensorError."""
        return (await self.ask_milli("Cal"))[0] // 1000

    async def _measure(self, centi_c):
        sign = "-" if centi_c < 0 else ""
        degrees, hundredths = divmod(abs(centi_c), 100)
        await self._once(f"T,{sign}{degrees}.{hundredths:02d}", _SHORT_MS, _nothing)
        return await self._once("R", self._read_ms, milli)

    async def _query(self, name, parse):
        return await self._once(name + ",?", _SHORT_MS, lambda text: parse(name, text))

    async def _once(self, command, wait_ms, parse):
        if not self._is_prepared:
            await self._link.prepare()
        self._is_prepared = False
        answer = await self._link.exchange(command, wait_ms)
        try:
            found = parse(answer)
        except ValueError:
            raise SensorError(self._part, "crc", f"{command}: {answer[:40]}") from None
        self._is_prepared = True
        return found


def open_ezo(part, spec, bus, clock, read_ms):
    """Return the Ezo of a board's sensor entry: on I2C where it has an address, else on UART."""
    if "address" in spec:
        from idro.drivers.ezo_i2c import EzoI2c

        return Ezo(part, EzoI2c(part, bus, spec["address"], clock), read_ms)
    from idro.drivers.ezo_uart import EzoUart

    return Ezo(part, EzoUart(part, bus, clock, _SHORT_MS), read_ms)


def milli(text):
    """Return a decimal number's text in 1/1000, without going through a float, or ValueError."""
    is_negative = text.startswith("-")
    whole, _, part = text[1 if is_negative else 0:].partition(".")
    if not whole or not only_digits(whole + part):
        raise ValueError(text)
    value = int(whole) * 1000 + int((part + "000")[:3])
    return -value if is_negative else value


def only_digits(text):
    """True when `text` holds nothing but 0 to 9."""
    return all("0" <= char <= "9" for char in text)


def _nothing(text):
    if text:
        raise ValueError(text)


def _fields(name, text):
    """Return the fields after `?name,`; EC circuits shout it or put a comma before it."""
    words = text.split(",")
    if words[0] == "?":
        words.pop(0)
        words[0] = "?" + words[0]
    if words[0].upper() != "?" + name.upper() or len(words) < 2:
        raise ValueError(text)
    return words[1:]


def _milli_fields(name, text):
    return [milli(field) for field in _fields(name, text)]

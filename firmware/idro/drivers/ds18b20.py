"""DS18B20: 1-Wire temperature sensor of the water (`onewire.OneWire` of MicroPython).

Maxim 19-7487 rev 6: scratchpad figure 8, conversion 750 ms at 12 bit. 85.0 C is the power-on
value: in a tank it means that the supply failed or no conversion ran. A shorted line reads all
zeros, whose CRC is valid, an empty one all ones: both are rejected before the CRC check. Parts on
one line are addressed by their ROM code and convert each by itself: one that hangs is one fault.
"""

from idro.drivers.shared.bus_retry import with_retries
from idro.errors import SensorError

PART = "ds18b20"

_SKIP_ROM, _MATCH_ROM, _CONVERT, _READ_SCRATCHPAD = b"\xcc", b"\x55", 0x44, 0xBE
# 750 ms at most; a sleep may end up to one tick early.
_CONVERSION_MS = 751
_POWER_ON_RAW = 0x0550
_CONFIG_BYTE = 4
# Resolution 9, 10, 11, 12 bit: the lowest bits of the reading are undefined.
_UNDEFINED_BITS = (7, 3, 1, 0)


def build(spec, bus, clock, settings):
    """Return the Ds18b20 of a board's sensor entry; without `rom` it is alone on its OneWire."""
    rom = spec.get("rom")
    return Ds18b20(bus, clock, _MATCH_ROM + bytes.fromhex(rom) if rom else _SKIP_ROM)


class Ds18b20:
    """One sensor; `address` are the bytes that select it. Its signal is digital: no spread."""

    spread_uv = None

    def __init__(self, onewire, clock, address):
        self._onewire = onewire
        self._clock = clock
        self._address = address
        self._scratchpad = bytearray(9)

    async def read(self, context):
        """Return {"temp_c": C}. Raises SensorError."""
        await with_retries(PART, self._start)
        await self._clock.sleep_ms(_CONVERSION_MS)
        has_finished = self._onewire.readbit()
        await with_retries(PART, self._fetch)
        if not has_finished:
            raise SensorError(PART, "timeout", f"converting after {_CONVERSION_MS} ms")
        sixteenths = raw_temperature(self._scratchpad)
        if sixteenths == _POWER_ON_RAW:
            raise SensorError(PART, "power_on_value", "85.0 C")
        return {"temp_c": sixteenths / 16}

    async def _start(self):
        self._select()
        self._onewire.writebyte(_CONVERT)

    async def _fetch(self):
        self._select()
        self._onewire.writebyte(_READ_SCRATCHPAD)
        self._onewire.readinto(self._scratchpad)
        content = bytes(self._scratchpad)
        if content in (b"\x00" * 9, b"\xff" * 9):
            raise SensorError(PART, "no_ack", content.hex())
        if self._onewire.crc8(content):
            raise SensorError(PART, "crc", content.hex())

    def _select(self):
        if not self._onewire.reset():
            raise SensorError(PART, "no_ack", "no presence pulse")
        self._onewire.write(self._address)


def raw_temperature(scratchpad):
    """Return the temperature of a scratchpad in 1/16 C, with undefined low bits cleared."""
    raw = scratchpad[0] | scratchpad[1] << 8
    if raw & 0x8000:
        raw -= 0x10000
    return raw & ~_UNDEFINED_BITS[scratchpad[_CONFIG_BYTE] >> 5 & 3]

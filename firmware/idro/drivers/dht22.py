"""DHT22, AM2302: air temperature and humidity over one data line (`machine.dht_readinto`).

Aosong AM2302 datasheet 7: at most one reading in 2 s, and none in the first 2 s of its supply. A
reading answers the measurement before and starts the next, so after a pause the first is
discarded. 16 bits of humidity, sign and 15 bits of temperature, in tenths, and their sum.
MicroPython drivers/dht/dht.c: a reading blocks for 270 ms, in which timers run.
"""

from idro.drivers.shared.analog import air_values
from idro.drivers.shared.bus_retry import with_retries
from idro.errors import SensorError

PART = "dht22"

_INTERVAL_MS = 2_001  # a sleep may end up to one tick early
_FRESH_MS = 15_000
_MAX_CENTI_C = 8_000


def build(spec, gpio, clock, settings):
    """Return the Dht22 of a board's sensor entry; `gpio` has Pin and dht_readinto."""
    pin = gpio.Pin(spec["pin"], gpio.Pin.IN, gpio.Pin.PULL_UP)
    return Dht22(pin, gpio.dht_readinto, clock)


class Dht22:
    """One sensor. Its signal is digital, so there is no spread."""

    spread_uv = None

    def __init__(self, pin, dht_readinto, clock):
        self._pin = pin
        self._dht_readinto = dht_readinto
        self._clock = clock
        self._asked_ms = clock.now_ms()
        self._fresh_until_ms = self._asked_ms
        self._answer = bytearray(5)

    async def read(self, context):
        """Return {"temp_c": C, "rh_pct": 0..100}. Raises SensorError."""
        if self._clock.now_ms() < self._fresh_until_ms:
            await with_retries(PART, self._measure)
        else:  # a missing part delays the others by one interval, not three
            await self._measure()
            await self._measure()
        self._fresh_until_ms = self._asked_ms + _FRESH_MS
        data = self._answer
        if not any(data):  # a line held low, or no measurement yet: its sum is right
            raise SensorError(PART, "no_ack", "all zero")
        tenths_c = (data[2] & 0x7F) << 8 | data[3]
        if data[2] & 0x80:
            tenths_c = -tenths_c
        return air_values(PART, tenths_c * 10, data[0] << 8 | data[1], _MAX_CENTI_C)

    async def _measure(self):
        wait_ms = self._asked_ms + _INTERVAL_MS - self._clock.now_ms()
        if wait_ms > 0:
            await self._clock.sleep_ms(wait_ms)
        try:
            self._dht_readinto(self._pin, self._answer)
        except OSError as error:
            raise SensorError(PART, "no_ack", repr(error)) from None
        finally:
            self._asked_ms = self._clock.now_ms()
        if sum(self._answer[:4]) & 0xFF != self._answer[4]:
            raise SensorError(PART, "crc", bytes(self._answer).hex())

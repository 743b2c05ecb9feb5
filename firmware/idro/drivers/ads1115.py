"""ADS1115: 16-bit I2C converter, four single-ended inputs, single-shot conversions.

TI SBAS444D: config register 9.6.3, timing 7.6 (data rate within 10 %). One conversion at 128 SPS
takes at most 8.6 ms. The read-back of the config register proves that the conversion waited for
is the one that was asked for: a converter that lost its supply comes back with other settings.
One reader at a time: a second conversion must not be asked for while one runs.
"""

from idro.drivers.retries import with_retries
from idro.errors import SensorError

PART = "ads1115"

_CONVERSION, _CONFIG = 0, 1
_START = 0x8000
_DONE = 0x8000
_INPUT_0 = 0x4000
_INPUT_STEP = 0x1000
_SINGLE_SHOT = 0x0100
_RATE_128_SPS = 0x0080
_COMPARATOR_OFF = 0x0003
_CONVERSION_MS = 9
_POLLS = 3
# Full scale in mV: bits 11:9 of the config register.
_GAIN_BITS = {6144: 0x0000, 4096: 0x0200, 2048: 0x0400, 1024: 0x0600, 512: 0x0800, 256: 0x0A00}


class Ads1115:
    """One converter on `i2c` (machine.I2C API)."""

    def __init__(self, i2c, address, clock):
        self._i2c = i2c
        self._address = address
        self._clock = clock
        self._word = bytearray(2)

    async def read_uv(self, channel, range_mv=4096, conversions=5):
        """Return `conversions` readings of input 0..3 in uV. Raises SensorError."""
        config = _INPUT_0 + channel * _INPUT_STEP + _GAIN_BITS[range_mv]
        config |= _START | _SINGLE_SHOT | _RATE_128_SPS | _COMPARATOR_OFF
        readings_uv = []
        for _ in range(conversions):
            code = await with_retries(PART, self._convert, config)
            if code in (-32768, 32767):
                raise SensorError(PART, "saturated", f"input {channel} code {code}")
            readings_uv.append(code_to_uv(code, range_mv))
        return readings_uv

    async def _convert(self, config):
        word = self._word
        word[0] = config >> 8
        word[1] = config & 0xFF
        self._i2c.writeto_mem(self._address, _CONFIG, word)
        await self._clock.sleep_ms(_CONVERSION_MS)
        state = self._register(_CONFIG)
        polls = 0
        while not state & _DONE:
            if polls == _POLLS:
                raise SensorError(PART, "timeout", "still converting")
            polls += 1
            await self._clock.sleep_ms(1)
            state = self._register(_CONFIG)
        if state | _DONE != config:
            raise SensorError(PART, "crc", f"config {state:04x}, not {config:04x}")
        code = self._register(_CONVERSION)
        return code - 0x10000 if code & 0x8000 else code

    def _register(self, pointer):
        word = self._word
        self._i2c.readfrom_mem_into(self._address, pointer, word)
        return word[0] << 8 | word[1]


def code_to_uv(code, range_mv):
    """Return the signed conversion code as uV, rounded: full scale is code 32768."""
    return (code * range_mv * 1000 + 16384) >> 15

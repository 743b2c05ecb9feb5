"""ADS1115: 16-bit I2C converter, four single-ended inputs, read in bursts.

TI SBAS444D: continuous conversion 9.4.2.2, config register 9.6.3, data rate within 10 % (7.5), so
a conversion at 128 SPS takes at most 8.7 ms. A burst configures the converter once; each reading
is then one transfer, because the pointer stays on the conversion register. The converter stays on:
new settings take effect after the conversion in progress, so the first reading waits for two
conversions. Powering down would save 150 uA and cost a transfer. Reading the config back at the
end proves that it held throughout: a converter that lost its supply restarts with the defaults.
A stopped oscillator repeats the last code on every input, which two signals never do. Only one
burst may run at a time.
"""

from idro.drivers.shared.bus_retry import with_retries
from idro.errors import SensorError

PART = "ads1115"

_CONVERSION, _CONFIG = 0, 1
_RUNNING = 0x8000  # reads 0 in continuous mode
_INPUT_0 = 0x4000
_INPUT_STEP = 0x1000
_RATE_128_SPS = 0x0080
_COMPARATOR_OFF = 0x0003
# Two conversions and one of 8.7 ms; a sleep may end up to one tick early.
_FIRST_MS = 19
_NEXT_MS = 10
_NEAR_GROUND = 16  # open or shorted inputs may all read this
# Full scale in mV: bits 11:9 of the config register.
_GAIN_BITS = {6144: 0x0000, 4096: 0x0200, 2048: 0x0400, 1024: 0x0600, 512: 0x0800, 256: 0x0A00}


def build(spec, i2c, clock):
    """Return the Ads1115 of a board's adc entry."""
    return Ads1115(i2c, spec["address"], clock)


class Ads1115:
    """One ADS1115 on a machine.I2C."""

    def __init__(self, i2c, address, clock):
        self._i2c = i2c
        self._address = address
        self._sleep_ms = clock.sleep_ms
        self._word = bytearray(2)
        self._codes = []
        self._burst_before = (None, None)  # (config, last code)

    async def read_uv(self, channel, range_mv=4096, conversions=5):
        """Return `conversions` readings of input 0..3 in uV. Raises SensorError."""
        config = _INPUT_0 + channel * _INPUT_STEP + _GAIN_BITS[range_mv]
        config |= _RATE_128_SPS | _COMPARATOR_OFF
        await with_retries(PART, self._burst, config, conversions)
        readings_uv = []
        for code in self._codes:
            if code in (0x7FFF, 0x8000):
                raise SensorError(PART, "saturated", f"input {channel} code {code:04x}")
            readings_uv.append(code_to_uv(code - 0x10000 if code & 0x8000 else code, range_mv))
        return readings_uv

    async def _burst(self, config, conversions):
        """Read one burst of raw codes into `_codes`."""
        i2c = self._i2c
        address = self._address
        word = self._word
        codes = self._codes
        codes.clear()
        word[0] = config >> 8
        word[1] = config & 0xFF
        i2c.writeto_mem(address, _CONFIG, word)
        await self._sleep_ms(_FIRST_MS)
        i2c.readfrom_mem_into(address, _CONVERSION, word)
        codes.append(word[0] << 8 | word[1])
        while len(codes) < conversions:
            await self._sleep_ms(_NEXT_MS)
            i2c.readfrom_into(address, word)
            codes.append(word[0] << 8 | word[1])
        i2c.readfrom_mem_into(address, _CONFIG, word)
        state = (word[0] << 8 | word[1]) & ~_RUNNING
        if state != config:
            raise SensorError(PART, "crc", f"config {state:04x}, not {config:04x}")
        config_before, code_before = self._burst_before
        self._burst_before = (config, codes[-1])
        has_moved = min(codes) != max(codes) or codes[0] != code_before
        if config != config_before and not has_moved and codes[0] > _NEAR_GROUND:
            raise SensorError(PART, "timeout", f"code {codes[0]:04x} on every input")


def code_to_uv(code, range_mv):
    """Return a signed conversion code in uV, rounded; full scale is code 32768."""
    return (code * range_mv * 1000 + 16384) >> 15

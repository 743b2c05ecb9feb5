"""The chip's own 12-bit converter, with its widest range: machine.ADC at ATTN_11DB.

ESP32 datasheet v4.6 4.1.2: 150 to 2450 mV, 60 mV wrong after calibration. It does not see what
lies below or above: nothing at all and 140 mV read the same, calibrated even as 142 mV and never
as 0. So outside the range of the board, which is that of its chip, there is no reading but a
fault. A conversion is a few codes noisy; one reading here is the mean of eight.
"""

from idro.errors import SensorError

PART = "esp32_adc"

_SAMPLES = 8
_PAUSE_MS = 2  # between two readings, so that a burst spans more than a moment


def build(spec, inputs, clock):
    """Return the Esp32Adc of a board's adc entry; `inputs` are its pins as machine.ADC."""
    return Esp32Adc(inputs, spec["low_uv"], spec["high_uv"], clock)


class Esp32Adc:
    """The converter; `low_uv` to `high_uv` is what it can tell."""

    def __init__(self, inputs, low_uv, high_uv, clock):
        self._inputs = inputs
        self._low_uv = low_uv
        self._high_uv = high_uv
        self._clock = clock

    async def read_uv(self, channel, conversions=5):
        """Return `conversions` readings of an input in uV, calibrated. Raises SensorError."""
        read_uv = self._inputs[channel].read_uv
        readings_uv = []
        for _ in range(conversions):
            total_uv = 0
            for _ in range(_SAMPLES):
                try:
                    sample_uv = read_uv()
                except OSError as error:
                    raise SensorError(PART, "timeout", repr(error)) from None
                # Each sample, not the mean: one beyond an end has lost how far beyond it was.
                if not self._low_uv <= sample_uv <= self._high_uv:
                    raise SensorError(PART, "saturated", f"input {channel} at {sample_uv} uV")
                total_uv += sample_uv
            readings_uv.append(total_uv // _SAMPLES)
            await self._clock.sleep_ms(_PAUSE_MS)
        return readings_uv

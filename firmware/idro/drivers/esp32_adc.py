"""Built-in 12-bit ADC of the ESP32 with its widest range: machine.ADC at ATTN_11DB.

ESP32 datasheet v4.6 4.1.2: 150 to 2450 mV, error 60 mV after calibration. Signals beyond an end
read like that end: 0 mV and 140 mV both as 142 mV. A sample outside the range in the board file is
therefore a fault. A conversion is noisy by a few codes; one reading is the mean of eight.
"""

from idro.errors import SensorError

PART = "esp32_adc"

_SAMPLES = 8
_PAUSE_MS = 2  # between two readings, to spread the burst in time


def build(spec, inputs, clock):
    """Return the Esp32Adc of a board's adc entry; `inputs` are its pins as machine.ADC."""
    return Esp32Adc(inputs, spec["low_uv"], spec["high_uv"], clock)


class Esp32Adc:
    """The ADC; samples outside low_uv..high_uv are faults."""

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
                # Each sample, not the mean: a clipped sample would distort it.
                if not self._low_uv <= sample_uv <= self._high_uv:
                    raise SensorError(PART, "saturated", f"input {channel} at {sample_uv} uV")
                total_uv += sample_uv
            readings_uv.append(total_uv // _SAMPLES)
            await self._clock.sleep_ms(_PAUSE_MS)
        return readings_uv

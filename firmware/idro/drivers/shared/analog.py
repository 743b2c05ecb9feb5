"""Reading of analog inputs in bursts, integer arithmetic, and values of air sensors.

A burst is three conversions: the median is the signal; max - min is the spread, which reveals a
dead or noisy probe. Signals are integer uV, so the ESP32's 24-bit mantissa loses nothing.
"""

from idro.errors import SensorError

_CONVERSIONS = 3


class AnalogSensor:
    """A sensor behind a converter; a signal outside low_uv..high_uv is a fault.

    spread_uv is max - min of the last burst, signal_uv its median; None if it failed.
    """

    spread_uv = signal_uv = None

    def __init__(self, part, spec, adc, settings, low_uv, high_uv):
        self._part = part
        self._adc = adc
        self._channel = spec["channel"]
        self._temp_channel = spec["source"] + ".temp_c"
        self._settings = settings
        self._low_uv = low_uv
        self._high_uv = high_uv

    async def read_uv(self):
        """Return the median of a burst, in uV, and set signal_uv and spread_uv. Raises
        SensorError."""
        self.spread_uv = self.signal_uv = None
        burst = await self._adc.read_uv(self._channel, conversions=_CONVERSIONS)
        burst.sort()
        median_uv = burst[len(burst) // 2]
        if not self._low_uv <= median_uv <= self._high_uv:
            raise SensorError(self._part, "saturated", f"{median_uv} uV")
        self.spread_uv, self.signal_uv = burst[-1] - burst[0], median_uv
        return median_uv


def divide_rounded(numerator, divisor):
    """Return numerator / divisor of integers, rounded to the nearest integer (halves up)."""
    if divisor < 0:
        numerator, divisor = -numerator, -divisor
    return (2 * numerator + divisor) // (2 * divisor)


def centi_celsius(part, context, channel):
    """Return the temperature of `channel` in this cycle, in 0.01 C. Raises SensorError."""
    temp_c = context.get(channel)
    if temp_c is None:
        raise SensorError(part, "no_temperature", channel)
    return int(round(temp_c * 100))


def air_values(part, centi_c, deci_pct, max_centi_c=8_500):
    """Return {"temp_c": C, "rh_pct": 0..100} of an air sensor. Raises SensorError beyond -40 C to
    `max_centi_c` or 0..100 %."""
    if not (-4_000 <= centi_c <= max_centi_c and 0 <= deci_pct <= 1_000):
        raise SensorError(part, "out_of_range", f"{centi_c}/100 C, {deci_pct}/10 %")
    return {"temp_c": centi_c / 100, "rh_pct": deci_pct / 10}

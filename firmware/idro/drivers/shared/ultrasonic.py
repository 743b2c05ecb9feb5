"""Water level from ultrasonic rangers mounted above the water.

The speed of sound is 331.3 m/s * sqrt(1 + T/273.15), so the air temperature is needed.
"""

from idro.drivers.shared.analog import centi_celsius, divide_rounded
from idro.drivers.shared.from_above import level_mm
from idro.errors import SensorError

PINGS = 5
_AIR_CHANNEL = "air.temp_c"
_FEWEST_ECHOES = 3
# Limit of waiting for the pulse and of measuring it: 4.5 m take 28 ms at 10 C.
_CAP_US = 30_000
_GAP_MS = 61
_ZERO_CENTI_K = 27_315
# Error allowed for waves, and for a cold or hot headspace.
_SCATTER_UM = 20_000


class UltrasonicLevel:
    """One ranger above the water; `pinger` returns the echo times in us.

    Readings up to `blind_mm` are faults. The signal is digital, so there is no spread.
    """

    spread_uv = None

    def __init__(self, spec, pinger, blind_mm, range_mm):
        self._part = spec["part"]
        self._water_channel = spec["source"] + ".temp_c"
        self._height_mm = spec["height_mm"]
        self._pinger = pinger
        self._blind_mm = blind_mm
        self._range_mm = range_mm

    async def read(self, context):
        """Return {"level_mm": depth of water}. Raises SensorError."""
        # Without an air sensor, the water temperature approximates the headspace.
        has_air = context.get(_AIR_CHANNEL) is not None
        channel = _AIR_CHANNEL if has_air else self._water_channel
        centi_c = centi_celsius(self._part, context, channel)
        echoes_us = sorted(await self._pinger.echoes_us())
        echo_us = echoes_us[len(echoes_us) // 2]
        if distance_um(echoes_us[-2] - echoes_us[1], centi_c) > _SCATTER_UM:
            raise SensorError(self._part, "noisy", f"{echoes_us} us")
        distance_mm = divide_rounded(distance_um(echo_us, centi_c), 1000)
        return {"level_mm": level_mm(
            self._part, self._height_mm, distance_mm, self._blind_mm, self._range_mm)}


class EchoLine:
    """Measures echoes on a trigger and an echo line. `gpio` has Pin, time_pulse_us, sleep_us."""

    def __init__(self, spec, gpio, clock, trigger_us):
        self._part = spec["part"]
        self._gpio = gpio
        self._clock = clock
        self._trigger_us = trigger_us
        self._trigger = gpio.Pin(spec["trigger_pin"], gpio.Pin.OUT, value=0)
        self._echo = gpio.Pin(spec["echo_pin"], gpio.Pin.IN)

    async def echoes_us(self):
        """Return the echo times of five pings in us. Raises SensorError."""
        found = []
        has_answered = False
        for _ in range(PINGS):
            await self._clock.sleep_ms(_GAP_MS)  # the previous echo must have faded
            self._trigger.value(1)
            self._gpio.sleep_us(self._trigger_us)
            self._trigger.value(0)
            echo_us = self._gpio.time_pulse_us(self._echo, 1, _CAP_US)
            has_answered = has_answered or echo_us != -2
            if echo_us > 0:
                found.append(echo_us)
        return require_echoes(self._part, found, has_answered)


def require_echoes(part, echoes_us, has_answered):
    """Return `echoes_us` if they suffice for a median. Raises SensorError."""
    if len(echoes_us) >= _FEWEST_ECHOES:
        return echoes_us
    fault = "timeout" if has_answered else "no_ack"
    raise SensorError(part, fault, f"{len(echoes_us)} of {PINGS} echoes")


def distance_um(echo_us, centi_c):
    """Return the distance in um of an echo that takes `echo_us` both ways."""
    return echo_us * speed_mm_s(centi_c) // 2_000


def speed_mm_s(centi_c):
    """Return the speed of sound in air in mm/s, exact to 0.03 mm/s with a 24-bit mantissa."""
    return int(331_300 * ((centi_c + _ZERO_CENTI_K) / _ZERO_CENTI_K) ** 0.5 + 0.5)

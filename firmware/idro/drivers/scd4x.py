"""SCD40, SCD41: I2C sensors of CO2, air temperature and humidity, at 100 kHz.

Sensirion SCD4x datasheet v1.4: periodic measurement, one every 5 s; 1 ms between a command and
its response, 500 ms after a stop. A running measurement ignores a start, so it is stopped first.
After a failure it is started again, because the part may have lost its supply.
"""

from idro.drivers.shared.analog import divide_rounded
from idro.drivers.shared.bus_retry import with_retries
from idro.drivers.shared.i2c_sensor import I2cSensor
from idro.drivers.shared.sensirion import words_of
from idro.errors import SensorError

PART = "scd4x"

_START, _STOP = b"\x21\xb1", b"\x3f\x86"
_IS_READY, _READ = b"\xe4\xb8", b"\xec\x05"
_STOP_MS = 501
_COMMAND_MS = 2
_READY_BITS = 0x07FF
_POLL_MS = 500
_POLLS = 13  # a period of 5 s, 10 % slow, and one spare poll


def build(spec, bus, clock, settings):
    """Return the Scd4x of a board's sensor entry; `bus` is a machine.I2C."""
    return Scd4x(spec, bus, clock)


class Scd4x(I2cSensor):
    """One sensor."""

    _is_running = False

    async def read(self, context):
        """Return {"co2_ppm": ppm, "temp_c": C, "rh_pct": 0..100}. Raises SensorError."""
        if not self._is_running:
            await with_retries(PART, self._start)
        self._is_running = False
        await self._wait()
        co2_ppm, raw_temp, raw_rh = await with_retries(PART, self._words, _READ, 3)
        if co2_ppm == 0:
            raise SensorError(PART, "power_on_value", "0 ppm")
        self._is_running = True
        centi_c = divide_rounded(17_500 * raw_temp, 65_535) - 4_500
        deci_pct = divide_rounded(1_000 * raw_rh, 65_535)
        return {"co2_ppm": co2_ppm, "temp_c": centi_c / 100, "rh_pct": deci_pct / 10}

    async def _start(self):
        self._i2c.writeto(self._address, _STOP)
        await self._clock.sleep_ms(_STOP_MS)
        self._i2c.writeto(self._address, _START)
        await self._clock.sleep_ms(_COMMAND_MS)

    async def _wait(self):
        for _ in range(_POLLS):
            if (await with_retries(PART, self._words, _IS_READY, 1))[0] & _READY_BITS:
                return
            await self._clock.sleep_ms(_POLL_MS)
        raise SensorError(PART, "timeout", f"nothing in {_POLLS * _POLL_MS} ms")

    async def _words(self, command, count):
        self._i2c.writeto(self._address, command)
        await self._clock.sleep_ms(_COMMAND_MS)
        return words_of(PART, self._i2c.readfrom(self._address, 3 * count))

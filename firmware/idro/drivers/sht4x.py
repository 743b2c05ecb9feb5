"""SHT40, SHT41, SHT45: I2C sensors of air temperature and humidity.

Sensirion SHT4x datasheet v6: command 4.5, conversion 4.6. A high precision measurement takes at
most 8.3 ms. The heater stays off: it would distort the reading.
"""

from idro.drivers.shared.sensirion import AirSensor

PART = "sht4x"

_MEASURE_HIGH_PRECISION = b"\xfd"
_MEASURE_MS = 10
_RH_DECI_PCT = (1_250, -60)


def build(spec, bus, clock, settings):
    """Return the AirSensor of a board's sensor entry; `bus` is a machine.I2C."""
    return AirSensor(PART, spec, bus, clock, _MEASURE_HIGH_PRECISION, _MEASURE_MS,
                     _RH_DECI_PCT)

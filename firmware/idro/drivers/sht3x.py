"""SHT30, SHT31, SHT35: I2C sensors of air temperature and humidity.

Sensirion SHT3x-DIS datasheet v7: single shot 4.3, conversion 4.13. A measurement of high
repeatability takes at most 15.5 ms, here without clock stretching, which would hold the bus. The
heater stays off: it would distort the reading.
"""

from idro.drivers.shared.sensirion import AirSensor

PART = "sht3x"

_MEASURE_HIGH_REPEATABILITY = b"\x24\x00"
_MEASURE_MS = 17
_RH_DECI_PCT = (1_000, 0)


def build(spec, bus, clock, settings):
    """Return the AirSensor of a board's sensor entry; `bus` is a machine.I2C."""
    return AirSensor(PART, spec, bus, clock, _MEASURE_HIGH_REPEATABILITY, _MEASURE_MS,
                     _RH_DECI_PCT)

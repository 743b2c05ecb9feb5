"""What sensors on I2C have in common."""


class I2cSensor:
    """One sensor on a machine.I2C. Its signal is digital, so there is no spread."""

    spread_uv = None

    def __init__(self, spec, i2c, clock):
        self._i2c = i2c
        self._address = spec["address"]
        self._clock = clock

"""HC-SR04: ultrasonic ranger for dry places, 20 mm to 4 m, echo held 38 ms where none returns."""

from idrosim.devices.ultrasonic import Ultrasonic

_LIMITS = (10, 20, 4_000, 38_000)


class HcSr04(Ultrasonic):
    """One part."""

    def __init__(self, clock, distance_mm, air_c):
        super().__init__(clock, distance_mm, air_c, _LIMITS)

"""HC-SR04 ultrasonic range finder: 20 mm to 4 m; without an echo the pulse lasts 38 ms."""

from idrosim.devices.shared.ultrasonic import Ultrasonic

_LIMITS = (10, 20, 4_000, 38_000)


class HcSr04(Ultrasonic):
    """One part."""

    def __init__(self, clock, distance_mm, air_c):
        super().__init__(clock, distance_mm, air_c, _LIMITS)

"""HC-SR04 ultrasonic range finder: 20 mm to 4 m; without an echo the pulse lasts 38 ms."""

from idrosim.devices.shared.ultrasonic import Ultrasonic


class HcSr04(Ultrasonic):
    """One part."""

    LIMITS = (10, 20, 4_000, 38_000)

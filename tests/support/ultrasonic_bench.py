"""Test bench of the ultrasonic rangers, and the oracle's echo times."""

from idro.drivers.shared.ultrasonic import distance_um, speed_mm_s
from idrosim.devices.shared.ultrasonic import echo_us
from support.portable_fakes import FakeClock, FakeGpio, oracle, run

TRIGGER_PIN, ECHO_PIN = 5, 6
HEIGHT_MM = 600
# air temperature in C, distance in m, speed in m/s, echo in us, distance in m at 340 m/s
TIMES = (
    (10, 0.02, "337.31", "118.6", "0.0202"), (20, 0.25, "343.21", "1456.8", "0.2477"),
    (25, 1.0, "346.13", "5778.2", "0.9823"), (30, 0.5, "349.02", "2865.2", "0.4871"),
    (30, 4.0, "349.02", "22921.4", "3.8966"),
)


class Bench:
    """A driver and its part on a trigger and an echo pin; `level_mm` is the water level."""

    def __init__(self, driver, part_class, level_mm=200.0, air_c=20.0, height_mm=HEIGHT_MM):
        self.level_mm = level_mm
        self.air_c = air_c
        self.clock = FakeClock()
        self.part = part_class(
            self.clock, lambda: height_mm - self.level_mm, lambda: self.air_c
        )
        gpio = FakeGpio(self.clock, {TRIGGER_PIN: self.part, ECHO_PIN: self.part})
        spec = {"source": "reservoir", "part": driver.PART, "height_mm": height_mm,
                "trigger_pin": TRIGGER_PIN, "echo_pin": ECHO_PIN}
        self.sensor = driver.build(spec, gpio, self.clock, {})

    def reading(self):
        """Return the coroutine of one reading at the temperature of the air."""
        return self.sensor.read({"air.temp_c": self.air_c})

    def read(self):
        """Return the reading of the driver."""
        return run(self.reading())


def check_times(rows):
    """Assert speed, echo and distance of rows of the oracle's table."""
    for air_c, distance_m, speed_m_s, width_us, _ in rows:
        air_c, distance_m = float(air_c), float(distance_m)
        centi_c = int(air_c * 100)
        assert f"{speed_mm_s(centi_c) / 1000:.2f}" == speed_m_s
        assert f"{echo_us(distance_m * 1000, air_c):.1f}" == width_us
        # time_pulse_us counts whole us, which are 0.17 mm each.
        found_um = distance_um(int(float(width_us) + 0.5), centi_c)
        assert abs(found_um - distance_m * 1_000_000) < 120, (air_c, distance_m, found_um)


def oracle_times():
    """Return the rows of the oracle's table."""
    return oracle("hw_ultrasonic.csv")

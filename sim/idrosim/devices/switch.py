"""A relay or MOSFET with its load: fully on while the pin is at its driven level."""

from idrosim.devices.shared.load import Load


class Switch(Load):
    """`ratio` is 1.0 while the load is on, else 0.0."""

    def set_duty(self, high_ratio):
        raise AssertionError("switch: a relay must not be driven by PWM")

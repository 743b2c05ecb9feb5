"""A peristaltic pump with its MOSFET: full flow while the pin is at its driven level."""

from idrosim.devices.shared.load import Load


class Doser(Load):
    """`ratio` is the share of the nominal flow."""

    def set_duty(self, high_ratio):
        raise AssertionError("doser: a dosing pump must not be driven by PWM")

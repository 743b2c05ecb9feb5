"""A switched load behind a relay or a MOSFET: circulation pump, top-off valve.

A run may be extended while it lasts: whoever wants the load on asks again before the run ends.
"""

from idro.drivers.digital_output import DigitalOutput


def build(spec, pin, timer, clock, one_shot=0):
    """Return the OnOff of a board's actuator entry."""
    return DigitalOutput(spec, pin, timer, clock, one_shot)

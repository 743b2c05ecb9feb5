"""Switched load behind a relay or a MOSFET, such as a circulation pump or a top-off valve.

A run may be extended by another on() before it ends.
"""

from idro.drivers.shared.digital_output import DigitalOutput


def build(spec, pin, timer, clock):
    """Return the DigitalOutput of a board's actuator entry."""
    return DigitalOutput(spec, pin, timer, clock)

"""Peristaltic dosing pump behind a MOSFET: its on-time determines the volume.

Unlike a switched load it cannot be restarted while it runs: max_on_ms limits the whole dose.
"""

from idro.drivers.shared.digital_output import DigitalOutput


def build(spec, pin, timer, clock):
    """Return the Doser of a board's actuator entry."""
    return Doser(spec, pin, timer, clock)


class Doser(DigitalOutput):
    """One dosing pump."""

    def on(self, for_ms):
        """Run for `for_ms`. Raises ActuatorError, with the pump off."""
        if self.is_on:
            self.refuse("started while it ran")
        super().on(for_ms)

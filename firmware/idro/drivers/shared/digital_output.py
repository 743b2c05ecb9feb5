"""Digital output with a cut-off timer: base of dosing pumps and switched loads."""

from idro.drivers.shared.cutoff_timer import Cutoff


class DigitalOutput:
    """Drives one machine.Pin output, safe from construction on.

    `spec` is the board's actuator entry: name, max_on_ms, safe_level; `timer` the CutoffTimer.
    """

    def __init__(self, spec, pin, timer, clock):
        self._pin = pin
        self._safe_level = spec["safe_level"]
        self._drive_safe()
        self._cutoff = Cutoff(spec, self._drive_safe, timer, clock)

    @property
    def is_on(self):
        """True while the output is driven."""
        return self._cutoff.is_running

    @property
    def on_ms_total(self):
        """On-time since boot in ms."""
        return self._cutoff.on_ms_total

    def on(self, for_ms):
        """Switch on for `for_ms`; a running output gets the new end. Raises ActuatorError."""
        self._cutoff.start(for_ms, self._drive_on)

    def off(self):
        """Switch off. Return the ms it was on since the last off(), cut or not."""
        return self._cutoff.stop()

    def lost(self):
        """End the run: the expander has switched the output off."""
        self._cutoff.lost()

    def refuse(self, detail):
        """Switch off and raise ActuatorError."""
        self._cutoff.refuse(detail)

    def _drive_safe(self):
        self._pin.value(self._safe_level)

    def _drive_on(self):
        self._pin.value(1 - self._safe_level)

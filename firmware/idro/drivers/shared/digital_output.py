"""Digital output with a cut-off timer: base of dosing pumps and switched loads."""

from idro.drivers.shared.cutoff_timer import Cutoff


class DigitalOutput(Cutoff):
    """Drives one machine.Pin output; see Cutoff."""

    def __init__(self, spec, pin, timer, clock):
        self._pin = pin
        self._safe_level = spec["safe_level"]
        super().__init__(spec, self._drive_safe, timer, clock)

    def on(self, for_ms):
        """Switch on for `for_ms`; a running output gets the new end. Raises ActuatorError."""
        self.start(for_ms, self._drive_on)

    def _drive_safe(self):
        self._pin.value(self._safe_level)

    def _drive_on(self):
        self._pin.value(1 - self._safe_level)

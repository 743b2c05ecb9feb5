"""The load on an output: base of dosing pumps, switches and dimmers."""

FAULTS = ("unplugged", "stuck", "shorted")


class Load:
    """One load. `ratio` is the share of its full flow, current or light, 0.0 to 1.0.

    fault: None, "unplugged" (off), "stuck" (a welded contact: keeps its state) or "shorted" (a
    broken transistor: always on).
    """

    def __init__(self, safe_level=0):
        self._safe_level = safe_level
        self._driven_ratio = 0.0
        self._stuck_ratio = 0.0
        self._fault = None

    def set_level(self, level):
        """Set the level of the pin."""
        assert level in (0, 1), f"load: pin level {level}"
        self._driven_ratio = 0.0 if level == self._safe_level else 1.0

    def set_duty(self, high_ratio):
        """Set the share of time the PWM pin is high."""
        assert 0.0 <= high_ratio <= 1.0, f"load: duty {high_ratio}"
        self._driven_ratio = 1.0 - high_ratio if self._safe_level else high_ratio

    @property
    def fault(self):
        return self._fault

    @fault.setter
    def fault(self, fault):
        assert fault is None or fault in FAULTS, f"load: unknown fault {fault}"
        self._stuck_ratio = self.ratio
        self._fault = fault

    @property
    def ratio(self):
        if self._fault == "stuck":
            return self._stuck_ratio
        if self._fault == "unplugged":
            return 0.0
        return 1.0 if self._fault == "shorted" else self._driven_ratio

"""Manual overrides: a person runs or stops an output for a limited time."""

from idro.protocol.reason import Reason
from idro.safety.outputs import CONTROL, Refused

_BY_HAND = Reason("by_hand")


class Overrides:
    """Overrides by actuator, and the leases of switches. An override passes the same gate."""

    def __init__(self, clock, gate, readings):
        self._clock = clock
        self._gate = gate
        self._readings = readings
        self._overrides = {}  # actuator: (until_ms, duty_pct, by)

    def set(self, actuator, for_ms, duty_pct, by):
        """Override `actuator` for for_ms. duty_pct 0 is off; a switch is on at any other."""
        self._overrides[actuator] = (self._clock.now_ms() + for_ms, duty_pct, by)

    def clear(self, actuator):
        """Delete the override of `actuator`."""
        self._overrides.pop(actuator, None)

    def of(self, actuator):
        """Return (ms left, duty_pct, by) of the active override, or None."""
        override = self._overrides.get(actuator)
        if override is None:
            return None
        left_ms = override[0] - self._clock.now_ms()
        if left_ms <= 0:
            del self._overrides[actuator]
            return None
        return left_ms, override[1], override[2]

    def lease(self, name, decision):
        """Lease or end a switch by its override or `decision`. Returns the Reason why refused, or
        None."""
        for_ms, reason, by = decision.on_ms, decision.reason, CONTROL
        override = self.of(name)
        if override is not None:
            for_ms = override[0] if override[1] else None
            reason, by = _BY_HAND, override[2]
        try:
            if for_ms is None:
                self._gate.end(name, reason)
            else:
                self._gate.run(name, for_ms, reason, by, self._readings)
        except Refused as refused:
            return refused.reason  # the gate has recorded it and left the output off
        return None

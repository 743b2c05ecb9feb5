"""The safety gate while an application is on trial: it refuses all doses."""

from idro.protocol.reason import Reason
from idro.safety.gate import Gate
from idro.update import slots


class TrialGate(Gate):
    """A Gate that refuses every dose until the application is confirmed."""

    def _blocked(self, doser, readings, by) -> Reason | None:
        if slots.running.state == "trial":
            return Reason("trial")
        return super()._blocked(doser, readings, by)

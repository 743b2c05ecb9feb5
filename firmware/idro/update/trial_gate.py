"""The safety gate while an application is on trial: it refuses all doses."""

from idro.safety.gate import Gate
from idro.update import slots


class TrialGate(Gate):
    """A Gate that refuses every dose until the application is confirmed."""

    def _blocked(self, doser, readings, by) -> tuple | None:
        if slots.running.state == "trial":
            return "trial", "an update is on trial and not confirmed yet"
        return super()._blocked(doser, readings, by)

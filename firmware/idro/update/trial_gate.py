"""The safety gate while an application is on trial: everything but doses."""

from idro.safety.gate import Gate
from idro.update import slots


class TrialGate(Gate):
    """A Gate that gives no dose, to nobody, before the application is confirmed."""

    def _blocked(self, doser, readings, by) -> tuple | None:
        if slots.running.state == "trial":
            return "trial", "an update is on trial and not confirmed yet"
        return super()._blocked(doser, readings, by)

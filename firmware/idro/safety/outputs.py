"""Registry of the actuators behind the safety gate, and its refusals."""

from collections import namedtuple

from idro.errors import NodeError
from idro.protocol.reason import Reason

CONTROL = "control"

# kind is "doser", "switch" or "dimmer".
Output = namedtuple("Output", ("name", "kind", "driver", "max_on_ms"))


class Refused(NodeError):
    """The safety gate, or an action, refuses; `reason` is a Reason."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


class Outputs:
    """Every actuator by name; records each new refusal as an event."""

    def __init__(self, outputs, record_event):
        """`outputs` maps names to Output."""
        self._outputs = outputs
        self._record_event = record_event
        self._refused_codes = {}  # actuator: code of its last refusal

    def driver(self, name):
        """Return the driver of an actuator, or None if the board has none."""
        output = self._outputs.get(name)
        return output.driver if output else None

    def of_kind(self, kind):
        """Return every Output of a kind."""
        return [output for output in self._outputs.values() if output.kind == kind]

    def all(self):
        """Return every Output."""
        return self._outputs.values()

    def find(self, name, kind, by):
        """Return the Output `name` of a kind. Raises Refused."""
        output = self._outputs.get(name)
        if output is None:
            raise self.refusal(name, by, Reason("no_output", actuator=name))
        if output.kind != kind:
            raise self.refusal(
                name, by, Reason("wrong_kind", actuator=name, kind=output.kind))
        return output

    def refusal(self, name, by, reason):
        """Return a Refused to raise. Records an event: every time for a person, once a code for
        control."""
        if by != CONTROL or self._refused_codes.get(name) != reason.code:
            detail = {"actuator": name, "reason": reason, "by": by}
            self._record_event("refused", detail)
        self._refused_codes[name] = reason.code
        return Refused(reason)

    def clear_refusal(self, name):
        """Forget the last refusal, so that the next one is recorded."""
        self._refused_codes.pop(name, None)

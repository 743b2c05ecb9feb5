"""What a person wants an output to do for a while, instead of its program."""

from idro.safety.outputs import Refused


class Overrides:
    """Wishes by actuator, each with an end. A wish passes the same gate as the program."""

    def __init__(self, clock):
        self._clock = clock
        self._wishes = {}  # actuator: (until_ms, duty_pct, by)

    def set(self, actuator, for_ms, duty_pct, by):
        """Let `actuator` be at duty_pct (0 is off, a switch is on at any other) for for_ms."""
        self._wishes[actuator] = (self._clock.now_ms() + for_ms, duty_pct, by)

    def clear(self, actuator):
        """Forget the wish for `actuator`."""
        self._wishes.pop(actuator, None)

    def of(self, actuator):
        """Return (ms left, duty_pct, by) of the wish in force, or None."""
        wish = self._wishes.get(actuator)
        if wish is None:
            return None
        left_ms = wish[0] - self._clock.now_ms()
        if left_ms <= 0:
            del self._wishes[actuator]
            return None
        return left_ms, wish[1], wish[2]


def check_kind(outputs, actuator):
    """Return the kind of a switch or dimmer. Raises Refused for a doser or an unknown name."""
    output = outputs.get(actuator)
    if output is None:
        raise Refused("unknown", f"there is no {actuator}")
    if output.kind == "doser":
        raise Refused("kind", f"{actuator} takes a dose, not a run")
    return output.kind

"""What flows through a node: samples one way, decisions to the gate, actuations back."""

from collections import namedtuple

# One reading of one channel. Exactly one of value and fault is not None.
Sample = namedtuple("Sample", ("channel", "value", "fault", "at_ms"))

# What control wants. actuator None = hold; the reason is never empty. A doser takes volume_ul,
# a switch takes on_ms, a dimmer takes duty_pct; the other two are None.
Decision = namedtuple("Decision", ("actuator", "volume_ul", "on_ms", "duty_pct", "reason"))

# What happened at an output, told by the driver and never by the intent.
Actuation = namedtuple("Actuation", ("actuator", "volume_ul", "on_ms", "at_ms", "reason"))


def hold(reason):
    """Return the Decision to do nothing, with its reason."""
    return Decision(None, None, None, None, reason)

"""Types passed within a node: samples, decisions of control and actuations of the gate."""

from collections import namedtuple

# One reading of one channel. Exactly one of value and fault is not None.
Sample = namedtuple("Sample", ("channel", "value", "fault", "at_ms"))

# actuator None = hold; `reason` is a Reason. A doser takes volume_ul, a switch on_ms, a dimmer
# duty_pct; the other two are None.
Decision = namedtuple("Decision", ("actuator", "volume_ul", "on_ms", "duty_pct", "reason"))

# What a doser really gave, as measured by its driver; `cut` is the Reason why it was cut short,
# or None.
Actuation = namedtuple("Actuation", ("actuator", "volume_ul", "on_ms", "at_ms", "cut"))


def hold(reason):
    """Return the Decision to do nothing, with its Reason."""
    return Decision(None, None, None, None, reason)

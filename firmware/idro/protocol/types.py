"""Types passed within a node: samples, decisions of control and actuations of the gate."""

from collections import namedtuple

# One reading of one channel. Exactly one of value and fault is not None.
Sample = namedtuple("Sample", ("channel", "value", "fault", "at_ms"))

# actuator None = hold; the reason is never empty. A doser takes volume_ul, a switch on_ms, a
# dimmer duty_pct; the other two are None.
Decision = namedtuple("Decision", ("actuator", "volume_ul", "on_ms", "duty_pct", "reason"))

# What an output really did, as measured by its driver.
Actuation = namedtuple("Actuation", ("actuator", "volume_ul", "on_ms", "at_ms", "reason"))


def hold(reason):
    """Return the Decision to do nothing, with its reason."""
    return Decision(None, None, None, None, reason)

"""Exceptions of the node.

NodeError
    SensorError(sensor, fault, detail)   a read failed; `fault` is a code of protocol.faults
    ActuatorError(actuator, detail)      an output could not be driven as asked
    ProtocolError(why)                   received bytes are not a valid message
    SettingsError(reason)                a settings value was rejected; the old one stays active
    LinkError(why)                       Wi-Fi, broker or socket failed; retryable
    LedgerError(reason)                  the dose ledger cannot be trusted
    UpdateError(reason)                  a release was rejected; the current one keeps running

A `why` is an English text for the log, a `reason` a protocol.reason.Reason.
"""


class NodeError(Exception):
    """Base of every exception the node raises."""


class SensorError(NodeError):
    """A read failed. `fault` is a code of protocol.faults, `detail` the response."""

    def __init__(self, sensor, fault, detail=""):
        super().__init__(f"{sensor}: {fault} {detail}")
        self.sensor = sensor
        self.fault = fault
        self.detail = detail


class ActuatorError(NodeError):
    """An output could not be driven as asked."""

    def __init__(self, actuator, detail):
        super().__init__(f"{actuator}: {detail}")
        self.actuator = actuator
        self.detail = detail


class _WithWhy(NodeError):
    def __init__(self, why):
        super().__init__(why)
        self.why = why


class ProtocolError(_WithWhy):
    """Received bytes are not a valid message. `why` names the field."""


class _WithReason(NodeError):
    def __init__(self, reason):
        super().__init__(repr(reason))
        self.reason = reason


class SettingsError(_WithReason):
    """A settings value was rejected; the old one stays active. `reason` names the setting."""


class LinkError(_WithWhy):
    """Wi-Fi, broker or socket failed. Always retryable."""


class LedgerError(_WithReason):
    """The dose ledger cannot be trusted: the day's budget counts as spent."""


class UpdateError(_WithReason):
    """A release was rejected; the current one keeps running."""


# What hardware may raise. One tuple, made early: memory may be refused when it is needed.
FAILURES = (OSError, MemoryError)

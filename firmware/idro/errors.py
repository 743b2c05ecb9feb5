"""Exceptions of the node.

NodeError
    SensorError(sensor, fault, detail)   a read failed; `fault` is a code of protocol.faults
    ActuatorError(actuator, detail)      an output could not be driven as asked
    ProtocolError(why)                   received bytes are not a valid message
    SettingsError(key, why)              a settings value was rejected; the old one stays active
    LinkError(why)                       Wi-Fi, broker or socket failed; retryable
    LedgerError(why)                     the dose ledger cannot be trusted
    UpdateError(why)                     a release was rejected; the current one keeps running
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


class SettingsError(NodeError):
    """A settings value was rejected; the old one stays active. `key` names the setting."""

    def __init__(self, key, why):
        super().__init__(f"{key}: {why}")
        self.key = key
        self.why = why


class LinkError(_WithWhy):
    """Wi-Fi, broker or socket failed. Always retryable."""


class LedgerError(_WithWhy):
    """The dose ledger cannot be trusted: the day's budget counts as spent."""


class UpdateError(_WithWhy):
    """A release was rejected; the current one keeps running. `why` is for the operator."""

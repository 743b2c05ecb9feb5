"""The error tree of the node.

NodeError
    SensorError(sensor, fault, detail)   a read failed; `fault` is a code of protocol.faults
    ActuatorError(actuator, detail)      an output could not be driven as asked
    ProtocolError(why)                   bytes from outside are not a message of ours
    SettingsError(key, why)              a settings value was refused; the old one stays
    LinkError(why)                       Wi-Fi, broker or socket failed; retryable
    LedgerError(why)                     the dose ledger cannot be trusted
    UpdateError(why)                     a release is not taken; what runs goes on running
"""


class NodeError(Exception):
    """Root of everything the node raises on purpose."""


class SensorError(NodeError):
    """A read failed. `fault` is one of protocol.faults, `detail` says what came back."""

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
    """Bytes from outside are not a message of the contract. `why` names the field."""


class SettingsError(NodeError):
    """A settings value was refused; the value in force stays. Names the key."""

    def __init__(self, key, why):
        super().__init__(f"{key}: {why}")
        self.key = key
        self.why = why


class LinkError(_WithWhy):
    """Wi-Fi, broker or socket failed. Always retryable."""


class LedgerError(_WithWhy):
    """The dose ledger cannot be trusted: the day's budget counts as spent."""


class UpdateError(_WithWhy):
    """A release is not taken; what runs goes on running. `why` is for the operator."""

"""The error tree of the host.

HostError
    ConfigError(file, key, why)     the configuration cannot be used; nothing was started
    BoardError(file, key, why)      a board file was refused
    RecipeError(file, key, why)     a recipe was refused
    StoreError(why)
        StoreUnavailable            the store does not answer; the same write may be tried again
        StoreRejected               the store refuses this content for good
    SpoolError(why)                 the spool cannot take more: disk full or broken; retryable
    UnknownNode(node)               nobody ever heard of this node
    NotAdopted(node)                the node is seen, but the host holds no key for it
    OtherKey(node)                  the board has a key that the host does not hold
"""


class HostError(Exception):
    """Root of everything the host raises on purpose."""


class _LocatedError(HostError):
    def __init__(self, file: str, key: str, why: str) -> None:
        super().__init__(f"{file}: {key}: {why}" if key else f"{file}: {why}")
        self.file = file
        self.key = key
        self.why = why


class ConfigError(_LocatedError):
    """The configuration cannot be used. Names the file (or source), the key and why."""


class BoardError(_LocatedError):
    """A board or parts file was refused. Names the file, the key and why."""


class RecipeError(_LocatedError):
    """A recipe was refused. Names the file, the key and why."""

    exit_code = 2


class _ReasonedError(HostError):
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class StoreError(_ReasonedError):
    """The store did not do what it was asked."""


class StoreUnavailable(StoreError):
    """The store does not answer, or not now. The same write may be tried again."""


class StoreRejected(StoreError):
    """The store refuses this content for good."""


class SpoolError(_ReasonedError):
    """The spool took nothing of this commit: disk full or broken. May be tried again."""


class UnknownNode(HostError):
    """Nobody ever heard of this node."""

    def __init__(self, node: str) -> None:
        super().__init__(f"unknown node {node}")
        self.node = node


class NotAdopted(HostError):
    """The node is seen, but the host holds no key for it: adopt it first."""

    def __init__(self, node: str) -> None:
        super().__init__(f"{node}: not adopted")
        self.node = node


class KeyMismatch(HostError):
    """The board has a key that the host does not hold for this node."""

    def __init__(self, node: str) -> None:
        super().__init__(f"{node}: the board has another key than the host: give it a new one "
                         "with `idroserra provision --new-key`")
        self.node = node

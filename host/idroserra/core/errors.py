"""The exceptions of the host, all derived from HostError."""

from __future__ import annotations

from idroserra.core.text import Text


class HostError(Exception):
    """Base class of the host's exceptions."""


class InvalidInput(HostError):
    """What was sent is wrong; the message says what."""


class NotFound(HostError):
    """What was named does not exist."""


class Conflict(HostError):
    """Refused as things are now; the message says what to do."""


class Forbidden(HostError):
    """Refused to this person."""


class TooMany(HostError):
    """Refused for a while: too many requests. wait_s: for so long, None if unknown."""

    wait_s: int | None = None


class _LocatedError(HostError):
    def __init__(self, file: str, key: str, why: str) -> None:
        template = "{file}: {key}: {why}" if key else "{file}: {why}"
        super().__init__(Text(template, file=file, key=key, why=why))
        self.file = file
        self.key = key
        self.why = why


class ConfigError(_LocatedError):
    """Invalid configuration: the file (or source), the key and why."""


class BoardError(InvalidInput, _LocatedError):
    """Invalid board or parts file: the file, the key and why."""


class RecipeError(InvalidInput, _LocatedError):
    """Invalid recipe: the file, the key and why. is_setting: the value of a setting is wrong."""

    exit_code = 2

    def __init__(self, file: str, key: str, why: str, *, is_setting: bool = False) -> None:
        super().__init__(file, key, why)
        self.is_setting = is_setting


class _ReasonedError(HostError):
    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class StoreError(_ReasonedError):
    """A request to the store failed.

    failed_unix_ms: since when a database cannot be read; None for another failure."""

    failed_unix_ms: int | None = None


class StoreUnavailable(StoreError):
    """The store does not answer. The same write may be retried."""


class StoreRejected(StoreError):
    """The store refuses this content; a retry is useless."""


class SpoolError(_ReasonedError):
    """The commit failed as a whole: disk full or broken. It may be retried."""


class UnknownNode(NotFound):
    """The host has no node of this name."""

    def __init__(self, node: str) -> None:
        super().__init__(f"unknown node {node}")
        self.node = node


class NotAdopted(Conflict):
    """The node is online, but the host holds no key for it: adopt it first."""

    def __init__(self, node: str) -> None:
        super().__init__(f"{node}: not adopted")
        self.node = node


class KeyMismatch(Conflict):
    """The board has a different key than the host holds for this node."""

    def __init__(self, node: str) -> None:
        super().__init__(f"{node}: the board's key differs from the host's: set a new one "
                         "over USB (docs/flash.md)")
        self.node = node

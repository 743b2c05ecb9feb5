"""The exceptions of the host, all derived from HostError.

HostError
    ConfigError(file, key, why)     invalid configuration; nothing was started
    BoardError(file, key, why)      invalid board file
    RecipeError(file, key, why)     invalid recipe
    StoreError(why)
        StoreUnavailable            the store does not answer; retryable
        StoreRejected               the store refuses this content; permanent
    SpoolError(why)                 the spool cannot be written: disk full or broken; retryable
    UnknownNode(node)               the host has no node of this name
    NotAdopted(node)                the node is online, but the host holds no key for it
    KeyMismatch(node)               the board has a different key than the host
"""


from __future__ import annotations

from idroserra.core.text import Text


class HostError(Exception):
    """Base class of the host's exceptions."""


class _LocatedError(HostError):
    def __init__(self, file: str, key: str, why: str) -> None:
        template = "{file}: {key}: {why}" if key else "{file}: {why}"
        super().__init__(Text(template, file=file, key=key, why=why))
        self.file = file
        self.key = key
        self.why = why


class ConfigError(_LocatedError):
    """Invalid configuration: the file (or source), the key and why."""


class BoardError(_LocatedError):
    """Invalid board or parts file: the file, the key and why."""


class RecipeError(_LocatedError):
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


class UnknownNode(HostError):
    """The host has no node of this name."""

    def __init__(self, node: str) -> None:
        super().__init__(f"unknown node {node}")
        self.node = node


class NotAdopted(HostError):
    """The node is online, but the host holds no key for it: adopt it first."""

    def __init__(self, node: str) -> None:
        super().__init__(f"{node}: not adopted")
        self.node = node


class KeyMismatch(HostError):
    """The board has a different key than the host holds for this node."""

    def __init__(self, node: str) -> None:
        super().__init__(f"{node}: the board's key differs from the host's: set a new one "
                         "over USB (docs/flash.md)")
        self.node = node

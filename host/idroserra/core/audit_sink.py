"""The audit log as the parts see it that write to it without knowing where it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

# Rows that a thread adds within this context are written in one transaction.
AuditTogether = Callable[[], AbstractContextManager[None]]


class AuditSink(Protocol):
    """Writes a row of the audit log."""

    def __call__(
        self, who: str, action: str, *, target: str = "", address: str = "host",
        detail: Mapping[str, Any] | None = None, result: str = "done", reason: str = "",
    ) -> None: ...


def no_audit(who: str, action: str, **_: Any) -> None:
    """Write nothing."""

"""The audit log as the parts see it that write to it without knowing where it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class AuditSink(Protocol):
    """Writes a row of the audit log."""

    def __call__(
        self, who: str, action: str, *, target: str = "", address: str = "host",
        detail: Mapping[str, Any] | None = None, result: str = "done", reason: str = "",
    ) -> None: ...


def no_audit(who: str, action: str, **_: Any) -> None:
    """Write nothing."""

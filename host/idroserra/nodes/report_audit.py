"""Limits the rows of the audit log about settings that a node reports."""

from __future__ import annotations

from dataclasses import dataclass

MAX_ROWS = 20  # of one node within EVERY_MS
EVERY_MS = 600_000


@dataclass
class _Window:
    began_unix_ms: int
    rows: int = 0
    left_out: int = 0


class ReportAuditLimit:
    """Counts the rows of each node. Not thread-safe."""

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}

    def detail(self, node: str, rev: int, now_unix_ms: int) -> dict[str, int] | None:
        """Return the detail of the row for a report, with the number of rows that were left out
        before it; None if this row is to be left out too."""
        window = self._windows.get(node)
        if window is None or not 0 <= now_unix_ms - window.began_unix_ms < EVERY_MS:
            left_out = 0 if window is None else window.left_out
            self._windows[node] = _Window(now_unix_ms, 1)
            return {"rev": rev, "left_out": left_out} if left_out else {"rev": rev}
        if window.rows == MAX_ROWS:
            window.left_out += 1
            return None
        window.rows += 1
        return {"rev": rev}

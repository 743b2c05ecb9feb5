"""Markdown tables and anchors of the generated pages."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |"
                     for line in lines) + "\n"


def anchor(name: str) -> str:
    """Return an anchor that is independent of the heading text."""
    return f'<a id="{name}"></a>\n'


def span(low: object, high: object) -> str:
    """Return "1 to 5", "at least 1", "at most 5" or ""."""
    low, high = (int(one) if isinstance(one, float) and one.is_integer() and abs(one) >= 10
                 else one for one in (low, high))
    if low is None and high is None:
        return ""
    if high is None:
        return f"at least {low}"
    return f"at most {high}" if low is None else f"{low} to {high}"

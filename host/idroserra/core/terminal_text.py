"""Makes text that others wrote safe to print: a terminal obeys control characters, and a notice
in plain text shows line ends.

A log-in name with a line end forges a row of a list, one with ESC clears the screen or writes the
clipboard, and a bidirectional override reorders what is read. Each such character is shown by its
number, such as \\x1b.
"""

from __future__ import annotations

from typing import Any

_SPACES = "\u00a0\u2009\u202f\u3000"  # of texts in several languages; not printable to Python


def printable(text: str) -> str:
    """Return a text of one line, every other character shown by its number."""
    return _shown(text, _SPACES)


def printable_lines(text: str) -> str:
    """Return a text that may have several lines and tabs."""
    return _shown(text, f"{_SPACES}\n\t")


def printable_json(value: Any) -> Any:
    """Return a JSON value with printable_lines() of every text in it."""
    if isinstance(value, str):
        return printable_lines(value)
    if isinstance(value, dict):
        return {printable_lines(key): printable_json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [printable_json(one) for one in value]
    return value


def _shown(text: str, also: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in also else _number(ord(char))
                   for char in text)


def _number(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

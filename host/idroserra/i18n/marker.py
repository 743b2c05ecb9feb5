"""Marks texts for message extraction; N_() is the same as gettext's."""

from __future__ import annotations

from typing import NamedTuple


def N_(text: str) -> str:
    """Return `text` unchanged; it is translated where it is shown."""
    return text


class Plural(NamedTuple):
    """A text with a singular and a plural form, chosen by the value named `counted`."""

    one: str
    many: str
    counted: str

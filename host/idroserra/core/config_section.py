"""The base of the configuration's sections, and how they check values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from idroserra.core.validation import ValidationError

_T = TypeVar("_T")


class Section(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A table of the file. validate() checks types, __post_init__ values and combinations."""


def checked(name: str, check: Callable[..., _T], *values: Any) -> _T:
    """Return check(*values). Turns its ValueError into a ValidationError of the key `name`."""
    try:
        return check(*values)
    except ValueError as error:
        why = str(error)
        raise ValidationError([name], f"{why[:1].lower()}{why[1:]}") from None

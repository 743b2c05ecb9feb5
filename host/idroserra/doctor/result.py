"""One finding of `idroserra doctor`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """state: ok, warn (works, but look) or fail; advice says what to do, empty when ok."""

    name: str
    state: str
    found: str
    advice: str = ""

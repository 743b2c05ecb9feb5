"""The result of one check of `idroserra doctor`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """state: ok, warn or fail. advice: what to do, "" when ok."""

    name: str
    state: str
    found: str
    advice: str = ""

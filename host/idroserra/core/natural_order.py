"""Orders names as people read them: basil-2 before basil-10."""

from __future__ import annotations

import re
from functools import lru_cache

_DIGITS = re.compile("([0-9]+)")


@lru_cache(maxsize=4_096)
def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Return the sort key of a name: its numbers count as numbers, case only decides ties."""
    parts = _DIGITS.split(name)
    return tuple(int(part) if index % 2 else part.casefold()
                 for index, part in enumerate(parts)), name

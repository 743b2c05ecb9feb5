"""When a reading is too old to be shown as the present."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LEAST_STALE_MS = 30_000


def stale_after_ms(settings: Mapping[str, Any]) -> int:
    """Return the age at which a reading of a node with these settings is no news any more."""
    return max(LEAST_STALE_MS, 3 * int(settings.get("sample.every_ms", 0)))

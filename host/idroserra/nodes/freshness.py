"""The age at which a reading counts as stale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LEAST_STALE_MS = 30_000


def stale_after_ms(settings: Mapping[str, Any]) -> int:
    """Return the age in ms from which a reading of a node with these settings is stale."""
    return max(LEAST_STALE_MS, 3 * int(settings.get("sample.every_ms", 0)))

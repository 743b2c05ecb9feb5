"""The request of a preview as plain data, sent to its process as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from idroserra.recipes.model import DAY_MS, MINUTE_MS

WATERS = ("ro", "soft", "medium", "hard")
MOST_DAYS = 14


class PreviewRequest(msgspec.Struct, forbid_unknown_fields=True):
    """One preview. `readings`: fresh ones of the reservoir by quantity: ph, ec_us_cm, ...

    `settings`: all at the start; `changes`: what each later day changes, by day (today is 0).
    `is_earned`: the node has its full dosing authority. `crop`: of the recipe, "" without one.
    """

    node: str
    board: str
    now_unix_ms: int
    days: int
    water: str
    settings: dict[str, Any]
    changes: dict[int, dict[str, Any]]
    readings: dict[str, float]
    is_earned: bool
    ppfd_umol_m2_s: int = 250
    crop: str = ""

    @property
    def local_ms(self) -> int:
        """Milliseconds since local midnight of the node."""
        offset_ms = int(self.settings["clock.utc_offset_min"]) * MINUTE_MS
        return (self.now_unix_ms + offset_ms) % DAY_MS

    @property
    def local_hour(self) -> float:
        """Hours since local midnight of the node."""
        return self.local_ms / 3_600_000

    def day_start_ms(self, day: int) -> int:
        """Return when day `day` begins, in ms from now; 0 for today."""
        return max(0, day * DAY_MS - self.local_ms)

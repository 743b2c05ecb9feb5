"""What is asked of a preview, as plain data: it goes to a process of its own as JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from idroserra.recipes.model import DAY_MS, MINUTE_MS

WATERS = ("ro", "soft", "medium", "hard")
MOST_DAYS = 14


class Request(msgspec.Struct, forbid_unknown_fields=True):
    """One preview. `readings` are fresh ones of the reservoir by quantity: ph, ec_us_cm, ...

    `settings` are all that hold at the start, `changes` what each later day changes, by its day
    from 0 (today). `is_earned`: the node may spend its full budgets.
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

    @property
    def local_ms(self) -> int:
        """Milliseconds since midnight by the node's clock."""
        offset_ms = int(self.settings["clock.utc_offset_min"]) * MINUTE_MS
        return (self.now_unix_ms + offset_ms) % DAY_MS

    @property
    def local_hour(self) -> float:
        """The same in hours."""
        return self.local_ms / 3_600_000

    def day_start_ms(self, day: int) -> int:
        """Return when day `day` begins, in ms from now: today has begun already."""
        return max(0, day * DAY_MS - self.local_ms)

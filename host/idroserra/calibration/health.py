"""How good a pH probe is, 0 to 100, and what follows from it.

score = 100
        - 5 for each % of slope below 95 or above 102
        - 1 for each mV of offset beyond 10
        - 1 for each day of age of the calibration beyond 30, at most 30
        - 5 for each % of slope lost in 30 days beyond 1, at most 20

An electrode at the limits of what is accepted (85 %, 30 mV) has 30. Below 50 a calibration asks
for a new electrode and takes dosing back to a quarter of its budgets; only a person raises it
again.
"""

from __future__ import annotations

from collections.abc import Sequence

POOR_SCORE = 50
POOR_AUTHORITY_PCT = 25
OLD_DAYS, STALE_DAYS = 30, 60
DAY_MS = 86_400_000
DAYS_1970_TO_2000 = 10_957

Slopes = Sequence[tuple[int, float]]  # (unix_ms, slope in %), oldest first


def score(
    slope_pct: float, offset_mv: float, age_days: float, lost_pct_per_30_days: float = 0.0
) -> int:
    """Return the health of a pH probe, 0 to 100."""
    lost = 5.0 * max(0.0, 95.0 - slope_pct, slope_pct - 102.0)
    lost += max(0.0, abs(offset_mv) - 10.0)
    lost += min(30.0, max(0.0, age_days - OLD_DAYS))
    lost += min(20.0, 5.0 * max(0.0, lost_pct_per_30_days - 1.0))
    return max(0, round(100.0 - lost))


def trend(slopes: Slopes) -> float:
    """Return the % of slope that were lost in 30 days, from the last two calibrations at least a
    week apart; 0 where there are none."""
    if not slopes:
        return 0.0
    unix_ms, slope_pct = slopes[-1]
    for before_ms, before_pct in reversed(slopes[:-1]):
        days = (unix_ms - before_ms) / DAY_MS
        if days >= 7:
            return max(0.0, (before_pct - slope_pct) * 30 / days)
    return 0.0


def authority_pct(health: int, asked_pct: int) -> int:
    """Return the share of the budgets that a probe of this health may ask for."""
    return min(asked_pct, POOR_AUTHORITY_PCT) if health < POOR_SCORE else asked_pct


def day_of(unix_ms: int) -> int:
    """Return the day since 2000-01-01, as `ph.calibrated_day` counts."""
    return unix_ms // DAY_MS - DAYS_1970_TO_2000


def days_left(calibrated_day: int, unix_ms: int) -> int | None:
    """Return in how many days the pH probe is due, negative: since when; None for never."""
    return OLD_DAYS - (day_of(unix_ms) - calibrated_day) if calibrated_day else None


def age_warning(calibrated_day: int, unix_ms: int) -> tuple[str, str] | None:
    """Return (level, text) of a pH calibration that is old, None while it is not or none is known.

    Past 60 days the node itself gives no acid or base (idro.control.calibration).
    """
    if not calibrated_day:
        return None
    days = day_of(unix_ms) - calibrated_day
    if days > STALE_DAYS:
        return "bad", (f"The pH probe was calibrated {days} days ago: no acid or base is given "
                       "until it is calibrated.")
    if days > OLD_DAYS:
        return "warn", (f"The pH probe was calibrated {days} days ago: calibrate it; after "
                        f"{STALE_DAYS} days no acid or base is given.")
    return None

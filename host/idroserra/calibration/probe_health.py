"""The health of a pH probe, 0 to 100, and the dosing authority it allows.

score = 100
        - 5 for each % of slope below 95 or above 102
        - 1 for each mV of offset beyond 10
        - 1 for each day of age of the calibration beyond 30, at most 30
        - 5 for each % of slope lost in 30 days beyond 1, at most 20

An electrode at the accepted limits (85 %, 30 mV) scores 30. Below 50 a calibration asks for a new
electrode and reduces the dosing authority to 25 %; only a person raises it again.
"""

from __future__ import annotations

from collections.abc import Sequence

from idroserra.node_state.calibration_age import DAY_MS, OLD_DAYS

POOR_SCORE = 50
POOR_AUTHORITY_PCT = 25

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
    """Return the % of slope lost per 30 days, from the newest calibration and one at least a week
    earlier; 0 without one."""
    if not slopes:
        return 0.0
    unix_ms, slope_pct = slopes[-1]
    for before_ms, before_pct in reversed(slopes[:-1]):
        days = (unix_ms - before_ms) / DAY_MS
        if days >= 7:
            return max(0.0, (before_pct - slope_pct) * 30 / days)
    return 0.0


def authority_pct(health: int, asked_pct: int) -> int:
    """Return the dosing authority in % that a probe of this health allows."""
    return min(asked_pct, POOR_AUTHORITY_PCT) if health < POOR_SCORE else asked_pct

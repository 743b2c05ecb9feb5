"""The age of a pH calibration: when the next one is due, and the warning if it is overdue."""

from __future__ import annotations

from idroserra.core.reasons import Reason

OLD_DAYS, STALE_DAYS = 30, 60
DAY_MS = 86_400_000
DAYS_1970_TO_2000 = 10_957


def day_of(unix_ms: int) -> int:
    """Return the day since 2000-01-01, as `ph.calibrated_day` counts."""
    return unix_ms // DAY_MS - DAYS_1970_TO_2000


def days_left(calibrated_day: int, unix_ms: int) -> int | None:
    """Return the days until a pH calibration is due, negative if overdue; None if never done."""
    return OLD_DAYS - (day_of(unix_ms) - calibrated_day) if calibrated_day else None


def age_reason(calibrated_day: int, unix_ms: int) -> Reason | None:
    """Return the reason to calibrate the pH probe, or None.

    Past 60 days the node itself gives no acid or base (idro.control.calibration_age).
    """
    if not calibrated_day:
        return None
    days = day_of(unix_ms) - calibrated_day
    if days > STALE_DAYS:
        return Reason("ph_calibration_old", days=days)
    return Reason("calibration_due", days=days) if days > OLD_DAYS else None

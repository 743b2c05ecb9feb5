"""What control may do by a probe whose calibration is old: past its time, nothing.

Only a node that knows the date, and was told when its probe was calibrated, can say so; without
either, control goes on as it would without a clock.
"""

from idro.protocol.types import hold

PH_MAX_DAYS = 60
_DAY_MS = 86_400_000
_DAYS_1970_TO_2000 = 10_957


def ph_decision(decision, calibrated_day, unix_ms):
    """Return the pH loop's Decision, or the reason why no acid or base is given by this probe.

    `calibrated_day` is the day of the calibration since 2000, 0 where none is known; `unix_ms` the
    wall time, None where it is not known.
    """
    if decision.actuator is None or not calibrated_day or unix_ms is None:
        return decision
    age_days = unix_ms // _DAY_MS - _DAYS_1970_TO_2000 - calibrated_day
    if age_days <= PH_MAX_DAYS:
        return decision
    return hold(f"held: pH probe was calibrated {age_days} days ago")

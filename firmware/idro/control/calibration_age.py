"""Blocks pH dosing once the calibration of the probe is too old, or missing where it is needed.

The age counts only if the node knows the wall time and the day of the calibration.
"""

from idro.protocol.reason import Reason
from idro.protocol.types import hold

PH_MAX_DAYS = 60
_DAY_MS = 86_400_000
_DAYS_1970_TO_2000 = 10_957


def ph_decision(decision, calibrated_day, unix_ms, needs_calibration):
    """Return `decision` of the pH loop, or a hold if the calibration is older than PH_MAX_DAYS.

    `calibrated_day` counts from 2000-01-01, 0 if unknown; `unix_ms` is the wall time or None.
    With `needs_calibration` it also holds if the day is unknown: the probe was never calibrated.
    """
    if decision.actuator is None:
        return decision
    if needs_calibration and not calibrated_day:
        return hold(Reason("no_ph", fault="uncalibrated"))
    if not calibrated_day or unix_ms is None:
        return decision
    age_days = unix_ms // _DAY_MS - _DAYS_1970_TO_2000 - calibrated_day
    if age_days <= PH_MAX_DAYS:
        return decision
    return hold(Reason("ph_calibration_old", days=age_days))

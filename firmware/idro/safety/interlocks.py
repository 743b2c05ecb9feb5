"""Interlocks: pure checks that return None, or a Reason if they block a run now.

A refusal is recorded once a code and not every cycle; the values may contain a countdown.
"""

from idro.protocol.reason import Reason
from idro.safety.limits import (
    A_B_MS,
    ACID_BASE_MS,
    ARM_SAMPLES,
    CORRECTED,
    CORRECTION_DAY_ON_MS,
    CORRECTION_STEP_ON_MS,
    DAY_MS,
    DAY_ON_MS,
    DOSE_ON_MS,
    HOUR_MS,
    HOUR_ON_MS,
    REDUCED_PCT,
)

LEVEL = "reservoir.level_mm"
# Float switch on the floor, or in a tray below tank and beds.
LEAK = "leak.float_up"
# Channels that must be armed before a doser may run.
NEEDS = {
    "ph_down": ("reservoir.ph", LEVEL),
    "ph_up": ("reservoir.ph", LEVEL),
    "nutrient_a": ("reservoir.ec_us_cm", LEVEL),
    "nutrient_b": ("reservoir.ec_us_cm", LEVEL),
}
# The doser that must not run within a time of another.
APART_MS = {
    "ph_down": ("ph_up", ACID_BASE_MS),
    "ph_up": ("ph_down", ACID_BASE_MS),
    "nutrient_a": ("nutrient_b", A_B_MS),
    "nutrient_b": ("nutrient_a", A_B_MS),
}


def check_reading(channel, readings, now_ms, stale_ms):
    """Block if `channel` has no fresh, valid Sample in `readings`."""
    sample = readings.get(channel)
    if sample is None:
        return Reason("no_reading", channel=channel)
    if sample.fault is not None:
        return Reason("channel_fault", channel=channel, fault=sample.fault)
    if now_ms - sample.at_ms > stale_ms:
        return Reason("channel_stale", channel=channel)
    return None


def check_readings(doser, readings, now_ms, limits):
    """Block a doser if a reading it needs is missing, faulty or stale, or the level is low."""
    for channel in NEEDS[doser]:
        blocked = check_reading(channel, readings, now_ms, limits.stale_ms)
        if blocked:
            return blocked
    return check_low(readings, limits.low_mm)


def check_low(readings, low_mm):
    """Block below the low level. Passes if the level is unknown."""
    sample = readings.get(LEVEL)
    if sample is not None and sample.fault is None and sample.value < low_mm:
        return Reason("water_low", level_mm=sample.value, low_mm=low_mm)
    return None


def check_full(readings, full_mm):
    """Block top-off of a full tank."""
    sample = readings.get(LEVEL)
    if sample is not None and sample.fault is None and sample.value >= full_mm:
        return Reason("tank_full", level_mm=sample.value)
    return None


def check_leak(readings):
    """Block while water lifts the float on the floor. Passes without such a float."""
    sample = readings.get(LEAK)
    if sample is not None and sample.value:  # None if faulty
        return Reason("leak")
    return None


def check_float(readings, now_ms, stale_ms):
    """Block a fill while a float on the floor is up or moves. Passes without such a float."""
    if LEAK not in readings:
        return None
    return check_leak(readings) or check_reading(LEAK, readings, now_ms, stale_ms)


def check_armed(doser, arming, now_ms):
    """Block until every channel the doser needs is armed and the EC probe is in water."""
    if arming.is_in_air(now_ms):
        return Reason("in_air")
    for channel in NEEDS[doser]:
        if not arming.is_armed(channel, now_ms):
            return arming_reason(channel, arming)
    return None


def arming_reason(channel, arming):
    """Return the Reason that `channel` is not armed yet."""
    count = min(arming.samples(channel), ARM_SAMPLES)
    return Reason("arming", channel=channel, count=count, of=ARM_SAMPLES)


def check_circulation(circulation):
    """Block a dose while the circulation pump is off."""
    if circulation is None:
        return Reason("no_circulation")
    if not circulation.is_on:
        return Reason("circulation_off")
    return None


def check_gaps(doser, ledger, limits, by_control):
    """Block too soon after the same doser or its counterpart, or (control) before mixing."""
    gap_ms = limits.caps[doser].gap_ms
    since_ms = since_run_ms(doser, ledger)
    if since_ms is not None and since_ms < gap_ms:
        return Reason("gap", actuator=doser, left_ms=gap_ms - since_ms)
    other, apart_ms = APART_MS[doser]
    since_ms = since_run_ms(other, ledger)
    if since_ms is not None and since_ms < apart_ms:
        return Reason("apart", actuator=other, left_ms=apart_ms - since_ms)
    if by_control:
        return check_mixing(doser, ledger, limits.mixing_ms)
    return None


def check_ph(doser, readings, arming, now_ms, limits):
    """Block a step of nutrient A without a pH, which alone shows acid in its bottle."""
    if doser != "nutrient_a":
        return None
    return check_readings("ph_down", readings, now_ms, limits) or check_armed(
        "ph_down", arming, now_ms)


def check_mixing(doser, ledger, mixing_ms):
    """Block until the last dose has mixed; nutrient B completes the dose begun with A."""
    for channel in NEEDS:
        if doser == "nutrient_b" and channel == "nutrient_a":
            continue
        since_ms = since_run_ms(channel, ledger)
        if since_ms is not None and since_ms < mixing_ms:
            return Reason("mixing", left_ms=mixing_ms - since_ms)
    return None


def headroom(doser, ledger, limits):
    """Return (volume_ul, Reason): the volume that all caps and budgets still allow, and which of
    them limits it."""
    caps = limits.caps[doser]
    volume_ul = caps.dose_ul
    max_on_ms = DOSE_ON_MS
    spent = None  # the budget that limits it
    share_pct = limits.authority_pct or REDUCED_PCT
    windows = (
        (HOUR_MS, caps.hour_ul, HOUR_ON_MS * share_pct // 100),
        (DAY_MS, caps.day_ul, DAY_ON_MS * share_pct // 100))
    for window_ms, cap_ul, cap_on_ms in windows:
        spent_on_ms, spent_ul = ledger.spent(doser, window_ms)
        if window_ms == HOUR_MS:
            fill_on_ms, fill_ul = ledger.spent(CORRECTED[doser], window_ms)
            spent_on_ms += fill_on_ms
            spent_ul += fill_ul
        if cap_ul - spent_ul < volume_ul or cap_on_ms - spent_on_ms < max_on_ms:
            spent = window_ms
        volume_ul = min(volume_ul, cap_ul - spent_ul)
        max_on_ms = min(max_on_ms, cap_on_ms - spent_on_ms)
    volume_ul = max(0, min(volume_ul, max_on_ms * caps.flow_ul_per_s // 1_000))
    if spent == HOUR_MS:
        return volume_ul, Reason("hour_spent", volume_ul=caps.hour_ul, share_pct=share_pct)
    if spent == DAY_MS:
        return volume_ul, Reason("day_spent", volume_ul=caps.day_ul, share_pct=share_pct)
    return volume_ul, Reason("max_dose", volume_ul=caps.dose_ul)


def correction_headroom(doser, ledger, limits):
    """Return (volume_ul, Reason): the maximum volume of the next correction step, of nutrient A at
    most what B may still give."""
    spent_on_ms, spent_ul = ledger.spent(CORRECTED[doser], DAY_MS)
    on_ms = min(CORRECTION_STEP_ON_MS, CORRECTION_DAY_ON_MS - spent_on_ms)
    flow_ul_per_s = limits.caps[doser].flow_ul_per_s
    volume_ul = min(on_ms * flow_ul_per_s // 1_000, limits.correction_day_ul - spent_ul)
    if doser == "nutrient_a":
        volume_ul = min(volume_ul, correction_headroom("nutrient_b", ledger, limits)[0])
    return max(0, volume_ul), Reason("correction_spent")


def since_run_ms(doser, ledger):
    """Return the ms since `doser` ended its last run, charged to either budget, or None."""
    since_ms = ledger.since_ms(doser)
    fill_ms = ledger.since_ms(CORRECTED[doser])
    if since_ms is None or (fill_ms is not None and fill_ms < since_ms):
        return fill_ms
    return since_ms

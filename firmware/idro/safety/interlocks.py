"""Interlocks: pure checks that return None, or (code, why) if they block a run now.

The code is stable, so that a refusal is recorded once and not every cycle; `why` is for the
grower and may contain a countdown.
"""

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
_NAMES = {
    "ph_down": "acid", "ph_up": "base", "nutrient_a": "nutrient A", "nutrient_b": "nutrient B",
}


def check_reading(channel, readings, now_ms, stale_ms):
    """Block if `channel` has no fresh, valid Sample in `readings`."""
    sample = readings.get(channel)
    if sample is None:
        return "reading", f"no reading of {channel} yet"
    if sample.fault is not None:
        return "reading", f"{channel} has a fault: {sample.fault}"
    if now_ms - sample.at_ms > stale_ms:
        return "reading", f"{channel} is stale"
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
        return "low", f"water is low, {sample.value} of {low_mm} mm"
    return None


def check_full(readings, full_mm):
    """Block top-off of a full tank."""
    sample = readings.get(LEVEL)
    if sample is not None and sample.fault is None and sample.value >= full_mm:
        return "full", f"the tank is full, {sample.value} mm"
    return None


def check_leak(readings):
    """Block while water lifts the float on the floor. Passes without such a float."""
    sample = readings.get(LEAK)
    if sample is not None and sample.value:  # None if faulty
        return "leak", "water is on the floor"
    return None


def check_armed(doser, arming, now_ms):
    """Block until every channel the doser needs is armed and the EC probe is in water."""
    if arming.is_in_air(now_ms):
        return "in_air", "the EC probe is out of the water, or was a minute ago"
    for channel in NEEDS[doser]:
        if not arming.is_armed(channel, now_ms):
            count = min(arming.samples(channel), ARM_SAMPLES)
            return "arming", f"watching {channel} first, {count} of {ARM_SAMPLES} good readings"
    return None


def check_circulation(circulation):
    """Block a dose while the circulation pump is off."""
    if circulation is None:
        return "circulation", "there is no circulation pump"
    if not circulation.is_on:
        return "circulation", "circulation is off"
    return None


def check_gaps(doser, ledger, limits, by_control):
    """Block too soon after the same doser or its counterpart, or (control) before mixing."""
    gap_ms = limits.caps[doser].gap_ms
    since_ms = since_run_ms(doser, ledger)
    if since_ms is not None and since_ms < gap_ms:
        return "gap", f"{_NAMES[doser]} was given, {time_left_text(gap_ms - since_ms)} left"
    other, apart_ms = APART_MS[doser]
    since_ms = since_run_ms(other, ledger)
    if since_ms is not None and since_ms < apart_ms:
        return "apart", f"{_NAMES[other]} was given, {time_left_text(apart_ms - since_ms)} left"
    if by_control:
        return check_mixing(doser, ledger, limits.mixing_ms)
    return None


def check_mixing(doser, ledger, mixing_ms):
    """Block until the last dose has mixed; nutrient B completes the dose begun with A."""
    for channel in NEEDS:
        if doser == "nutrient_b" and channel == "nutrient_a":
            continue
        since_ms = since_run_ms(channel, ledger)
        if since_ms is not None and since_ms < mixing_ms:
            return "mixing", f"mixing, {time_left_text(mixing_ms - since_ms)} left"
    return None


def headroom(doser, ledger, limits):
    """Return (volume_ul, (code, why)): the volume that all caps and budgets still allow."""
    caps = limits.caps[doser]
    volume_ul = caps.dose_ul
    why = ("dose", f"at most {caps.dose_ul / 1_000:.1f} ml a dose")
    max_on_ms = DOSE_ON_MS
    share = "" if limits.authority_pct == 100 else f" of {limits.authority_pct} %"
    windows = (
        (HOUR_MS, caps.hour_ul, HOUR_ON_MS, "hour"), (DAY_MS, caps.day_ul, DAY_ON_MS, "day"),
    )
    for window_ms, cap_ul, cap_on_ms, name in windows:
        spent_on_ms, spent_ul = ledger.spent(doser, window_ms)
        if name == "hour" and doser in CORRECTED:
            fill_on_ms, fill_ul = ledger.spent(CORRECTED[doser], window_ms)
            spent_on_ms += fill_on_ms
            spent_ul += fill_ul
        if cap_ul - spent_ul < volume_ul or cap_on_ms - spent_on_ms < max_on_ms:
            why = ("budget", f"budget of the {name} is spent, {cap_ul / 1_000:.1f} ml{share}")
        volume_ul = min(volume_ul, cap_ul - spent_ul)
        max_on_ms = min(max_on_ms, cap_on_ms - spent_on_ms)
    volume_ul = min(volume_ul, max_on_ms * caps.flow_ul_per_s // 1_000)
    return max(0, volume_ul), why


def correction_headroom(doser, ledger, limits):
    """Return (volume_ul, why): the maximum volume of the next correction step."""
    spent_on_ms, spent_ul = ledger.spent(CORRECTED[doser], DAY_MS)
    on_ms = min(CORRECTION_STEP_ON_MS, CORRECTION_DAY_ON_MS - spent_on_ms)
    flow_ul_per_s = limits.caps[doser].flow_ul_per_s
    volume_ul = min(on_ms * flow_ul_per_s // 1_000, limits.correction_day_ul - spent_ul)
    return max(0, volume_ul), "corrections have had their day's share"


def since_run_ms(doser, ledger):
    """Return the ms since `doser` ended its last run, charged to either budget, or None."""
    since_ms = ledger.since_ms(doser)
    if doser in CORRECTED:
        fill_ms = ledger.since_ms(CORRECTED[doser])
        if since_ms is None or (fill_ms is not None and fill_ms < since_ms):
            return fill_ms
    return since_ms


def time_left_text(duration_ms):
    """Return a duration as text: 40 s, 4 min."""
    if duration_ms < 90_000:
        return f"{-(-duration_ms // 1_000)} s"
    return f"{-(-duration_ms // 60_000)} min"

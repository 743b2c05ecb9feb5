"""Invariants of dosing: I1, I2, I7, I15 and those of every fault, from pin edges.

Each check yields Violations. The limits apply to on-time, which is proportional to volume for a
calibrated pump, and hold for any other pump too.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from idrosim.campaign.invariants import correction_steps
from idrosim.campaign.invariants.case_terms import (
    CONTROL,
    CaseTerms,
    DoseQuota,
    ExpectedSilence,
    Violation,
)
from idrosim.campaign.invariants.trace import DOSERS, Cycle, Dose, RunTrace

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
# I1: maximum seconds on in any 60 min, any 24 h and one dose, for any settings.
HOUR_ON_S, DAY_ON_S, DOSE_ON_S = 30.0, 100.0, 10.0
# I1 for acid and base: ml per litre of design volume, and pH by titration.
ACID_ML_L = {"dose": 0.03, "hour": 0.15, "day": 0.5}
ACID_PH = {"dose": 0.1, "hour": 0.5, "day": 1.5}
# I2: a quantum, and the addition by a hang before the watchdog resets.
QUANTUM_S, HANG_S = 1.0, 8.5
GAP_S = 120.0
APART_S = {("ph_down", "ph_up"): 3_600.0, ("nutrient_a", "nutrient_b"): 60.0}
# I7: plausible samples, and their span.
ARM_SAMPLES, ARM_S = 12, 120.0
# I15: no dose after this time without circulation.
UNMIXED_S = 10.0
NEEDS = {
    "ph_down": ("reservoir.ph", "reservoir.level_mm"),
    "ph_up": ("reservoir.ph", "reservoir.level_mm"),
    "nutrient_a": ("reservoir.ec_us_cm", "reservoir.level_mm"),
    "nutrient_b": ("reservoir.ec_us_cm", "reservoir.level_mm"),
}
_SLACK_S = 0.1
_DIRECTION_PH = 0.25  # of probe error, lag and mixing


def budgets(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I1: limits of every pump in a dose, any 60 min and any 24 h.

    Correction steps have their own ceilings, but count in the hour of every other dose.
    """
    steps = correction_steps.steps(trace, terms)
    for pump in DOSERS:
        limits = limits_s(pump, terms)
        for dose in trace.doses():
            if dose.pump != pump or dose in steps:
                continue
            allowed_s = limits["dose"] + _overshoot_s(terms, dose.start_us, dose.end_us)
            if dose.on_us > allowed_s * 1e6:
                yield _over(pump, dose.end_us, dose.on_us, allowed_s, "in one dose", terms)
            since_us = dose.end_us - HOUR_US
            in_hour_us = on_in(trace.spans[pump], since_us, dose.end_us)
            allowed_s = limits["hour"] + _overshoot_s(terms, since_us, dose.end_us)
            if in_hour_us > allowed_s * 1e6:
                yield _over(pump, dose.end_us, in_hour_us, allowed_s, "in one hour", terms)
        ordinary = correction_steps.spans_without(pump, trace, steps)
        worst_us, end_us = most_on(ordinary, DAY_US)
        allowed_s = limits["day"] + _overshoot_s(terms, end_us - DAY_US, end_us)
        if worst_us > allowed_s * 1e6:
            yield _over(pump, end_us, worst_us, allowed_s, "in one day", terms)


def corrections(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I1: ceilings of a step, and of all steps of a pump in 24 h."""
    steps = correction_steps.steps(trace, terms)
    for step in steps:
        allowed_s = correction_steps.STEP_ON_S + _overshoot_s(terms, step.start_us, step.end_us)
        if step.on_us > allowed_s * 1e6:
            yield _over(step.pump, step.end_us, step.on_us, allowed_s, "in one step", terms)
    for pump in correction_steps.STEP_PUMPS:
        worst_us, end_us = most_on(correction_steps.spans_of(pump, trace, steps), DAY_US)
        allowed_s = min(correction_steps.limits_s(terms))
        allowed_s += _overshoot_s(terms, end_us - DAY_US, end_us)
        if worst_us > allowed_s * 1e6:
            yield _over(pump, end_us, worst_us, allowed_s, "in steps of one day", terms)


def on_in(spans: list[tuple[int, int]], since_us: int, until_us: int) -> int:
    """Return the time on within a window, us."""
    return sum(max(0, min(off_us, until_us) - max(on_us, since_us)) for on_us, off_us in spans)


def limits_s(pump: str, terms: CaseTerms) -> dict[str, float]:
    """Return the limits of the time on of `pump` in a dose, an hour and a day, s."""
    limits = {"dose": DOSE_ON_S, "hour": HOUR_ON_S, "day": DAY_ON_S}
    if terms.is_hostile or pump not in ("ph_down", "ph_up"):
        return limits
    ml_per_s = terms.setting("doser.ul_per_s") / 1_000
    ml_per_ph = terms.setting(f"ph.{pump.removeprefix('ph_')}_ul_per_ph") / 1_000
    for name in limits:
        volume_ml = min(ACID_ML_L[name] * terms.volume_l, ACID_PH[name] * ml_per_ph)
        limits[name] = min(limits[name], volume_ml / ml_per_s)
    return limits


def most_on(spans: list[tuple[int, int]], window_us: int) -> tuple[int, int]:
    """Return (maximum time on in any window, end of that window), us."""
    worst_us, worst_end_us = 0, 0
    offs = [off_us for _, off_us in spans]
    for index, (_, end_us) in enumerate(spans):
        # The worst window ends with a run; only its first run can be partial.
        start_us = end_us - window_us
        first = bisect_right(offs, start_us)
        total_us = sum(off_us - max(on_us, start_us) for on_us, off_us in spans[first : index + 1])
        if total_us > worst_us:
            worst_us, worst_end_us = total_us, end_us
    return worst_us, worst_end_us


def quanta(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I2: a pump is on for 1 s at a time, plus at most 8.5 s if the firmware hangs."""
    for pump in DOSERS:
        for on_us, off_us in trace.spans.get(pump, []):
            on_s = (off_us - on_us) / 1e6
            hung = any(on_us - 1_000_000 <= at_ms * 1_000 <= off_us for at_ms in terms.hangs_ms)
            allowed_s = QUANTUM_S + (HANG_S if hung else 0.0) + _SLACK_S / 2
            if on_s > allowed_s:
                text = f"{pump} on for {on_s:.2f} s at a time, {allowed_s:.2f} s allowed"
                yield Violation("I2", off_us // 1_000, text)


def apart(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I1: one pump at a time, gaps between doses of a pump, longer gaps of acid and base."""
    doses = trace.doses()
    for index, dose in enumerate(doses):
        for later in doses[index + 1 :]:
            gap_s = (later.start_us - dose.end_us) / 1e6
            if gap_s > 3_600.0:
                break
            needed_s = _needed_gap_s(dose.pump, later.pump)
            if gap_s < needed_s - _SLACK_S and not _is_rest(later, dose, terms):
                text = f"{later.pump} {gap_s:.1f} s after {dose.pump}, {needed_s:.0f} s needed"
                yield Violation("I1", later.start_us // 1_000, text)


def armed(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I7, I9: no dose before 12 plausible samples over 120 s since boot or fault."""
    times = [cycle.at_ms for cycle in trace.cycles]
    for dose in trace.doses():
        at_ms = dose.start_us // 1_000
        boot_ms = trace.boot_before_ms(at_ms)
        if boot_ms is None or at_ms - boot_ms < ARM_S * 1_000:
            text = f"{dose.pump} {(at_ms - (boot_ms or 0)) / 1e3:.1f} s after a boot"
            yield Violation("I7", at_ms, text)
            continue
        last = bisect_left(times, at_ms - 500)
        seen = trace.cycles[bisect_left(times, boot_ms) : last]
        recent = trace.cycles[bisect_left(times, at_ms - 110_000) : last]
        for channel in NEEDS[dose.pump]:
            fault = _distrusted(channel, recent)
            if fault:
                yield Violation("I7", at_ms, f"{dose.pump} though {channel} was {fault} in 110 s")
        if len(seen) < ARM_SAMPLES - 1 and _is_whole(seen, boot_ms, at_ms):
            text = f"{dose.pump} after {len(seen)} samples of {ARM_SAMPLES}"
            yield Violation("I7", at_ms, text)


def mixed(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I15: no dose after circulation has been off for more than 10 s."""
    if "circulation" in terms.broken:
        return
    runs = trace.spans.get("circulation", [])
    offs_us = [0, *(off_us for _, off_us in runs)]
    ons_us = [on_us for on_us, _ in runs]
    for dose in trace.doses():
        # Every pause of circulation that overlaps the dose; a pause of 0 ms is none.
        first = bisect_right(ons_us, dose.start_us)
        for off_us, on_us in zip(offs_us[first:], [*ons_us[first:], dose.end_us], strict=False):
            end_us = min(dose.end_us, on_us)
            if off_us >= dose.end_us:
                break
            if end_us > off_us + UNMIXED_S * 1e6:
                still_s = (end_us - off_us) / 1e6
                text = f"{dose.pump} into water without circulation for {still_s:.1f} s"
                yield Violation("I15", end_us // 1_000, text)


def directions(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I11: control doses acid only above the band, and base only below it."""
    if not terms.is_direction_checked or terms.is_hostile:  # a hostile host sets the target
        return
    target, band = terms.setting("ph.target"), terms.setting("ph.deadband")
    for dose in trace.doses():
        ph = trace.true_at("reservoir.ph", dose.start_us // 1_000)
        if ph is None or not _is_of_control(dose, terms):
            continue
        is_wrong = (dose.pump == "ph_down" and ph < target + band - _DIRECTION_PH) or (
            dose.pump == "ph_up" and ph > target - band + _DIRECTION_PH)
        if is_wrong:
            text = f"{dose.pump} at a true pH of {ph:.2f}, target {target} +-{band}"
            yield Violation("I11", dose.start_us // 1_000, text)


def silences(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I9 to I12: the doses that each fault forbids."""
    for silence in terms.silences:
        yield from _silence(trace, silence, terms)
    for quota in terms.quotas:
        yield from _quota(trace, quota, terms)


def _silence(trace: RunTrace, silence: ExpectedSilence, terms: CaseTerms) -> Iterator[Violation]:
    """Check one fault; each boot has to detect it again."""
    early: dict[int, int] = {}
    for dose in trace.doses():
        at_ms = dose.start_us // 1_000
        if dose.pump not in silence.pumps or not silence.from_ms < at_ms < silence.until_ms:
            continue
        since_ms = max(silence.from_ms, trace.boot_before_ms(at_ms) or 0)
        water_c = trace.true_max("reservoir.temp_c", since_ms, at_ms)
        if water_c is not None and water_c > silence.warmest_c:
            continue
        if at_ms < since_ms + silence.detect_ms:
            count = early[since_ms] = early.get(since_ms, 0) + _is_of_control(dose, terms)
            if count > silence.most:
                text = f"{silence.text}: dose {count} of control, {silence.most} allowed"
                yield Violation(silence.invariant, at_ms, text)
        else:
            text = (
                f"{silence.text}: {dose.pump} {dose.on_us / 1e6:.1f} s on"
                f" {(at_ms - since_ms) / 1e3:.0f} s into it, 0 allowed")
            yield Violation(silence.invariant, at_ms, text)


def _quota(trace: RunTrace, quota: DoseQuota, terms: CaseTerms) -> Iterator[Violation]:
    """Check consecutive doses of control. A reset, a fill, a manual dose or a resume restarts the
    count, as the effect of the doses before is then unknown."""
    breaks_us = [at_ms * 1_000 for at_ms, _ in trace.boots]
    breaks_us += [at_ms * 1_000 for at_ms, kind, _ in trace.events if kind == "resumed"]
    breaks_us += [on_us for on_us, _ in trace.spans.get("top_off", [])]
    breaks_us += [d.start_us for d in trace.doses() if not _is_of_control(d, terms)]
    breaks_us.sort()
    counts: dict[int, int] = {}
    for dose in trace.doses():
        is_meant = quota.from_ms <= dose.start_us // 1_000 < quota.until_ms
        if not is_meant or dose.pump not in quota.pumps or not _is_of_control(dose, terms):
            continue
        series = bisect_right(breaks_us, dose.start_us)
        counts[series] = counts.get(series, 0) + 1
        if counts[series] == quota.most + 1:
            text = f"{quota.text}: dose {counts[series]} in a row, {quota.most} allowed"
            yield Violation(quota.invariant, dose.start_us // 1_000, text)


def _is_of_control(dose: Dose, terms: CaseTerms) -> bool:
    """Return True if control requested the dose. One that the node did not report counts as
    manual if a command came within the minute before."""
    if dose.by:
        return dose.by == CONTROL
    at_ms = dose.start_us // 1_000
    return not terms.is_hostile and not any(ms <= at_ms <= ms + 60_000 for ms in terms.requests_ms)


def _overshoot_s(terms: CaseTerms, from_us: int, until_us: int) -> float:
    """Return the tolerance in a span, s: a slack, and 8.5 s for every hang in it."""
    hangs = sum(from_us - 1_000_000 <= ms * 1_000 <= until_us for ms in terms.hangs_ms)
    return _SLACK_S + HANG_S * hangs


def _over(
    pump: str, end_us: int, on_us: int, allowed_s: float, where: str, terms: CaseTerms
) -> Violation:
    ml_per_s = terms.setting("doser.ul_per_s") / 1_000 * terms.flow_ratios.get(pump, 1.0)
    text = (
        f"{pump} {on_us / 1e6:.2f} s on ({on_us / 1e6 * ml_per_s:.2f} ml) {where},"
        f" {allowed_s:.2f} s allowed")
    return Violation("I1", end_us // 1_000, text)


def _is_rest(later: Dose, dose: Dose, terms: CaseTerms) -> bool:
    """Return True if `later` is the rest of `dose`, which a stalled interpreter cut off."""
    allowed_s = limits_s(dose.pump, terms)["dose"] + _SLACK_S
    return (
        later.pump == dose.pump and later.start_us - dose.end_us < HANG_S * 1e6
        and dose.on_us + later.on_us <= allowed_s * 1e6
        and any(dose.start_us <= at_ms * 1_000 <= dose.end_us for at_ms in terms.stalls_ms))


def _needed_gap_s(first: str, second: str) -> float:
    if first == second:
        return GAP_S
    return APART_S.get((first, second), APART_S.get((second, first), 0.0))


def _is_whole(cycles: list[Cycle], boot_ms: int, until_ms: int) -> bool:
    """Return True if the telemetry of that time has no gap of 75 s or more."""
    times = [boot_ms, *(cycle.at_ms for cycle in cycles), until_ms]
    return all(later - sooner < 75_000 for sooner, later in zip(times, times[1:], strict=False))


def _distrusted(channel: str, cycles: list[Cycle]) -> str | None:
    """Return the fault that forbids a dose, or None; a single jump does not forbid one."""
    jumps = 0
    for cycle in cycles:
        fault = cycle.faults.get(channel)
        if fault is None:
            jumps = 0
            continue
        jumps += 1
        if fault != "jump" or jumps > 1:
            return fault
    return None


def hangs_in(spans: list[tuple[int, int]], terms: CaseTerms) -> int:
    """Return the number of hangs in these spans of one output."""
    return sum(
        any(on_us - 1_000_000 <= at_ms * 1_000 <= off_us for on_us, off_us in spans)
        for at_ms in terms.hangs_ms)

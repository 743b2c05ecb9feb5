"""Invariants of the other outputs and of the node: resets, fills, dry runs, light, commands,
control period and expected events.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from typing import Any

from idrosim.campaign.invariants.case_terms import BAD_BY, INJECTED, CaseTerms, Violation
from idrosim.campaign.invariants.dosing import DAY_US, most_on
from idrosim.campaign.invariants.trace import RunTrace

RESET_OFF_MS = 100  # I4
# I3. How far the time of an event may be off: a boot without a message has no known start.
EVENT_SLACK_MS = 5_000
FILL_RUN_S, FILL_DAY_S = 600.0, 1_800.0  # I18
LIGHT_SLACK_S = 300.0  # I19
DRY_S = 10.0  # I17
_SLACK_S = 1.0
# Tolerance for error and lag of the level probe; the trace has a sample per minute.
_LEVEL_MM = 8.0
_WAITS_MS = 60_000  # a record in RAM, until it is written to flash
_CRITICAL = ("control", "dosing")


def off_at_resets(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I4: every output is off within 100 ms of a reset, until the next boot."""
    starts_ms = [at_ms for at_ms, _ in trace.boots]
    for at_ms, cause in trace.resets:
        index = bisect_right(starts_ms, at_ms)
        until_ms = starts_ms[index] if index < len(starts_ms) else trace.end_ms
        for name, spans in trace.spans.items():
            if name in terms.broken:
                continue
            for on_us, off_us in spans:
                is_over = off_us // 1_000 > at_ms + RESET_OFF_MS and on_us // 1_000 < until_ms
                if is_over:
                    text = f"{name} on {off_us / 1e3 - at_ms:.0f} ms after a reset ({cause})"
                    yield Violation("I4", at_ms, text)


def resets(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I3, I25: no resets and no failures of a critical task, except injected ones."""
    for cause, count in Counter(cause for _, cause in trace.resets).items():
        allowed = terms.resets.get(cause, 0)
        if count > allowed:
            at_ms = [ms for ms, found in trace.resets if found == cause][allowed]
            text = f"reset {count} times by {cause}, {allowed} were injected"
            yield Violation("I25", at_ms, text)
    for at_ms, kind, detail in trace.events:
        if _has_failed(kind, detail) and INJECTED not in detail["error"]:
            yield Violation("I3", at_ms, f"task {detail['task']} failed: {detail['error']}")


def off_at_failures(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I3: the failure of a critical task turns every output off, if only for a moment."""
    for at_ms, kind, detail in trace.events:
        if not _has_failed(kind, detail):
            continue
        before_us, after_us = (at_ms - EVENT_SLACK_MS) * 1_000, (at_ms + EVENT_SLACK_MS) * 1_000
        for name, spans in trace.spans.items():
            if name not in terms.broken and any(
                    on_us < before_us and off_us > after_us for on_us, off_us in spans):
                text = f"{name} stayed on when task {detail['task']} failed"
                yield Violation("I3", at_ms, text)


def fills(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I18: a fill takes at most 10 min, all fills of a day 30 min or what is set, and none starts
    when full."""
    spans = trace.spans.get("top_off", [])
    if "top_off" in terms.broken:
        return
    for on_us, off_us in spans:
        on_s = (off_us - on_us) / 1e6
        hung = any(on_us <= at_ms * 1_000 <= off_us for at_ms in terms.hangs_ms)
        if on_s > FILL_RUN_S + _SLACK_S + (8.5 if hung else 0.0):
            yield Violation("I18", off_us // 1_000, f"a fill of {on_s:.1f} s, 600 s allowed")
        at_ms = on_us // 1_000
        level_mm = trace.true_at("reservoir.level_mm", at_ms)
        full_mm = terms.setting("level.full_mm")
        is_full = level_mm is not None and level_mm > full_mm + _LEVEL_MM
        if is_full and not terms.is_hostile and not _is_lost(terms, at_ms):
            text = f"a fill starts at a true level of {level_mm:.0f} mm, full is {full_mm} mm"
            yield Violation("I18", at_ms, text)
    worst_us, end_us = most_on(spans, DAY_US)
    allowed_s = FILL_DAY_S
    if not terms.is_hostile:
        allowed_s = min(allowed_s, terms.setting("topoff.max_ms_day") / 1_000)
    if worst_us > (allowed_s + _SLACK_S + 8.5 * len(terms.hangs_ms)) * 1e6:
        text = f"{worst_us / 1e6:.1f} s of filling in 24 h, {allowed_s:.0f} s allowed"
        yield Violation("I18", end_us // 1_000, text)


def dry_runs(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I17: no pump runs for more than 10 s while the water is low and the node can detect it."""
    for pump in ("circulation", "irrigation"):
        if pump not in terms.broken and not terms.is_hostile:
            yield from _dry_runs(pump, trace, terms)


def _dry_runs(pump: str, trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    low_mm = terms.setting("level.low_mm") - _LEVEL_MM
    spans = trace.spans.get(pump, [])
    for (from_ms, before), (until_ms, after) in zip(trace.truth, trace.truth[1:], strict=False):
        levels = before.get("reservoir.level_mm"), after.get("reservoir.level_mm")
        if None in levels or max(levels) > low_mm or _is_lost(terms, from_ms):  # type: ignore[type-var]
            continue
        if any(_is_lost(terms, ms) for ms in (until_ms, from_ms - 60_000)):
            continue
        boot_ms = trace.boot_before_ms(until_ms) or 0
        start_us = max(from_ms, boot_ms + 20_000) * 1_000
        for on_us, off_us in spans:
            dry_s = (min(off_us, until_ms * 1_000) - max(on_us, start_us)) / 1e6
            if dry_s > DRY_S + _SLACK_S:
                text = f"{pump} on for {dry_s:.0f} s at a true level of {levels[1]:.0f} mm"
                yield Violation("I17", from_ms, text)


def light(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I19: in any 24 h of a boot the light is on for at most its program plus 5 min, also when
    clocks jump."""
    if "light" in terms.broken or terms.is_hostile:
        return
    allowed_s = terms.setting("light.on_minutes") * 60 + LIGHT_SLACK_S
    spans = trace.spans.get("light", [])
    starts_us = [at_ms * 1_000 for at_ms, _ in trace.boots]
    for since_us, until_us in zip(starts_us, [*starts_us[1:], None], strict=False):
        of_boot = [
            span for span in spans
            if span[0] >= since_us and (until_us is None or span[0] < until_us)]
        worst_us, end_us = most_on(of_boot, DAY_US)
        if worst_us > allowed_s * 1e6:
            text = (
                f"light on for {worst_us / 6e7:.1f} min in 24 h, {allowed_s / 60:.0f} min allowed")
            yield Violation("I19", end_us // 1_000, text)


def commands(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I20, I21: no command runs twice, and no forged, late, retained or replayed one runs."""
    runs = Counter(detail.get("by", "") for _, kind, detail in trace.events if kind == "dosed")
    for at_ms, kind, detail in trace.events:
        by = detail.get("by", "")
        if kind in ("dosed", "ran", "stopped", "resumed") and by.startswith(BAD_BY):
            yield Violation("I21", at_ms, f"{kind} for {by}: {detail}")
    for by, count in runs.items():
        if by.startswith("once-") and count > 1:
            yield Violation("I20", trace.end_ms, f"the command of {by} ran {count} times")


def period(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I26: control runs every period, independently of the network."""
    every_ms = terms.setting("sample.every_ms")
    failed_ms = [at_ms for at_ms, kind, detail in trace.events if _has_failed(kind, detail)]
    is_thinned = any(kind == "gap" for _, kind, _ in trace.events)
    if terms.is_hostile:
        return  # the period is a setting
    for one, other in zip(trace.cycles, trace.cycles[1:], strict=False):
        gap_ms = other.at_ms - one.at_ms
        if one.boot_id != other.boot_id or gap_ms <= 2 * every_ms + 10_000:
            continue
        if any(one.at_ms - 1_000 <= ms <= other.at_ms for ms in (*terms.stalls_ms, *failed_ms)):
            continue
        is_full = any(
            start - _WAITS_MS <= one.at_ms <= end for start, end in terms.full_flash_ms)
        if (is_full or is_thinned) and trace.lost_between(one, other) >= gap_ms // every_ms - 1:
            continue  # the cycles were, their records were lost
        text = f"no cycle for {gap_ms / 1e3:.1f} s, the period is {every_ms / 1e3:.0f} s"
        yield Violation("I26", one.at_ms, text)


def expected_events(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I16, I30: expected events are reported in time."""
    for expected in terms.expected_events:
        until_ms = expected.from_ms + expected.within_ms
        if not any(kind in expected.kinds and expected.from_ms <= at_ms <= until_ms
                   for at_ms, kind, _ in trace.events):
            yield Violation(
                expected.invariant, until_ms, f"{expected.text}: no {' or '.join(expected.kinds)}"
                f" within {expected.within_ms // 1_000} s")


def _has_failed(kind: str, detail: dict[str, Any]) -> bool:
    """Return True for the event that a critical task failed."""
    return kind == "restarted" and detail.get("task") in _CRITICAL


def _is_lost(terms: CaseTerms, at_ms: int) -> bool:
    """Return True while the level sensor has a fault, and for 90 s after."""
    return any(start <= at_ms <= end + 90_000 for start, end in terms.lost_level_ms)

"""Invariants about the other outputs and about the node itself: resets, fills, dry runs, light,
commands, the control period, what must be told.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator

from idrosim.campaign.invariants.case_terms import BAD_BY, Terms, Violation
from idrosim.campaign.invariants.dosing import DAY_US, most_on
from idrosim.campaign.invariants.trace import Record

RESET_OFF_MS = 100  # I4
FILL_RUN_S, FILL_DAY_S = 600.0, 1_800.0  # I18
LIGHT_SLACK_S = 300.0  # I19
DRY_S = 10.0  # I17
_SLACK_S = 1.0
# A level probe is off by so much, and lags; the trace has a sample a minute.
_LEVEL_MM = 8.0
_CRITICAL = ("control", "dosing")


def off_at_resets(record: Record, terms: Terms) -> Iterator[Violation]:
    """I4: every output is off within 100 ms of a reset, until the next boot."""
    starts_ms = [at_ms for at_ms, _ in record.boots]
    for at_ms, cause in record.resets:
        index = bisect_right(starts_ms, at_ms)
        until_ms = starts_ms[index] if index < len(starts_ms) else record.end_ms
        for name, spans in record.spans.items():
            if name in terms.broken:
                continue
            for on_us, off_us in spans:
                is_over = off_us // 1_000 > at_ms + RESET_OFF_MS and on_us // 1_000 < until_ms
                if is_over:
                    text = f"{name} on {off_us / 1e3 - at_ms:.0f} ms after a reset ({cause})"
                    yield Violation("I4", at_ms, text)


def resets(record: Record, terms: Terms) -> Iterator[Violation]:
    """I3, I25: the node resets when it was reset, and no critical task of it fails."""
    for cause, count in Counter(cause for _, cause in record.resets).items():
        allowed = terms.resets.get(cause, 0)
        if count > allowed:
            at_ms = [ms for ms, found in record.resets if found == cause][allowed]
            text = f"reset {count} times by {cause}, {allowed} were made"
            yield Violation("I25", at_ms, text)
    for at_ms, kind, detail in record.events:
        if kind == "restarted" and detail.get("task") in _CRITICAL:
            yield Violation("I3", at_ms, f"task {detail['task']} failed: {detail['error']}")


def fills(record: Record, terms: Terms) -> Iterator[Violation]:
    """I18: a fill is 10 min at most, a day's fills 30 min, and none into a full tank."""
    spans = record.spans.get("top_off", [])
    if "top_off" in terms.broken:
        return
    for on_us, off_us in spans:
        on_s = (off_us - on_us) / 1e6
        hung = any(on_us <= at_ms * 1_000 <= off_us for at_ms in terms.hangs_ms)
        if on_s > FILL_RUN_S + _SLACK_S + (8.5 if hung else 0.0):
            yield Violation("I18", off_us // 1_000, f"a fill of {on_s:.1f} s, 600 s allowed")
        at_ms = on_us // 1_000
        level_mm = record.true_at("reservoir.level_mm", at_ms)
        full_mm = terms.setting("level.full_mm")
        is_full = level_mm is not None and level_mm > full_mm + _LEVEL_MM
        if is_full and not terms.is_hostile and not _is_lost(terms, at_ms):
            text = f"a fill begins at a true level of {level_mm:.0f} mm, full is {full_mm} mm"
            yield Violation("I18", at_ms, text)
    worst_us, end_us = most_on(spans, DAY_US)
    if worst_us > (FILL_DAY_S + _SLACK_S + 8.5 * len(terms.hangs_ms)) * 1e6:
        text = f"{worst_us / 1e6:.1f} s of filling in 24 h, {FILL_DAY_S:.0f} s allowed"
        yield Violation("I18", end_us // 1_000, text)


def dry_runs(record: Record, terms: Terms) -> Iterator[Violation]:
    """I17: no pump runs for more than 10 s where the water is low and the node can know it."""
    for pump in ("circulation", "irrigation"):
        if pump not in terms.broken and not terms.is_hostile:
            yield from _dry_runs(pump, record, terms)


def _dry_runs(pump: str, record: Record, terms: Terms) -> Iterator[Violation]:
    low_mm = terms.setting("level.low_mm") - _LEVEL_MM
    spans = record.spans.get(pump, [])
    for (from_ms, before), (until_ms, after) in zip(
        record.truth, record.truth[1:], strict=False
    ):
        levels = before.get("reservoir.level_mm"), after.get("reservoir.level_mm")
        if None in levels or max(levels) > low_mm or _is_lost(terms, from_ms):  # type: ignore[type-var]
            continue
        if any(_is_lost(terms, ms) for ms in (until_ms, from_ms - 60_000)):
            continue
        boot_ms = record.boot_before_ms(until_ms) or 0
        start_us = max(from_ms, boot_ms + 20_000) * 1_000
        for on_us, off_us in spans:
            dry_s = (min(off_us, until_ms * 1_000) - max(on_us, start_us)) / 1e6
            if dry_s > DRY_S + _SLACK_S:
                text = f"{pump} on for {dry_s:.0f} s at a true level of {levels[1]:.0f} mm"
                yield Violation("I17", from_ms, text)


def light(record: Record, terms: Terms) -> Iterator[Violation]:
    """I19: light is on for its program and 5 min more at most in any 24 h of a boot, whatever
    clocks do."""
    if "light" in terms.broken or terms.is_hostile:
        return
    allowed_s = terms.setting("light.on_minutes") * 60 + LIGHT_SLACK_S
    spans = record.spans.get("light", [])
    starts_us = [at_ms * 1_000 for at_ms, _ in record.boots]
    for since_us, until_us in zip(starts_us, [*starts_us[1:], None], strict=False):
        of_boot = [
            span for span in spans
            if span[0] >= since_us and (until_us is None or span[0] < until_us)
        ]
        worst_us, end_us = most_on(of_boot, DAY_US)
        if worst_us > allowed_s * 1e6:
            text = (
                f"light on for {worst_us / 6e7:.1f} min in 24 h, {allowed_s / 60:.0f} min allowed"
            )
            yield Violation("I19", end_us // 1_000, text)


def commands(record: Record, terms: Terms) -> Iterator[Violation]:
    """I20, I21: no command runs twice, and none that is forged, late, retained or replayed."""
    runs = Counter(
        detail.get("by", "") for _, kind, detail in record.events if kind == "dosed"
    )
    for at_ms, kind, detail in record.events:
        by = detail.get("by", "")
        if kind in ("dosed", "ran", "stopped", "resumed") and by.startswith(BAD_BY):
            yield Violation("I21", at_ms, f"{kind} for {by}: {detail}")
    for by, count in runs.items():
        if by.startswith("once-") and count > 1:
            yield Violation("I20", record.end_ms, f"the command of {by} ran {count} times")


def period(record: Record, terms: Terms) -> Iterator[Violation]:
    """I26: control goes on every period, whatever the network brings."""
    every_ms = terms.setting("sample.every_ms")
    thinned = {detail.get("boot_id") for _, kind, detail in record.events if kind == "gap"}
    if terms.is_hostile or thinned:
        return  # the period is a setting; a record that was thinned out is no missed cycle
    for one, other in zip(record.cycles, record.cycles[1:], strict=False):
        gap_ms = other.at_ms - one.at_ms
        if one.boot_id != other.boot_id or gap_ms <= 2 * every_ms + 10_000:
            continue
        if any(one.at_ms - 1_000 <= at_ms <= other.at_ms for at_ms in terms.stalls_ms):
            continue
        text = f"no cycle for {gap_ms / 1e3:.1f} s, the period is {every_ms / 1e3:.0f} s"
        yield Violation("I26", one.at_ms, text)


def signs(record: Record, terms: Terms) -> Iterator[Violation]:
    """I16, I30: what must be told was told in time."""
    for sign in terms.signs:
        until_ms = sign.from_ms + sign.within_ms
        told = [
            at_ms for at_ms, kind, _ in record.events
            if kind in sign.kinds and sign.from_ms <= at_ms <= until_ms
        ]
        if not told:
            text = f"{sign.text}: nothing of {', '.join(sign.kinds)} was told"
            yield Violation(
                sign.invariant, until_ms, f"{text} within {sign.within_ms // 1_000} s"
            )


def _is_lost(terms: Terms, at_ms: int) -> bool:
    """True while the level sensor is broken, or was until a minute and a half before."""
    return any(start <= at_ms <= end + 90_000 for start, end in terms.lost_level_ms)

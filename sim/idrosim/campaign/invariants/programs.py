"""Invariants of outputs that run by a program: I27 of the heat of the air and I31, from pin edges.
"""

from bisect import bisect_right
from collections.abc import Iterator

from idrosim.campaign.invariants.case_terms import CaseTerms, Violation
from idrosim.campaign.invariants.dosing import ARM_S, most_on, on_in
from idrosim.campaign.invariants.trace import RunTrace

# A run ends in the cycle after its program, at the latest with its lease.
_LEASE_S = 60.0
_SLACK_S = 1.0
# Tolerance for error and lag of the air thermometer; the trace has a sample per minute.
_AIR_C = 2.0
_HOT_S = 30.0
_AIR_OUTPUTS = ("heater", "humidifier")


def programs(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I31: circulation is on for at most `on` of any `on` + `off`, and irrigation for `on` at a
    time."""
    if terms.is_hostile:
        return
    late_s = _LEASE_S + 2 * terms.setting("sample.every_ms") / 1_000
    on_s = terms.setting("circulation.on_ms") / 1_000
    off_s = terms.setting("circulation.off_ms") / 1_000
    for spans in _by_boot("circulation", trace, terms) if off_s else ():
        worst_us, end_us = most_on(spans, round((on_s + off_s) * 1e6))
        if worst_us > (on_s + late_s) * 1e6:
            text = (
                f"circulation {worst_us / 1e6:.0f} s on in {on_s + off_s:.0f} s,"
                f" {on_s:.0f} s set")
            yield Violation("I31", end_us // 1_000, text)
    on_s, off_s = terms.setting("irrigation.on_s"), terms.setting("irrigation.off_s")
    for spans in _by_boot("irrigation", trace, terms) if off_s else ():
        for on_us, off_us in spans:
            if off_us - on_us > (on_s + late_s) * 1e6:
                text = f"irrigation {(off_us - on_us) / 1e6:.0f} s on at a time, {on_s} s set"
                yield Violation("I31", off_us // 1_000, text)


def heat(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    """I27: heater and humidifier are off until armed; the heater is off while the fan runs and
    while the air is too hot."""
    for name in _AIR_OUTPUTS:
        for spans in _by_boot(name, trace, terms):
            on_ms = spans[0][0] // 1_000 if spans else 0
            boot_ms = trace.boot_before_ms(on_ms) or 0
            if spans and on_ms - boot_ms < ARM_S * 1_000:
                text = f"{name} {(on_ms - boot_ms) / 1e3:.1f} s after a boot"
                yield Violation("I27", on_ms, text)
    if "heater" in terms.broken:
        return
    heated = trace.spans.get("heater", [])
    for on_us, off_us in trace.spans.get("fan", []) if "fan" not in terms.broken else ():
        both_us = on_in(heated, on_us, off_us)
        if both_us > _SLACK_S * 1e6:
            yield Violation("I27", on_us // 1_000, f"heater and fan on for {both_us / 1e6:.1f} s")
    yield from _too_hot(trace, terms)


def _too_hot(trace: RunTrace, terms: CaseTerms) -> Iterator[Violation]:
    max_c = (40.0 if terms.is_hostile else terms.setting("climate.max_c")) + _AIR_C
    for (from_ms, before), (until_ms, after) in zip(trace.truth, trace.truth[1:], strict=False):
        if min(before.get("air.temp_c", 0.0), after.get("air.temp_c", 0.0)) <= max_c:
            continue
        hot_s = on_in(trace.spans.get("heater", []), from_ms * 1_000, until_ms * 1_000) / 1e6
        if hot_s > _HOT_S:
            text = f"heater on for {hot_s:.0f} s at a true {after['air.temp_c']:.1f} C"
            yield Violation("I27", until_ms, text)


def _by_boot(
    name: str, trace: RunTrace, terms: CaseTerms
) -> Iterator[list[tuple[int, int]]]:
    """Yield the spans of an output by the boot in which they begin."""
    spans = trace.spans.get(name, [])
    if name in terms.broken or not spans:
        return
    boots_us = [at_ms * 1_000 for at_ms, _ in trace.boots]
    count = len(boots_us) + 1
    found: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for span in spans:
        found[bisect_right(boots_us, span[0])].append(span)
    yield from found

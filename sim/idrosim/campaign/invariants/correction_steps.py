"""Identifies the steps of a fresh-fill correction by the presses of the button.

A dose of acid, base or nutrient A that starts right after the button was released is a step, at
most one per press, as the node waits for the end of a press. The next nutrient B, if it is no
longer, completes a step of A. Reports of the node do not count. Steps have their own ceilings; the
ordinary ones apply to all other doses (docs/adr/0011, 0031).
"""

from bisect import bisect_right
from collections.abc import Iterator
from functools import partial

from idrosim.campaign.invariants.case_terms import CaseTerms
from idrosim.campaign.invariants.trace import Dose, RunTrace

# After the release, which the node has to detect.
_STEP_BEGINS_WITHIN_MS = 10_000
STEP_PUMPS = ("ph_down", "ph_up", "nutrient_a", "nutrient_b")
# B completes a step of A within this time, with at most its time on and a slack.
_PAIR_WITHIN_US = 1_800_000_000
_PAIR_SLACK_US = 100_000
# I1 for steps: seconds on in one step and in 24 h; ml in 24 h per litre of design volume.
STEP_ON_S, STEP_DAY_ON_S, STEP_DAY_ML_L = 30.0, 600.0, 4.0


def steps(trace: RunTrace, terms: CaseTerms) -> list[Dose]:
    """Return the doses that the button released, sorted by time."""
    found = []
    last_release_ms = step_of_a = None
    for dose in trace.doses():
        if dose.pump == "nutrient_b":
            if step_of_a is not None and _completes(dose, step_of_a):
                found.append(dose)
            step_of_a = None
            continue
        if dose.pump == "nutrient_a":
            step_of_a = None
        at_ms = dose.start_us // 1_000
        index = bisect_right(terms.releases_ms, at_ms)
        if not index or dose.pump not in STEP_PUMPS:
            continue
        release_ms = terms.releases_ms[index - 1]
        if release_ms != last_release_ms and at_ms - release_ms <= _STEP_BEGINS_WITHIN_MS:
            last_release_ms = release_ms
            found.append(dose)
            if dose.pump == "nutrient_a":
                step_of_a = dose
    return found


def spans_of(pump: str, trace: RunTrace, those: list[Dose]) -> list[tuple[int, int]]:
    """Return the spans (on, off) of `pump`, us, inside one of the doses `those`."""
    return list(filter(partial(_is_in, [dose for dose in those if dose.pump == pump]),
                       trace.spans.get(pump, [])))


def spans_without(pump: str, trace: RunTrace, those: list[Dose]) -> list[tuple[int, int]]:
    """Return the spans (on, off) of `pump`, us, outside the doses `those`."""
    left_out = set(spans_of(pump, trace, those))
    return [span for span in trace.spans.get(pump, []) if span not in left_out]


def limits_s(terms: CaseTerms) -> Iterator[float]:
    """Yield the limits of the time on of steps in 24 h, s."""
    yield STEP_DAY_ON_S
    if not terms.is_hostile:
        yield STEP_DAY_ML_L * terms.volume_l * 1_000 / terms.setting("doser.ul_per_s")


def _completes(dose: Dose, step_of_a: Dose) -> bool:
    """Return True if a dose of B completes a step of A."""
    is_soon = dose.start_us - step_of_a.end_us <= _PAIR_WITHIN_US
    return is_soon and dose.on_us <= step_of_a.on_us + _PAIR_SLACK_US


def _is_in(doses: list[Dose], span: tuple[int, int]) -> bool:
    return any(dose.start_us <= span[0] and span[1] <= dose.end_us for dose in doses)

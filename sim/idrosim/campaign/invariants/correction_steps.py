"""Steps of a correction of a fresh fill, told from every other dose by the hand at the button.

A dose of acid or base that begins right after a press is a step, one for each press; what the node
says of it does not count. A step has ceilings of its own, and every other dose keeps the ordinary
ones as if there were none (docs/adr/0011).
"""

from bisect import bisect_right
from collections.abc import Iterator
from functools import partial

from idrosim.campaign.invariants.case_terms import Terms
from idrosim.campaign.invariants.trace import Dose, Record

# From the press on: let go within 5 s, seen and given within the seconds after.
_STEP_BEGINS_WITHIN_MS = 10_000
STEP_PUMPS = ("ph_down", "ph_up")
# I1 for steps: seconds on in one and in 24 h; ml in 24 h for each litre of the image.
STEP_ON_S, STEP_DAY_ON_S, STEP_DAY_ML_L = 30.0, 600.0, 4.0


def steps(record: Record, terms: Terms) -> list[Dose]:
    """Return the doses that a hand at the button released, by time."""
    found = []
    last_press_ms = None
    for dose in record.doses():
        at_ms = dose.start_us // 1_000
        index = bisect_right(terms.presses_ms, at_ms)
        if not index or dose.pump not in STEP_PUMPS:
            continue
        press_ms = terms.presses_ms[index - 1]
        if press_ms != last_press_ms and at_ms - press_ms <= _STEP_BEGINS_WITHIN_MS:
            last_press_ms = press_ms
            found.append(dose)
    return found


def spans_of(pump: str, record: Record, those: list[Dose]) -> list[tuple[int, int]]:
    """Return the (on, off) of `pump`, us, that lie in one of `those` doses."""
    return list(filter(partial(_is_in, [dose for dose in those if dose.pump == pump]),
                       record.spans.get(pump, [])))


def spans_without(pump: str, record: Record, those: list[Dose]) -> list[tuple[int, int]]:
    """Return the (on, off) of `pump`, us, that lie in none of `those` doses."""
    left_out = set(spans_of(pump, record, those))
    return [span for span in record.spans.get(pump, []) if span not in left_out]


def limits_s(terms: Terms) -> Iterator[float]:
    """Yield how many seconds steps may be on in 24 h: the frozen ceilings that count."""
    yield STEP_DAY_ON_S
    if not terms.is_hostile:
        yield STEP_DAY_ML_L * terms.volume_l * 1_000 / terms.setting("doser.ul_per_s")


def _is_in(doses: list[Dose], span: tuple[int, int]) -> bool:
    return any(dose.start_us <= span[0] and span[1] <= dose.end_us for dose in doses)

"""When a reading counts as settled: a drifting probe becomes stable, a noisy one never does."""

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from idroserra.calibration.stability import EC, LEVEL, PH, Reading, judge
from idroserra.core.reasons import Reason
from idroserra.i18n.reasons import english

START_MS = 1_760_000_000_000


def readings(value_of, count, step_ms=2_000):
    return [Reading(START_MS + n * step_ms, value_of(n * step_ms / 1_000)) for n in range(count)]


def settled_after_s(value_of, limits, most_s=1_200):
    """Return the second at which it first counted as stable, or None, and what it was then."""
    seen = readings(value_of, most_s // 2)
    for count in range(1, len(seen) + 1):
        found = judge(seen[:count], limits, START_MS)
        if found.is_stable:
            return (count - 1) * 2, found
    return None, judge(seen, limits, START_MS)


@given(st.floats(5, 60), st.sampled_from([-3.0, 3.0]), st.integers(0, 100))
def test_an_electrode_is_stable_once_it_is_there_and_not_before(tau_s, step_ph, seed):
    rng = random.Random(seed)
    after_s, found = settled_after_s(
        lambda s: round(7.0 + step_ph * math.exp(-s / tau_s) + rng.gauss(0, 0.003), 3), PH)
    assert after_s is not None
    assert after_s >= 25
    assert abs(found.mean - 7.0) < 0.03
    assert found.reason.code == "settled"


def test_a_reading_that_runs_away_is_never_stable_and_in_time_overdue():
    after_s, found = settled_after_s(lambda s: 7.0 + s * 0.03 / 60, PH)
    assert after_s is None
    assert found.is_overdue
    assert found.reason == Reason(
        "not_settled_in", for_ms=600_000,
        why=Reason("settling", why=Reason("ph_moves", moved_milli_ph=30)))
    assert english(found.reason) == "settling: moves 0.030 pH a minute; not settled within 10 min"


def test_noise_is_never_stable():
    rng = random.Random(1)
    after_s, found = settled_after_s(lambda s: 7.0 + rng.gauss(0, 0.1), PH)
    assert after_s is None
    assert found.reason.values["why"].code in ("ph_noise", "settling")


def test_few_readings_or_a_short_time_are_not_enough():
    quick = [Reading(START_MS + n * 100, 7.0) for n in range(50)]
    assert not judge(quick, PH, START_MS).is_stable
    slow = [Reading(START_MS + n * 10_000, 7.0) for n in range(60)]
    assert judge(slow, PH, START_MS).reason.code == "reading_count"
    assert judge([], PH, START_MS).reason == Reason("reading_awaited")


def test_a_fault_restarts_the_window():
    seen = readings(lambda s: 7.0, 40)
    seen.append(Reading(seen[-1].unix_ms + 2_000, None, "jump"))
    assert judge(seen, PH, START_MS).reason == Reason("reading_fault", fault="jump")
    seen += [Reading(seen[-1].unix_ms + n * 2_000, 4.0) for n in range(1, 6)]
    found = judge(seen, PH, START_MS)
    assert not found.is_stable
    assert found.count == 5


def test_what_was_read_before_the_cup_was_changed_does_not_count():
    seen = readings(lambda s: 7.0, 40)
    assert judge(seen, PH, START_MS).is_stable
    assert judge(seen, PH, seen[-1].unix_ms).count == 1


def test_ec_is_judged_by_shares_of_itself():
    assert judge(readings(lambda s: 12_880 + round(s), 40), EC, START_MS).is_stable
    assert not judge(readings(lambda s: 1_413 + round(s), 40), EC, START_MS).is_stable


def test_a_level_may_ripple():
    assert judge(readings(lambda s: 200 + (s // 2) % 3, 40), LEVEL, START_MS).is_stable
    assert not judge(readings(lambda s: 200 + s / 5, 40), LEVEL, START_MS).is_stable

"""The figures of a correction: sizes of steps, what its steps tell, and when it is stopped.

`ul_per` is 100 ml a pH unless a test says otherwise, so 100 ul are predicted to move pH by 0.001.
"""

import pytest

from idro.safety.correction import Correction
from idro.safety.ledger import NO_EFFECT, WRONG_WAY

HOUR_MS = 3_600_000
TOTAL_UL = 10_000_000


def acid(known_pct=100, ul_per=100_000):
    return Correction("ph_down", 6_000, TOTAL_UL, ul_per, 0, known_pct)


def nutrient():
    return Correction("nutrient_a", 1_600, TOTAL_UL, 100_000, 0)


def after(correction, steps, at_ms=0):
    """Record (value before, volume_ul) of each step, all at one time."""
    for value, volume_ul in steps:
        correction.record_step(value, volume_ul, at_ms)
    return correction


def step_ul(correction, value):
    return correction.step_ul(value, TOTAL_UL)


@pytest.mark.parametrize(("since_ms", "verdict"), [(HOUR_MS - 1, NO_EFFECT), (HOUR_MS, 0)])
@pytest.mark.parametrize("before", [[], [(7_300, 13_300)]])
@pytest.mark.parametrize("began_ms", [0, 1_000_000])
def test_a_drift_of_an_hour_hides_as_much_of_the_last_three_steps(
        since_ms, verdict, before, began_ms):
    doses = after(acid(), [*before, *3 * [(7_000, 13_300)]], began_ms)  # 0.399 predicted
    assert doses.verdict(7_000, began_ms + since_ms) == verdict


@pytest.mark.parametrize(("since_ms", "verdict"), [(HOUR_MS - 1, NO_EFFECT), (1_234_000_000, 0)])
def test_a_drift_hides_as_much_of_many_small_steps(since_ms, verdict):
    doses = after(acid(), 10 * [(7_000, 4_000)], 1_000_000)
    assert doses.verdict(7_000, 1_000_000 + since_ms) == verdict


def test_nutrient_may_end_at_ph_8_5_and_not_beyond_after_a_move_of_more_than_half_a_ph():
    correction = nutrient()
    assert correction.is_foreign(7_500) is False
    correction.record_step(1_000, 1_000, 0, 7_500)
    assert not correction.is_foreign(8_500)
    assert correction.is_foreign(8_501)


def test_the_weakest_titrations_are_used_and_none_divides_by_zero():
    assert step_ul(acid(ul_per=1), 2_006_000) == 1_000
    assert after(acid(ul_per=0), [(7_000, 1_000)]).is_near(6_500)


@pytest.mark.parametrize(("steps", "value", "told_pct"), [
    ([(6_700, 10_000), (6_600, 10_000), (6_500, 10_000)], 6_400, 100),  # the last two moved 0.2
    ([(6_700, 10_000), (6_640, 10_000), (6_580, 10_000)], 6_520, 0),  # the last two moved 0.12
])
def test_two_steps_that_moved_ph_by_015_tell_the_strength(steps, value, told_pct):
    correction = after(acid(), steps)
    step_ul(correction, value)
    assert correction.strength_pct == told_pct


@pytest.mark.parametrize(("steps", "value", "expected_ul"), [
    ([(6_500, 10_000), (6_399, 10_000)], 6_298, 29_800 * 64 // 100),  # 101 % of the titration
    ([(6_900, 10_000), (6_700, 10_000), (6_600, 10_000)], 6_500, 32_500),  # the first is forgotten
    ([(6_502, 100)], 6_500, 16_000),  # 200 % by what is hardly a step
])
def test_a_later_step_is_sized_by_the_last_two(steps, value, expected_ul):
    assert step_ul(after(acid(), steps), value) == expected_ul


def test_the_smallest_step_begins_where_the_doser_may_be_only_a_little_strong():
    assert step_ul(acid(101, ul_per=5_000), 6_061) == 200


def test_steps_of_a_doser_that_may_be_strong_grow_only_while_they_are_weak():
    far = after(acid(101), [(8_000, 1_000)])
    assert step_ul(far, 8_000) == 1_000
    assert step_ul(after(far, [(8_000, 1_000)]), 8_000) == 2_000
    assert step_ul(after(acid(101), [(6_900, 1_000)]), 6_880) == 1_000
    for value, expected_ul in ((6_399, 2_000), (6_400, 1_000)):  # 0.020 the wrong way
        assert step_ul(after(acid(101), [(6_380, 1_000)]), value) == expected_ul


@pytest.mark.parametrize(("values_before", "value", "may_grow"), [
    # By the titration 0.149 for the last three steps, and 0.200 for all four.
    ((6_900, 6_500, 6_490, 6_480), 6_470, True),
    ((6_900, 6_500, 6_440, 6_380), 6_320, False),
    ((6_900, 6_500, 6_450, 6_400), 6_351, True),
    ((6_900, 6_880, 6_820, 6_760), 6_700, True),
    ((6_900, 6_881, 6_820, 6_759), 6_699, False),
])
def test_steps_are_weak_by_the_last_three_or_by_all(values_before, value, may_grow):
    correction = after(acid(101), [(before, 5_000) for before in values_before])
    assert step_ul(correction, value) == (10_000 if may_grow else 5_000)


def test_small_steps_of_acid_may_lose_to_a_drift_beside():
    judged = after(acid(), 2 * [(7_000, 7_500)])  # 0.150 by the titration: not small
    assert judged.verdict(7_151, HOUR_MS) == WRONG_WAY
    small = after(acid(200), 2 * [(7_000, 5_000)], 1_000_000)  # 0.100: a drift of 20 min beside
    assert small.verdict(7_250, 2_200_000) == 0
    assert small.verdict(7_251, 2_200_000) == WRONG_WAY


def test_one_step_is_not_judged_unless_it_moved_a_strong_doser_far_the_wrong_way():
    assert after(acid(), [(7_000, 20_000)]).verdict(7_200, 0) == 0
    assert after(acid(101), [(7_000, 1_000)]).verdict(7_500, 0) == 0
    assert after(acid(101), [(7_000, 1_000)]).verdict(7_501, 0) == WRONG_WAY


@pytest.mark.parametrize(("volume_ul", "before", "value", "told_pct"), [
    (200_000, 1_300, 1_480, 100), (150_000, 1_300, 1_480, 120),
    (1_000, 1_300, 1_460, 16_000), (500, 1_300, 1_460, 16_000),
])
def test_nutrient_tells_its_strength_by_all_steps_together(volume_ul, before, value, told_pct):
    correction = after(nutrient(), [(before, volume_ul)])
    step_ul(correction, value)
    assert correction.strength_pct == told_pct


@pytest.mark.parametrize(("known_pct", "steps", "value", "told_pct"), [
    (101, [(6_900, 15_000)], 6_750, 199),  # one step alone counts twice
    (100, [(6_900, 20_000)], 6_740, 100),  # never weaker than by the titration
    (137, [(6_900, 20_000), (6_820, 20_000)], 6_740, 98),
])
def test_what_steps_of_acid_tell_is_at_least_the_titration(known_pct, steps, value, told_pct):
    correction = after(acid(known_pct), steps)
    step_ul(correction, value)
    assert correction.strength_pct == told_pct


def test_a_step_after_one_without_any_effect_goes_by_the_last():
    assert step_ul(after(acid(2_000), [(6_075, 2_500), (6_075, 2_500)]), 6_060) == 3_249

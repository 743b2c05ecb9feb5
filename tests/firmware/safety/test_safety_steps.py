"""Tests of correction steps: size of the next step, verdicts and end conditions."""

import pytest

from idro.protocol.reason import Reason
from idro.safety import correction
from idro.safety.correction import Correction
from idro.safety.ledger import NO_EFFECT, WRONG_WAY

MUCH_UL = 10**9


def down(total_ul=400_000, ul_per_ph=100_000, target_milli_ph=6_000, now_ms=0, known_pct=100):
    return Correction("ph_down", target_milli_ph, total_ul, ul_per_ph, now_ms, known_pct)


def given(one, steps, milli_ph=None, every_ms=0):
    for index, (value, volume_ul) in enumerate(steps):
        one.record_step(value, volume_ul, index * every_ms, milli_ph)
    return one


def feed(total_ul=400_000, ul_per_100_us_cm=20_000, target_us_cm=1_600):
    return Correction("nutrient_a", target_us_cm, total_ul, ul_per_100_us_cm, 0)


def test_the_limits_of_a_correction_are_frozen():
    assert correction.MAX_DURATION_MS == 28_800_000
    assert correction.BUTTON_TIMEOUT_MS == 900_000
    assert correction.MIN_STEP_UL == 200
    assert correction.FIRST_PCT == 50
    assert correction.PH == (1_000, 1_000, 65, 50, 200, 30, 150, 300)
    assert correction.EC == (100, 150, 80, 40, 80, 10, 60, 50)
    assert (correction._MOST_HIDDEN, correction._MOST_WRONG) == (200, 500)
    assert (correction._UNBUFFERED, correction._UNBUFFERED_PCT) == (5_800, 50)


def test_acid_lowers_and_base_raises_ph_and_nutrient_raises_ec():
    assert down().distance(7_250) == 1_250
    up = Correction("ph_up", 6_000, 400_000, 100_000, 0)
    assert up.distance(5_300) == 700
    assert up.distance(6_100) == -100
    assert feed().distance(1_200) == 400
    assert feed().distance(1_700) == -100


def test_a_distance_of_one_ph_or_150_us_cm_is_near():
    assert down().is_near(7_000)
    assert not down().is_near(7_001)
    assert feed().is_near(1_450)
    assert not feed().is_near(1_449)


def test_the_first_step_is_half_of_the_total_and_half_of_the_need():
    assert down().step_ul(10_500, MUCH_UL) == 200_000
    assert down().step_ul(7_000, MUCH_UL) == 50_000
    assert down().step_ul(7_000, 30_000) == 30_000
    assert down(ul_per_ph=100_003).step_ul(6_500, MUCH_UL) == 25_000
    assert feed().step_ul(1_200, MUCH_UL) == 40_000
    assert feed(total_ul=50_000).step_ul(1_200, MUCH_UL) == 25_000


def test_a_small_first_step_is_a_quarter_of_the_need():
    assert down().step_ul(6_499, MUCH_UL) == 12_475
    assert feed().step_ul(1_551, MUCH_UL) == 2_450
    assert down(known_pct=200).step_ul(6_333, MUCH_UL) == 8_325  # half, by the known strength


def test_a_step_far_from_the_target_is_half_of_what_the_plan_leaves():
    one = given(down(), [(9_000, 100_000)])
    assert one.step_ul(7_200, MUCH_UL) == 60_000
    assert one.step_ul(8_900, MUCH_UL) == 100_000  # not mixed yet: 1 pH of 3 is given
    far = given(feed(total_ul=900_000), [(800, 80_000)])
    assert far.step_ul(900, MUCH_UL) == 40_000


def test_a_step_waits_for_mixing_once_the_plan_is_near_its_end():
    one = given(down(), [(8_000, 100_000)])
    assert one.is_near(8_000)  # 1 pH of 2 is given
    assert not given(down(), [(8_001, 100_000)]).is_near(8_001)
    assert given(feed(), [(1_200, 50_000)]).is_near(1_210)


def test_a_step_near_the_target_is_most_of_the_need():
    one = given(down(), [(8_000, 100_000)])
    assert one.step_ul(7_000, MUCH_UL) == 65_000
    assert one.step_ul(7_000, 30_000) == 30_000
    one = given(feed(), [(1_400, 20_000)])
    assert one.step_ul(1_500, MUCH_UL) == 16_000


def test_a_step_of_acid_to_below_ph_5_8_is_half_of_the_need():
    for target_milli_ph, pct in ((5_799, 50), (5_800, 65)):
        one = down(target_milli_ph=target_milli_ph)
        given(one, [(target_milli_ph + 1_500, 100_000)])
        assert one.step_ul(target_milli_ph + 500, MUCH_UL) == 50_000 * pct // 100
    base = Correction("ph_up", 5_500, 400_000, 100_000, 0)
    assert given(base, [(4_500, 50_000)]).step_ul(5_000, MUCH_UL) == 32_500


def test_the_last_acid_of_water_without_carbonate_stays_within_0_1_ph():
    one = given(down(target_milli_ph=5_600), [(6_950, 60_000), (6_450, 60_000)])
    step_ul = one.step_ul(5_950, MUCH_UL)
    assert 5_950 - 2.1 * step_ul / 100 > 5_500  # more than twice as strong as before


def test_steps_that_did_more_than_the_titration_says_are_followed_by_less():
    one = given(down(), [(7_000, 25_000)])  # 0.25 pH by the titration
    assert one.step_ul(6_500, MUCH_UL) == 50_000 * 32 // 100
    one = given(down(), [(7_000, 50_000), (6_600, 20_000)])  # 0.8 of the titration, then 1.2
    assert one.step_ul(6_360, MUCH_UL) == 36_000 * (6_500 // 180) // 100
    one = given(down(), [(7_000, 20_000), (6_600, 20_000)])  # 2, then 0.5: as the stronger
    assert one.step_ul(6_500, MUCH_UL) == 50_000 * 32 // 100
    one = given(down(), [(7_000, 50_000), (6_900, 20_000)])  # 0.2, then 1.2: at most 2.4
    assert one.step_ul(6_660, MUCH_UL) == 66_000 * (6_500 // 240) // 100


def test_steps_that_did_less_are_not_followed_by_more():
    one = given(down(), [(7_000, 50_000)])
    assert one.step_ul(6_900, MUCH_UL) == 58_500
    assert one.step_ul(7_000, MUCH_UL) == 65_000
    assert given(down(), [(7_000, 0)]).step_ul(7_000, MUCH_UL) == 65_000


def test_a_later_step_is_at_most_half_of_the_rest_until_that_is_little():
    one = given(down(total_ul=100_000), [(7_000, 50_000)])
    assert one.step_ul(6_900, MUCH_UL) == 25_000
    one.record_step(6_900, 29_999, 0)
    assert one.step_ul(6_900, MUCH_UL) == 10_000
    one.record_step(6_900, 1, 0)
    assert one.step_ul(6_900, MUCH_UL) == 20_000  # a fifth of the total
    assert given(down(total_ul=1_000), [(7_000, 600)]).step_ul(6_900, MUCH_UL) == 400
    assert given(down(total_ul=1_000), [(7_000, 599)]).step_ul(6_900, MUCH_UL) == 200


def test_within_0_05_ph_nothing_is_given():
    assert down().step_ul(6_050, MUCH_UL) == 0
    assert down().step_ul(6_051, MUCH_UL) == 1_275
    assert down().step_ul(5_000, MUCH_UL) == 0


def test_a_step_below_the_pump_minimum_is_not_given():
    assert down().step_ul(7_000, 200) == 200
    assert down().step_ul(7_000, 199) == 0
    assert down(total_ul=199).step_ul(7_000, MUCH_UL) == 0


def test_it_records_the_given_volume_and_no_negative_rest():
    one = given(down(total_ul=1_000), [(9_000, 300), (9_000, 400)])
    assert (one.given_ul, one.left_ul) == (700, 300)
    one.record_step(9_000, 500, 0)
    assert (one.given_ul, one.left_ul) == (1_200, 0)


def test_nothing_given_has_no_verdict():
    assert down().verdict(9_000, 0) == 0


def test_three_steps_that_moved_too_little_had_no_effect():
    steps = [(8_000, 10_000)] * 2
    assert given(down(), steps).verdict(8_000, 0) == 0
    one = given(down(), [*steps, (8_000, 10_000)])
    assert one.verdict(7_971, 0) == NO_EFFECT
    assert one.verdict(7_970, 0) == 0


def test_steps_below_resolution_are_not_judged():
    assert given(down(), [(8_000, 6_666)] * 3).verdict(8_000, 0) == 0
    assert given(down(), [(8_000, 6_667)] * 3).verdict(8_000, 0) == NO_EFFECT


@pytest.mark.parametrize(("hours", "verdict"), [(0.9, NO_EFFECT), (1.1, 0)])
def test_steps_that_a_drift_may_hide_are_not_judged(hours, verdict):
    # Predicted: 0.4 pH. CO2 that leaves may raise it by 0.3 an hour, and 0.1 must be left.
    one = given(down(), [(6_500, 13_400)] * 3)
    assert one.verdict(6_500, round(hours * 3_600_000)) == verdict
    fed = given(feed(), [(1_000, 20_000)] * 3)  # 300 uS/cm, and EC may fall by 50 an hour
    assert fed.verdict(1_000, 5 * 3_600_000) == NO_EFFECT
    assert fed.verdict(1_000, 6 * 3_600_000) == 0


def test_all_steps_together_are_judged_where_the_last_three_are_too_small():
    one = given(down(total_ul=40_000), [(6_300, 7_500), (6_300, 16_000), (6_300, 8_000),
                                        (6_300, 8_000)], every_ms=900_000)
    assert one.verdict(6_300, 2_700_000) == NO_EFFECT  # 0.395 pH in 45 min, 0.225 may be hidden
    assert one.verdict(6_300, 3_600_000) == 0
    assert one.verdict(6_270, 2_700_000) == 0


def test_steps_of_a_further_correction_do_not_grow_the_wrong_way():
    one = given(down(known_pct=400), [(7_000, 5_000), (7_030, 5_000)])
    assert one.step_ul(7_060, MUCH_UL) == 5_000
    assert given(down(known_pct=400), [(7_000, 5_000), (7_100, 5_000)]).verdict(7_200, 0)


def test_the_strength_of_the_last_mixed_step_is_known():
    one = given(down(), [(7_000, 50_000)])
    assert one.strength_pct == 0
    one.step_ul(6_200, MUCH_UL)
    assert one.strength_pct == 160
    one.record_step(6_200, 5_000, 0)
    one.step_ul(6_120, MUCH_UL)
    assert one.strength_pct == 160


@pytest.mark.parametrize(("value", "strength_pct"), [(6_151, 0), (6_150, 1_200)])
def test_steps_that_noise_may_have_moved_size_the_next_but_are_not_handed_on(value, strength_pct):
    one = given(down(known_pct=400), [(6_300, 2_500)])  # 0.1 pH by that strength
    assert one.step_ul(value, MUCH_UL) <= 2_500
    assert one.strength_pct == strength_pct


def test_a_doser_known_to_be_strong_is_dosed_by_that_strength():
    assert down(known_pct=400).step_ul(7_000, MUCH_UL) == 12_500
    assert down(known_pct=50).step_ul(7_000, MUCH_UL) == 50_000  # never by more
    assert given(down(known_pct=400), [(7_000, 6_000)] * 3).verdict(7_000, 0) == 0  # 0.18 pH
    assert given(down(known_pct=400), [(7_000, 6_700)] * 3).verdict(7_000, 0) == NO_EFFECT
    one = given(down(known_pct=400), [(7_000, 12_500)])
    one.step_ul(6_500, MUCH_UL)
    assert one.strength_pct == 800  # the last of the carbonate may go next
    weak = given(down(known_pct=400), [(7_000, 12_500), (6_975, 12_500)])
    assert weak.step_ul(6_900, MUCH_UL) == 25_000
    assert weak.strength_pct == 0  # 0.1 pH in all may be noise
    weak = given(down(known_pct=400), [(7_000, 12_500)])
    assert weak.step_ul(6_950, MUCH_UL) == 12_500  # one is not enough
    weak.record_step(6_950, 12_500, 0)
    assert weak.step_ul(6_900, MUCH_UL) == 25_000  # twofold at most


def test_only_the_last_three_steps_are_judged():
    one = given(down(), [(9_000, 10_000), (8_000, 10_000), (7_990, 10_000), (7_985, 10_000)])
    assert one.verdict(7_980, 0) == NO_EFFECT


def test_two_steps_in_the_wrong_direction_are_wrong():
    assert given(down(), [(8_000, 10_000)]).verdict(9_000, 0) == 0
    one = given(down(), [(8_000, 10_000)] * 2)
    assert one.verdict(8_150, 0) == 0
    assert one.verdict(8_151, 0) == WRONG_WAY
    up = given(Correction("ph_up", 8_000, 400_000, 100_000, 0), [(6_000, 10_000)] * 2)
    assert up.verdict(5_850, 0) == 0
    assert up.verdict(5_849, 0) == WRONG_WAY


def test_steps_too_small_for_a_verdict_are_not_the_wrong_way():
    # CO2 leaves hard water, and raises it against small steps of acid.
    assert given(down(), [(6_000, 7_499)] * 2).verdict(6_300, 0) == 0
    assert given(down(), [(6_000, 7_500)] * 2).verdict(6_300, 0) == WRONG_WAY


def test_it_ends_after_eight_hours():
    one = down(now_ms=500)
    assert one.end_reason(9_000, 28_800_499) is None
    assert one.end_reason(9_000, 28_800_500) == Reason("too_long")


def test_it_ends_after_15_minutes_without_a_press():
    one = down()
    one.update_wait(True, 1_000)
    one.update_wait(True, 500_000)
    assert one.end_reason(9_000, 900_999) is None
    assert one.end_reason(9_000, 901_000) == Reason("not_pressed")


def test_the_15_minutes_start_when_a_press_is_accepted():
    one = down()
    one.update_wait(True, 1_000)
    one.update_wait(False, 600_000)
    assert one.end_reason(9_000, 2_000_000) is None
    one.update_wait(True, 2_000_000)
    assert one.end_reason(9_000, 2_899_999) is None
    assert one.end_reason(9_000, 2_900_000) == Reason("not_pressed")


def test_a_step_clears_the_wait():
    one = down()
    one.update_wait(True, 1_000)
    one.record_step(9_000, 10_000, 0)
    assert one.end_reason(9_000, 2_000_000) is None


def test_it_ends_when_its_volume_is_used():
    one = given(down(total_ul=1_000), [(9_000, 800)])
    assert one.end_reason(9_000, 0) is None
    one.record_step(9_000, 1, 0)
    assert one.end_reason(9_000, 0) == Reason("all_given")


def test_nutrient_without_effect_and_a_falling_ec_have_verdicts():
    steps = [(1_000, 6_000)] * 2  # 30 uS/cm each
    one = given(feed(), [*steps, (1_000, 6_000)])
    assert one.verdict(1_009, 0) == NO_EFFECT
    assert one.verdict(1_010, 0) == 0
    assert given(feed(), [(1_000, 5_300)] * 3).verdict(1_000, 0) == 0
    assert given(feed(), steps).verdict(940, 0) == 0
    assert given(feed(), steps).verdict(939, 0) == WRONG_WAY


@pytest.mark.parametrize(("before", "after", "is_wrong"), [
    (5_920, 4_420, False), (5_920, 4_419, True), (6_000, 7_500, False), (6_000, 7_501, True),
    (5_000, 4_000, False), (5_000, 3_999, True), (8_400, 8_900, False), (8_300, 8_801, True),
    (4_300, 3_900, False), (3_900, 3_950, False),
])
def test_nutrient_that_moves_ph_as_acid_or_base_does_is_wrong(before, after, is_wrong):
    one = given(feed(), [(1_000, 6_000)], before)
    assert one.is_foreign(after) == is_wrong
    one.record_step(1_030, 6_000, after)
    assert one.is_foreign(after) == is_wrong  # since the first step


def test_ph_is_not_judged_before_a_step_and_not_in_its_own_correction():
    assert not feed().is_foreign(3_000)
    assert not given(down(), [(9_000, 100_000)]).is_foreign(6_000)


def test_nutrient_is_as_strong_as_all_its_steps_together():
    # The first did not mix before the second, which seems to have done what both did.
    one = given(feed(total_ul=800_000, target_us_cm=3_000), [(2_500, 40_000), (2_510, 40_000)])
    assert one.step_ul(2_980, MUCH_UL) == 0
    assert one.step_ul(2_900, MUCH_UL) == 16_000
    weak = given(feed(total_ul=800_000, target_us_cm=3_000), [(2_700, 40_000), (2_800, 20_000)])
    assert weak.step_ul(2_880, MUCH_UL) == 19_200  # never more than by the titration
    strong = given(feed(total_ul=800_000, target_us_cm=3_000), [(2_500, 20_000), (2_700, 20_000)])
    assert strong.step_ul(2_900, MUCH_UL) == 8_000


def test_nutrient_ends_within_40_us_cm():
    assert feed().end_reason(1_559, 0) is None
    assert feed().end_reason(1_560, 0) == Reason("target_reached")
    assert feed().step_ul(1_560, MUCH_UL) == 0


@pytest.mark.parametrize(("milli_ph", "why"), [
    (6_051, None), (6_050, Reason("target_reached")), (5_000, Reason("target_reached")),
    (None, None),
])
def test_it_ends_at_its_target(milli_ph, why):
    assert down().end_reason(milli_ph, 0) == why


def test_small_steps_of_a_further_correction_do_less_than_the_co2_that_leaves():
    # 2,400 ul a step move pH by 0.03 by the titration, and by 0.1 where water has lost its buffer.
    rising = [(6_440 + 80 * index, 2_400) for index in range(6)]
    every_ms = 1_200_000
    again = given(down(ul_per_ph=80_000, known_pct=400), rising, every_ms=every_ms)
    assert again.verdict(6_930, 6 * every_ms) == 0
    assert again.verdict(6_941, 6 * every_ms) == WRONG_WAY
    again = given(down(ul_per_ph=80_000, known_pct=400), rising[:2], every_ms=every_ms)
    assert again.verdict(6_690, every_ms) == 0  # in 20 min CO2 may do 0.1, beside 0.15
    assert again.verdict(6_691, every_ms) == WRONG_WAY
    assert again.verdict(6_790, 3 * every_ms) == 0  # 0.2 at most
    assert again.verdict(6_791, 3 * every_ms) == WRONG_WAY
    large = [(6_440, 6_100), (6_520, 6_100)]
    assert given(down(ul_per_ph=80_000), large).verdict(6_590, every_ms) == 0
    assert given(down(ul_per_ph=80_000), large).verdict(6_591, every_ms) == WRONG_WAY


def test_base_in_the_bottle_of_acid_and_acid_in_that_of_base_lock_a_further_correction():
    one = given(down(ul_per_ph=80_000, known_pct=400), [(6_440, 2_400)])
    assert one.verdict(6_940, 900_000) == 0
    assert one.verdict(6_941, 900_000) == WRONG_WAY
    base = Correction("ph_up", 6_000, 400_000, 80_000, 0, 400)
    given(base, [(5_500, 2_400), (5_420, 2_400)], every_ms=1_200_000)
    assert base.verdict(5_350, 2_400_000) == 0
    assert base.verdict(5_349, 2_400_000) == WRONG_WAY  # CO2 that leaves raises pH

"""The steps of a correction by hand are those of the node's own, and as careful."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from idro.safety.correction import Correction
from idroserra.cli.node.correct_volume import fill_ml
from idroserra.core.errors import ConfigError
from idroserra.nodes.manual_correction import REACHED_PH, SMALLEST_ML, ManualCorrection


def pour(total_ml=400.0, ml_per_ph=330.0, doser="ph_down", target=5.9):
    return ManualCorrection(doser, target, total_ml, ml_per_ph)


def test_half_of_what_is_left_and_half_of_the_need():
    assert pour().step_ml(9.0) == 200
    assert pour(ml_per_ph=100.0).step_ml(7.9) == 100
    assert pour().step_ml(5.94) == 0


@given(
    total_ul=st.integers(1_000, 8_000_000), ul_per_ph=st.integers(500, 2_000_000),
    milli_ph=st.integers(3_000, 11_000), doser=st.sampled_from(("ph_down", "ph_up")),
)
@example(total_ul=400_000, ul_per_ph=330_000, milli_ph=5_850, doser="ph_up")
@example(total_ul=400_000, ul_per_ph=330_000, milli_ph=5_950, doser="ph_down")
@example(total_ul=400_000, ul_per_ph=330_000, milli_ph=6_399, doser="ph_down")
def test_it_is_never_bolder_than_the_firmware(total_ul, ul_per_ph, milli_ph, doser):
    by_hand = pour(total_ul / 1_000, ul_per_ph / 1_000, doser)
    by_board = Correction(doser, 5_900, total_ul, ul_per_ph, 0)
    step_ml = by_hand.step_ml(milli_ph / 1_000)
    assert round(step_ml * 1_000) <= by_board.step_ul(milli_ph, 10**9)
    assert step_ml == 0 or step_ml >= SMALLEST_ML


@pytest.mark.parametrize("doser", ["ph_down", "ph_up"])
def test_it_ends_at_its_target_without_passing_it(doser):
    sign = 1 if doser == "ph_down" else -1
    one = pour(doser=doser)
    ph = 5.9 + sign * 1.2
    for _ in range(30):
        step_ml = one.step_ml(ph)
        if not step_ml:
            break
        one.poured(ph, step_ml)
        ph -= sign * step_ml / 330.0
        assert one.verdict(ph) is None
    assert 0 <= one.distance_ph(ph) <= REACHED_PH


def test_no_response_is_reported_after_three_steps_and_a_wrong_one_after_two():
    one = pour()
    for _ in range(2):
        one.poured(7.8, 60.0)
        assert one.verdict(7.8) is None
    one.poured(7.8, 60.0)
    assert "did not" in one.verdict(7.79)
    two = pour()
    two.poured(7.8, 60.0)
    assert two.verdict(8.1) is None
    two.poured(8.1, 60.0)
    assert "wrong way" in two.verdict(8.1)


def test_small_steps_that_cannot_be_felt_are_not_judged():
    one = pour()
    for _ in range(3):
        one.poured(6.0, 5.0)
    assert one.verdict(6.0) is None


def test_one_step_without_a_response_or_with_the_wrong_one_is_a_warning():
    one = pour()
    one.poured(7.8, 60.0)
    assert one.warning(7.5) is None
    assert one.warning(7.79) == "No response: expected 0.18 pH, measured 0.01"
    assert "wrong way, from 7.80 to 8.00" in one.warning(8.0)
    one.poured(6.0, 5.0)  # too small a step to be felt
    assert one.warning(6.0) is None


def test_it_ends_at_the_target_or_without_a_step_to_give():
    one = pour(total_ml=10.0)
    assert one.verdict(7.8) is None
    assert not one.is_reached(7.8)
    one.poured(7.8, 9.9)
    assert one.step_ml(7.7) == 0
    assert one.verdict(7.7) == "the whole volume is used, and the pH is 7.70"
    assert one.is_reached(5.95)
    assert one.verdict(5.95) is None


def test_the_ml_are_those_of_the_chemistry():
    # 6 meq/L in 100 L: about what docs/adr/0011 says of a fresh reservoir of hard water.
    found = fill_ml(6.0, 7.6, 5.9, "h3po4_10pct", 100.0)
    assert 330 < found < 480
    assert fill_ml(6.0, 7.6, 5.9, "h3po4_10pct", 10.0) == pytest.approx(found / 10)
    assert fill_ml(6.0, 5.5, 5.9, "h3po4_10pct", 100.0) == 0
    assert fill_ml(0.5, 5.5, 5.9, "khco3_1M", 100.0) > 0
    with pytest.raises(ConfigError, match="--stock"):
        fill_ml(6.0, 7.6, 5.9, "vinegar", 100.0)
    with pytest.raises(ConfigError):
        fill_ml(6.0, 13.0, 5.9, "h3po4_10pct", 100.0)

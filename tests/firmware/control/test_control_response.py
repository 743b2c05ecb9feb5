"""Tests of learned water properties: dose strength, drift and mixing time."""

import random

import pytest
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from idro.control.dose_response import MAX_STRENGTH, MIN_STRENGTH, PH, DoseResponse
from idro.control.mixing_time import MixingTime

MINUTE_MS = 60_000
QUARTER_MS = 900_000
DOSERS = ("ph_down", "ph_up")


def answered(strength, drift_per_h=0.0, doses=12, predicted=-0.05, wobble=(0.0,)):
    """Return the Response of a water after a number of doses, each mixed for 15 minutes."""
    response = DoseResponse(DOSERS, PH)
    ph, now_ms = 6.2, 0
    for count in range(doses):
        for _ in range(3):
            response.update(ph + wobble[count % len(wobble)], now_ms)
            now_ms += 10 * MINUTE_MS
            ph += drift_per_h / 6
        response.dosed("ph_down", ph + wobble[count % len(wobble)], predicted, now_ms)
        ph += strength * predicted + drift_per_h / 4
        now_ms += QUARTER_MS
        response.update(ph + wobble[-count % len(wobble)], now_ms)
    return response


@pytest.mark.parametrize("strength", [0.4, 1.0, 2.5, 7.0])
@pytest.mark.parametrize("drift_per_h", [0.0, 0.05, -0.05])
def test_strength_and_drift_are_estimated_separately(strength, drift_per_h):
    response = answered(strength, drift_per_h)
    assert response.strength("ph_down") == pytest.approx(strength, rel=0.2)
    assert response.drift_per_h == pytest.approx(drift_per_h, abs=0.03)
    assert response.strength("ph_up") == 1.0


def test_noise_of_the_probe_is_not_learned():
    response = answered(1.0, 0.0, doses=40, wobble=(0.01, -0.01, 0.0, 0.012, -0.008))
    assert response.strength("ph_down") == pytest.approx(1.0, rel=0.3)
    assert abs(response.drift_per_h) < 0.03


def test_small_doses_that_begin_when_noise_is_at_its_worst_seem_no_stronger():
    # Each moves pH by 0.005; a reading is 0.02 off, and a dose starts at the lowest.
    response, noise, ph, now_ms = DoseResponse(DOSERS, PH), random.Random(1), 6.0, 0
    for _ in range(100):
        for _ in range(40):
            now_ms += MINUTE_MS
            ph -= 0.005 / 40
            response.update(ph + noise.gauss(0.0, 0.02), now_ms)
        response.dosed("ph_up", ph - 0.02, 0.005, now_ms)
        ph += 0.005
        now_ms += QUARTER_MS
    assert response.strength("ph_up") < 2.0


def test_small_doses_in_strong_water_are_learned_at_once():
    response = DoseResponse(DOSERS, PH)
    response.update(6.0, 0)
    response.dosed("ph_up", 6.0, 0.005, 0)
    response.update(6.1, QUARTER_MS)
    assert response.strength("ph_up") > 1.05


def test_a_single_dose_changes_the_estimate_at_most_threefold():
    assert answered(50.0, doses=1).strength("ph_down") <= 3.0
    assert answered(-50.0, doses=1).strength("ph_down") >= 1.0 / 3.0


@pytest.mark.parametrize("dosed", [0.0, -0.05])
@pytest.mark.parametrize("poured", [-3.0, -0.8, 0.8, 2.0])
def test_a_manual_addition_is_not_drift(dosed, poured):
    response = answered(1.0, 0.03)
    drift_per_h = response.drift_per_h
    response.invalidate()
    response.update(5.6, 100 * QUARTER_MS)
    if dosed:
        response.dosed("ph_down", 5.6, dosed, 100 * QUARTER_MS)
    response.update(5.6 + poured, 102 * QUARTER_MS)
    assert response.drift_per_h == pytest.approx(drift_per_h, abs=0.01)


def test_a_less_certain_strength_gives_smaller_doses():
    fresh = DoseResponse(DOSERS, PH)
    assert fresh.upper_bound("ph_down") == pytest.approx(2.0)
    assert not fresh.is_certain("ph_down")
    known = answered(1.0)
    assert known.upper_bound("ph_down") < 1.6
    assert known.is_certain("ph_down")


@pytest.mark.parametrize(("did", "is_rising"), [(1.0, False), (0.5, False), (2.5, True)])
def test_a_stronger_effect_than_learned_marks_a_rising_strength(did, is_rising):
    response = answered(1.0)
    response.update(6.0, 100 * QUARTER_MS)
    response.dosed("ph_down", 6.0, -0.1, 100 * QUARTER_MS)
    response.update(6.0 - 0.1 * did, 101 * QUARTER_MS)
    assert response.is_rising("ph_down") is is_rising
    assert response.is_rising("ph_up") is False
    response.update(6.0, 200 * QUARTER_MS)
    response.dosed("ph_down", 6.0, -0.1, 200 * QUARTER_MS)
    response.update(6.0 - 0.1 * response.strength("ph_down"), 201 * QUARTER_MS)
    assert response.is_rising("ph_down") is False


def test_nothing_is_learned_across_a_disturbance():
    response = DoseResponse(DOSERS, PH)
    response.update(6.2, 0)
    response.dosed("ph_down", 6.2, -0.1, 0)
    response.invalidate()
    response.update(7.5, QUARTER_MS)
    assert response.strength("ph_down") == 1.0
    assert response.drift_per_h == 0.0


def test_a_new_titration_discards_the_learned_values():
    response = answered(5.0)
    response.forget("ph_down")
    assert response.strength("ph_down") == 1.0


@settings_of(deadline=None)
@given(st.lists(st.tuples(
    st.floats(3.0, 10.0), st.floats(-1.0, 1.0), st.integers(0, 10**7), st.sampled_from(DOSERS)
), max_size=40))
def test_any_readings_keep_it_within_its_limits(steps):
    response = DoseResponse(DOSERS, PH)
    now_ms = 0
    for value, predicted, after_ms, doser in steps:
        response.dosed(doser, value, predicted, now_ms)
        now_ms += after_ms
        response.update(value, now_ms)
        assert MIN_STRENGTH <= response.strength(doser) <= MAX_STRENGTH
        assert response.upper_bound(doser) >= response.strength(doser)
        assert abs(response.drift_per_h) <= 0.3


def mixed(late, times=1, drift_per_h=0.0):
    """Return the Mixing of a tank in which a share `late` of a dose appears after the wait."""
    mixing = MixingTime(0.1)
    now_ms = 0
    for _ in range(times):
        mixing.dosed(6.0)
        now_ms += QUARTER_MS
        mixing.update(5.8, now_ms, QUARTER_MS, drift_per_h)
        now_ms += QUARTER_MS // 2
        mixing.update(5.8 - 0.2 * late + drift_per_h / 8, now_ms, QUARTER_MS, drift_per_h)
    return mixing


def test_the_wait_grows_for_a_tank_that_mixes_slowly():
    assert mixed(0.3).stretch == 1.5
    assert mixed(0.3, times=9).stretch == 4.0
    assert mixed(0.1).stretch == 1.0


def test_a_drift_is_not_slow_mixing():
    assert mixed(0.0, drift_per_h=0.8).stretch == 1.0


def test_the_wait_is_never_shorter_than_the_settings():
    assert mixed(0.0, times=20).stretch == 1.0
    mixing = mixed(0.3)
    mixing.dosed(6.0)
    assert mixing.left_ms(0, QUARTER_MS, QUARTER_MS) == QUARTER_MS * 3 // 2
    mixing.update(5.8, QUARTER_MS, QUARTER_MS, 0.0)
    assert mixing.left_ms(QUARTER_MS + MINUTE_MS, 0, QUARTER_MS) == QUARTER_MS // 2 - MINUTE_MS


def test_a_small_dose_does_not_change_the_mixing_time():
    mixing = MixingTime(0.5)
    mixing.dosed(6.0)
    mixing.update(5.8, QUARTER_MS, QUARTER_MS, 0.0)
    mixing.update(5.5, 2 * QUARTER_MS, QUARTER_MS, 0.0)
    assert mixing.stretch == 1.0


def test_doses_are_judged_by_what_they_did_at_least_but_the_first_in_other_water():
    response = DoseResponse(DOSERS, PH)
    response.set_strength("ph_down", 4.0)  # 1.0 is its standard deviation
    assert response.lower_bound("ph_down") == pytest.approx(3.0)
    response.doubt()
    assert response.lower_bound("ph_down") == 4.0


def bound_after_quiet_hours(response, now_ms, hours):
    """Return the upper bound of the strength of acid, relative to it, after `hours` of readings
    without a dose."""
    for minute in range(0, 60 * hours + 1, 20):
        response.update(6.0, now_ms + minute * MINUTE_MS)
    return response.upper_bound("ph_down") / response.strength("ph_down")


def test_a_strength_is_believed_for_longer_a_day_after_other_water_came():
    young = bound_after_quiet_hours(answered(1.0), 12 * 45 * MINUTE_MS, 6)
    response = answered(1.0, doses=60)  # 45 minutes each
    settled = bound_after_quiet_hours(response, 45 * 60 * MINUTE_MS, 6)
    assert settled < 1.0 + 0.6 * (young - 1.0)
    response.doubt()
    assert bound_after_quiet_hours(response, 52 * 60 * MINUTE_MS, 6) > young

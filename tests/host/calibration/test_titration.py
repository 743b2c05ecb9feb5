"""Titrations from a sample and from the dosing log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idroserra.calibration.titration import (
    Dose,
    DoseResponse,
    MeanReading,
    TitrationError,
    ec_responses,
    from_sample,
    ph_responses,
    propose,
)

MIXING_MS = 900_000
HOUR_MS = 3_600_000


def log(doses, ml_per_ph, every_ms=20_000, start=8.0):
    """Readings of a tank that answers each acid dose as `ml_per_ph` says, a minute after it."""
    ends = doses[-1].unix_ms + 2 * HOUR_MS
    points = []
    for now in range(0, ends, every_ms):
        given_ul = sum(d.volume_ul for d in doses if d.unix_ms + 60_000 <= now)
        points.append(MeanReading(now, start - given_ul / 1_000 / ml_per_ph))
    return points


def acid(hour, volume_ul=3_000, name="ph_down", is_correction=False):
    return Dose(int(hour * HOUR_MS), name, volume_ul, 3_000, is_correction)


def test_a_litre_scales_to_the_tank():
    # 3.3 ml a pH in a litre of hard water are 330 ml a pH in 100 litres.
    assert from_sample("ph_down", 1_000, 6.6, 7.8, 5.8, 100) == 330_000
    assert from_sample("ph_up", 500, 1.0, 5.0, 6.0, 20) == 40_000


@pytest.mark.parametrize(("figures", "why"), [
    (("ph_down", 1_000, 6.6, 5.8, 7.8, 100), "not down"),
    (("ph_up", 1_000, 6.6, 7.8, 5.8, 100), "not up"),
    (("ph_down", 1_000, 6.6, 6.0, 6.0, 100), "not down"),
    (("ph_down", 1_000, 6.6, 6.0, 5.9, 100), "too small"),
    (("ph_down", 1_000, 0.0, 7.8, 5.8, 100), "more than 0"),
    (("ph_down", 1_000, 1_200.0, 7.8, 5.8, 100), "less than the sample"),
    (("ph_down", 1_000, 6.6, 78.0, 5.8, 100), "is not plausible here"),
    (("ph_down", 1_000, float("nan"), 7.8, 5.8, 100), "more than 0"),
    (("ph_down", 1_000, 6.6, float("nan"), 5.8, 100), "is not plausible here"),
])
def test_nonsense_is_refused_with_its_reason(figures, why):
    with pytest.raises(TitrationError, match=why):
        from_sample(*figures)


def test_the_log_finds_what_the_water_does():
    doses = [acid(hour) for hour in range(1, 9)]
    found = propose("s", ph_responses("ph_down", doses, log(doses, 30.0), MIXING_MS), 1.0)
    assert found.count == 8
    assert found.value == pytest.approx(30_000, rel=0.02)
    assert found.spread < 500


@pytest.mark.parametrize("other", [
    acid(4.1), acid(4.1, name="nutrient_a"), acid(4.1, 0, "top_off"), acid(3.9, name="ph_up"),
])
def test_a_dose_with_company_before_it_mixed_is_not_asked(other):
    doses = sorted([*(acid(hour) for hour in range(1, 9)), other])
    responses = ph_responses("ph_down", doses, log(doses, 30.0), MIXING_MS)
    assert len(responses) == 7


def test_steps_of_a_correction_and_gaps_in_the_readings_are_not_asked():
    doses = [acid(1), acid(2, is_correction=True), acid(3), acid(4)]
    points = [p for p in log(doses, 30.0) if not 2.9 * HOUR_MS < p.unix_ms < 3 * HOUR_MS]
    assert len(ph_responses("ph_down", doses, points, MIXING_MS)) == 2


def test_a_pair_of_nutrients_is_one_response():
    doses, points = [], []
    for hour in range(1, 7):
        ends = hour * HOUR_MS
        doses += [Dose(ends, "nutrient_a", 10_000, 5_000, False),
                  Dose(ends + 70_000, "nutrient_b", 10_000, 5_000, False)]
    for now in range(0, 9 * HOUR_MS, 20_000):
        pairs = sum(1 for d in doses if d.actuator == "nutrient_b" and d.unix_ms + 60_000 <= now)
        points.append(MeanReading(now, 1_000 + 50.0 * pairs))
    found = propose("s", ec_responses(doses, points, MIXING_MS), 100.0)
    assert (found.value, found.spread, found.count) == (20_000, 0, 6)
    alone = [d for d in doses if d.actuator == "nutrient_a"]
    assert ec_responses(alone, points, MIXING_MS) == []


@pytest.mark.parametrize(("responses", "why"), [
    ([], "0 doses"), ([DoseResponse(3_000, 0.1)] * 4, "4 doses"),
    ([DoseResponse(3_000, -0.1)] * 6, "did not move the water as expected"),
    ([DoseResponse(3_000, 0.0)] * 6, "did not move the water as expected"),
    ([DoseResponse(3_000, 0.5)] + [DoseResponse(3_000, 0.0)] * 5, "that of one dose"),
    ([DoseResponse(3_000, x) for x in (0.9, -0.2, 0.8, -0.1, 0.7, -0.2)], "too large"),
])
def test_a_log_that_says_nothing_proposes_nothing(responses, why):
    with pytest.raises(TitrationError, match=why):
        propose("s", responses, 1.0)


@given(
    ml_per_ph=st.floats(5.0, 500.0),
    noise=st.lists(st.floats(-0.02, 0.02), min_size=12, max_size=40),
)
def test_noise_of_the_probe_leaves_the_titration_within_a_fifth(ml_per_ph, noise):
    responses = [DoseResponse(round(0.2 * ml_per_ph * 1_000), 0.2 + one) for one in noise]
    found = propose("s", responses, 1.0)
    assert found.value == pytest.approx(ml_per_ph * 1_000, rel=0.2)
    assert found.spread <= 0.2 * found.value


def test_responses_that_are_equal_have_no_spread():
    assert propose("s", [DoseResponse(3_000, 0.1)] * 5, 1.0).spread == 0

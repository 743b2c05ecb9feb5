"""Tests that the ceilings match docs/safety.md and that settings can only lower them."""

import pytest

from idro.protocol import settings
from idro.safety import limits
from idro.safety.limits import derive, on_ms_for, volume_ul_in

# Frozen: a change also requires one in docs/safety.md and in the judge of the campaign.
FROZEN = {
    "HOUR_MS": 3_600_000, "DAY_MS": 86_400_000, "QUANTUM_MS": 1_000, "SMALLEST_ON_MS": 100,
    "DOSE_ON_MS": 10_000, "HOUR_ON_MS": 30_000, "DAY_ON_MS": 100_000, "GAP_FLOOR_MS": 120_000,
    "GAP_MS": 300_000, "ACID_BASE_MS": 3_600_000, "A_B_MS": 60_000, "FILL_RUN_ON_MS": 600_000,
    "FILL_DAY_ON_MS": 1_800_000, "ACID_DOSE_UL_L": 30, "ACID_HOUR_UL_L": 150,
    "ACID_DAY_UL_L": 500, "REFERENCE_VOLUME_L": 100, "CORRECTION_STEP_ON_MS": 30_000,
    "CORRECTION_DAY_ON_MS": 600_000, "CORRECTION_DAY_UL_L": 4_000, "REDUCED_PCT": 25,
    "EARN_MS": 259_200_000, "ARM_SAMPLES": 12, "ARM_MS": 120_000, "IN_AIR_HOLD_MS": 60_000,
    "OPEN_RESERVE_HOLD_MS": 600_000, "STALE_MS": 30_000, "AIR_LEASE_MS": 120_000, "AIR_MAX_C": 40,
    "AIR_MAX_RH_PCT": 95, "TRIP_BELOW_C": 5, "TRIP_HOLD_MS": 1_800_000,
}


def caps(channel, volume_l=100, authority_pct=100, **values):
    checked = settings.check({key.replace("__", "."): value for key, value in values.items()})
    return derive(checked, volume_l, authority_pct).caps[channel]


def test_the_frozen_ceilings():
    assert {name: getattr(limits, name) for name in FROZEN} == FROZEN


def test_no_setting_raises_the_ceiling_of_the_air():
    values = settings.check({})
    assert derive(values | {"climate.max_c": 99.0}, 100).air_max_c == 40
    assert derive(values | {"climate.max_c": 31.5}, 100).air_max_c == 31.5


@pytest.mark.parametrize("channel", ["ph_down", "ph_up"])
def test_acid_and_base_ceilings_scale_with_the_volume(channel):
    assert caps(channel)[:3] == (3_000, 15_000, 50_000)
    assert caps(channel, volume_l=10)[:3] == (300, 1_500, 5_000)


def test_acid_and_base_ceilings_follow_their_own_titration():
    soft = {"ph__down_ul_per_ph": 10_009, "ph__up_ul_per_ph": 20_011}
    assert caps("ph_down", **soft)[:3] == (1_000, 5_004, 15_013)
    assert caps("ph_up", **soft)[:3] == (2_001, 10_005, 30_016)


def test_nutrient_ceilings_follow_their_step():
    values = {"ec__ul_per_100_us_cm": 20_000, "doser__ul_per_s": 20_000}
    for channel in ("nutrient_a", "nutrient_b"):
        assert caps(channel, **values)[:3] == (20_000, 60_000, 200_000)


def test_on_time_bounds_every_volume():
    large = {"ec__ul_per_100_us_cm": 2_000_000, "ph__down_ul_per_ph": 2_000_000}
    for channel in ("ph_down", "nutrient_a"):
        found = caps(channel, volume_l=2_000, doser__ul_per_s=101, **large)
        assert found == (1_010, 3_030, 10_100, 300_000, 101)


@pytest.mark.parametrize("authority_pct", [25, 0])
def test_a_share_applies_to_the_hour_and_the_day_not_to_a_dose(authority_pct):
    assert caps("ph_down", authority_pct=authority_pct)[:3] == (3_000, 3_750, 12_500)
    found = caps(
        "nutrient_b", authority_pct=authority_pct, ec__ul_per_100_us_cm=1_000
    )
    assert found[:3] == (1_000, 750, 2_500)


@pytest.mark.parametrize(("wait_ms", "gap_ms"), [
    (120_000, 120_000), (120_001, 120_001), (299_999, 299_999), (300_001, 300_000),
])
def test_doses_of_a_pump_are_two_to_five_minutes_apart(wait_ms, gap_ms):
    assert caps("ph_up", mixing__wait_ms=wait_ms).gap_ms == gap_ms
    assert caps("nutrient_b", mixing__wait_ms=wait_ms).gap_ms == gap_ms


def test_other_limits_come_from_the_settings():
    values = settings.check({
        "level.low_mm": 101, "level.full_mm": 303, "level.target_mm": 202,
        "mixing.wait_ms": 500_000, "topoff.max_ms_day": 700_000, "sample.every_ms": 20_000,
    })
    found = derive(values, 50, 60)
    assert (found.low_mm, found.full_mm, found.mixing_ms) == (101, 303, 500_000)
    assert (found.fill_day_ms, found.authority_pct) == (700_000, 60)
    assert found.stale_ms == 60_000
    assert found.correction_day_ul == 200_000


def test_a_reading_may_be_three_cycles_or_30_s_old():
    assert derive(settings.check({"sample.every_ms": 1_000})).stale_ms == 30_000
    assert derive(settings.check({"sample.every_ms": 10_001})).stale_ms == 30_003


def test_the_default_is_100_l_and_full_authority():
    assert derive(settings.defaults()) == derive(settings.defaults(), 100, 100)


def test_no_dose_exceeds_its_request_or_its_charge():
    assert on_ms_for(1_000, 1_000) == 1_000
    assert on_ms_for(10, 3) == 3_333
    assert volume_ul_in(1_000, 1_000) == 1_000
    assert volume_ul_in(3_333, 3) == 10
    assert volume_ul_in(1, 999) == 1
    assert volume_ul_in(0, 999) == 0

"""Tests of the watch without doses before dosing locks for no effect."""

import copy
import math

import pytest

from idro.control import dose_verification as judged
from idro.control import dosing
from idro.control.dosing_state import DosingState
from idro.control.effect_watch import WATCH_MS
from idro.protocol.reason import Reason
from idro.protocol.types import Actuation
from support.dosing_waters import VALUES, dosed, given_acid, verdict, watched_verdict, water


def decide_of(memory, now_ms):
    return dosing.decide(water(ph=7.1), VALUES, memory, now_ms, lambda _: (10_000, None))


def lived(drift_per_h, strength, hours=12, cap_ul=1_500, ph=6.02):
    """Control water outside of the band that drifts, and answers acid by `strength` of the
    titration; return the first verdict, or None."""
    memory, dosed_ms = DosingState(), -900_000
    for now_ms in range(0, hours * 3_600_000, 30_000):
        ph += drift_per_h / 120
        state = water(ph=ph, mixing_left_ms=max(0, dosed_ms + 900_000 - now_ms))
        found = verdict(memory, state, now_ms)
        if found:
            return found
        _, wanted = dosing.decide(state, VALUES, memory, now_ms, lambda _: (cap_ul, None))
        if wanted.actuator:
            dosed_ms = now_ms
            given = Actuation(wanted.actuator, wanted.volume_ul, 0, 0, None)
            memory.record_dose(given, state, VALUES, now_ms)
            ph -= strength * wanted.volume_ul / VALUES["ph.down_ul_per_ph"]
    return None


@pytest.mark.parametrize("drift_per_h", [0.05, 0.1, 0.14, 0.18])
def test_acid_that_only_holds_against_the_loss_of_co2_is_no_failure(drift_per_h):
    assert lived(drift_per_h, strength=1.0) is None


@pytest.mark.parametrize("drift_per_h", [0.03, 0.1, 0.18])
def test_a_dead_pump_in_water_that_loses_co2_is_judged(drift_per_h):
    assert lived(drift_per_h, strength=0.0) is not None


def lived_wobble(wobble_ph, period_ms, phase):
    """Control by a probe that shows none of its doses and wobbles, until the verdict; return the
    acid."""
    memory, dosed_ms, acid_ul = DosingState(), -900_000, 0
    for now_ms in range(0, 48 * 3_600_000, 30_000):
        ph = 6.6 + wobble_ph * math.sin(2 * math.pi * (now_ms / period_ms + phase))
        state = water(ph=ph, mixing_left_ms=max(0, dosed_ms + 900_000 - now_ms))
        if verdict(memory, state, now_ms):
            return acid_ul
        _, wanted = dosing.decide(state, VALUES, memory, now_ms, lambda _: (1_500, None))
        if wanted.actuator:
            dosed_ms, acid_ul = now_ms, acid_ul + wanted.volume_ul
            given = Actuation(wanted.actuator, wanted.volume_ul, 0, 0, None)
            memory.record_dose(given, state, VALUES, now_ms)
    raise AssertionError("never judged")


@pytest.mark.parametrize("drift_per_h", [0.1, 0.15, 0.2])
def test_acid_that_only_holds_far_from_the_target_is_no_failure(drift_per_h):
    # Too far off for the drift to be measured before: it is measured before the verdict.
    assert lived(drift_per_h, strength=1.0, ph=6.7, cap_ul=4_000) is None
    assert lived(drift_per_h, strength=0.0, ph=6.7) is not None


@pytest.mark.parametrize("drift_ph_h", [0.0, 0.04, -0.2, 0.35])  # no water is as fast: the probe
def test_doses_that_did_nothing_are_judged_after_an_hour_without_doses(drift_ph_h):
    memory, now_ms = dosed()
    assert verdict(memory, water(ph=7.0), now_ms) is None
    for decision in decide_of(memory, now_ms):
        assert decision.reason == Reason("effect_watched", left_ms=3_600_000)
    assert decide_of(memory, now_ms + 1_000)[1].reason.values["left_ms"] == 3_599_000
    assert watched_verdict(memory, water(ph=7.0), now_ms, drift_ph_h) == judged.NO_EFFECT


def test_doses_that_held_against_a_drift_go_on_after_the_watch():
    memory, now_ms = dosed()
    assert watched_verdict(memory, water(ph=7.0), now_ms, drift_ph_h=0.25) is None
    assert not memory.watch_left_ms(now_ms + 3_600_000)
    assert decide_of(memory, now_ms + 3_600_000)[1].actuator == "ph_down"


@pytest.mark.parametrize(("fall_per_h", "is_excused"), [(0.05, True), (0.01, False)])
def test_doses_between_nutrient_held_for_as_long_as_all_of_them(fall_per_h, is_excused):
    """Base against a crop that acidifies the water: what each did is known by the watch only."""
    doses, now_ms = judged.DoseVerification(judged.PH), 0
    for _ in range(6):
        doses.add(5.83, 200, 0.055, now_ms)
        now_ms += 1_800_000
        assert doses.verdict(5.84, now_ms) is None
        if not doses.watch_left_ms(now_ms):
            doses.settle(5.84, now_ms)
    found, ph = None, 5.84
    while found is None and doses.watch_left_ms(now_ms):
        now_ms += 30_000
        ph -= fall_per_h / 120
        found = doses.verdict(ph, now_ms)
    assert found == (None if is_excused else judged.NO_EFFECT)
    assert doses.watch_state == (1 if is_excused else 3)


def test_a_watch_without_readings_is_begun_again():
    memory, now_ms = dosed()
    verdict(memory, water(ph=7.0), now_ms)
    for at_ms in range(now_ms, now_ms + 3_600_001, 30_000):
        is_mixing = at_ms - now_ms > 2_000_000
        found = verdict(memory, water(ph=7.0, mixing_left_ms=int(is_mixing)), at_ms)
        assert found is None
    assert verdict(memory, water(ph=7.0), at_ms + 30_000) is None
    assert memory.watch_left_ms(at_ms + 30_000) == 3_600_000


@pytest.mark.parametrize(("wobble_ph", "period_ms"), [
    (0.05, 1_800_000), (0.04, 3_600_000), (0.05, 7_200_000)])
def test_a_stuck_probe_that_wobbles_is_judged_after_two_series_at_most(wobble_ph, period_ms):
    for phase in range(6):
        acid_ul = lived_wobble(wobble_ph, period_ms, phase / 6)
        assert acid_ul / VALUES["ph.down_ul_per_ph"] < 1.0


def test_after_such_a_watch_the_next_doses_must_have_their_effect_without_one():
    memory, now_ms = dosed()
    assert watched_verdict(memory, water(ph=7.0), now_ms, drift_ph_h=0.2) is None
    memory.doubt()  # the drift is that of other water
    for index in range(5):
        given_acid(memory, 7.2, now_ms + (index + 1) * 900_000)
    assert verdict(memory, water(ph=7.2), now_ms + 6 * 900_000) == judged.NO_EFFECT


def test_nutrient_that_is_owed_follows_in_the_watch():
    memory, now_ms = dosed()
    verdict(memory, water(ph=7.0), now_ms)
    memory.pending_b_ul, memory.a_ended_ms = 5_000, now_ms - 60_001
    assert decide_of(memory, now_ms)[0].actuator == "nutrient_b"


def test_a_fill_begins_the_hour_again_and_forgives_nothing():
    memory, now_ms = dosed()
    verdict(memory, water(ph=7.0), now_ms)
    at_ms = now_ms + 600_000
    verdict(memory, water(ph=7.0, is_filling=True), at_ms)
    assert memory.watch_left_ms(at_ms) == WATCH_MS
    assert watched_verdict(memory, water(ph=6.9), at_ms + 900_000) == judged.NO_EFFECT


def test_water_that_changed_in_the_hour_hides_no_acid_that_works():
    memory, now_ms = dosed()
    verdict(memory, water(ph=7.0), now_ms)
    at_ms = now_ms + 600_000
    verdict(memory, water(ph=7.0, is_filling=True), at_ms)
    # The fill has raised it; without doses it shows the drift that the acid held.
    assert watched_verdict(memory, water(ph=7.1), at_ms + 900_000, drift_ph_h=0.25) is None
    assert memory.watch_left_ms(at_ms + 900_000 + WATCH_MS) == 0


def test_a_probe_that_fails_in_the_hour_begins_it_again():
    memory, now_ms = dosed()
    verdict(memory, water(ph=7.0), now_ms)
    for _ in range(10):
        now_ms += 30_000
        verdict(memory, water(ph="crc"), now_ms)
    verdict(memory, water(ph=7.0), now_ms + 30_000)
    assert memory.watch_left_ms(now_ms + 30_000) == WATCH_MS
    assert watched_verdict(memory, water(ph=7.0), now_ms + 60_000) == judged.NO_EFFECT


def test_after_three_hours_that_a_fill_ended_the_next_dose_is_judged():
    memory, now_ms = dosed()
    verdict(memory, water(ph=7.0), now_ms)
    for count in range(1, 4):
        now_ms += 1_200_000
        verdict(memory, water(ph=7.0, is_filling=True), now_ms)
        assert bool(memory.watch_left_ms(now_ms)) == (count < 3)
        verdict(memory, water(ph=7.0), now_ms + 900_000)
    given_acid(memory, 7.0, now_ms + 960_000)
    assert verdict(memory, water(ph=7.0), now_ms + 960_000 + 900_000) == judged.NO_EFFECT


def test_a_second_watch_needs_a_day_or_a_person():
    memory, now_ms = dosed()
    assert watched_verdict(memory, water(ph=7.0), now_ms, drift_ph_h=0.25) is None
    for wait_ms, found in ((80_000_000, judged.NO_EFFECT), (84_000_000, None)):
        late = copy.deepcopy(memory)
        late.doubt()
        for index in range(5):
            given_acid(late, 7.2, now_ms + wait_ms + index * 900_000)
        at_ms = now_ms + wait_ms + 5 * 900_000
        assert verdict(late, water(ph=7.2), at_ms) == found
        assert bool(late.watch_left_ms(at_ms)) == (found is None)
    memory.recalibrated()
    for index in range(5):
        given_acid(memory, 7.2, now_ms + 4_000_000 + index * 900_000)
    assert verdict(memory, water(ph=7.2), now_ms + 4_000_000 + 5 * 900_000) is None


def test_doses_after_an_excuse_are_judged_by_the_bare_reading():
    # A worn probe that drifts shows little of each dose; the watch excuses one series.
    memory, ph, now_ms = DosingState(), 6.7, 0
    for _ in range(3):
        for _ in range(5):
            given_acid(memory, ph, now_ms)
            ph, now_ms = ph + 0.02, now_ms + 900_000
        found = watched_verdict(memory, water(ph=ph), now_ms, drift_ph_h=0.2)
        if found:
            break
        ph, now_ms = ph + 0.2, now_ms + 3_600_000
    assert found == judged.NO_EFFECT
    assert now_ms <= 15 * 900_000

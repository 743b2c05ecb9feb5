"""Tests of verdicts on series of doses: no effect, wrong direction, or undecided."""

import itertools

import pytest

from idro.control import dose_verification as judged
from idro.control.dosing_state import DosingState
from idro.protocol import settings
from idro.protocol.types import Actuation
from support.dosing_waters import VALUES, dosed, given_acid, verdict, watched_verdict, water


def series(values, volume_ul=4_000, actuator="ph_down"):
    """Dose at each value in turn; return the first verdict and the number of doses before it."""
    memory = DosingState()
    for count, value in enumerate(values):
        found = watched_verdict(memory, water(ph=value), count * 900_000)
        if found:
            return found, count
        memory.record_dose(
            Actuation(actuator, volume_ul, 0, 0, None), water(ph=value), VALUES, count * 900_000
        )
    return verdict(memory, water(ph=values[-1]), len(values) * 900_000), len(values)


def test_doses_without_effect_are_judged_within_six():
    found, count = series([7.0] * 10)
    assert found == judged.NO_EFFECT
    assert count <= 6


def test_a_series_that_had_its_effect_excuses_no_later_dose():
    assert series([7.0, 6.95, 6.9, 6.85, 6.8, 6.75, *[6.7] * 9]) == (judged.NO_EFFECT, 9)


def test_nutrient_needs_its_effect_at_once():
    memory = DosingState()
    for index, ec in enumerate((1_300, 1_310, 1_320, 1_339)):
        found = watched_verdict(memory, water(ec=ec), index * 900_000)
        assert found == (judged.NO_EFFECT if index == 3 else None)
        nutrient = Actuation("nutrient_b", 10_000, 0, 0, None)
        memory.record_dose(nutrient, water(ec=ec), VALUES, index * 900_000)


def test_doses_below_resolution_are_not_a_wrong_direction():
    # Hard water in a large tank: it loses its CO2 faster than the ceilings let acid answer.
    found, _ = series([7.0, 7.1, 7.25, 7.4, 7.6], volume_ul=100)
    assert found is None


def test_doses_in_the_wrong_direction_are_judged_after_two():
    assert series([7.0, 7.1, 7.25, 7.4]) == (judged.WRONG_WAY, 2)


@pytest.mark.parametrize("poured_after", range(1, 8))
def test_acid_that_someone_pours_after_a_dose_of_base_is_not_judged(poured_after):
    # 0.1 pH a dose, and a pour of 0.8 pH between any two of them.
    values = [5.6 + 0.05 * index - (0.8 if index >= poured_after else 0.0) for index in range(8)]
    assert series(values, volume_ul=1_000, actuator="ph_up") == (None, 8)


def test_acid_in_the_bottle_of_base_is_judged_after_two_doses_however_strong_the_first():
    assert series([5.6, 4.2, 4.13], 4_000, "ph_up") == (judged.WRONG_WAY, 2)
    assert series([5.6, 4.2, 4.16], 1_000, "ph_up") == (None, 3)  # 0.05: noise


def test_a_worst_dose_counts_with_those_of_its_own_series_only():
    memory = DosingState()
    given_acid(memory, 7.0, 0)
    given_acid(memory, 7.6, 900_000)
    memory.invalidate()  # other water
    for index in range(2):
        given_acid(memory, 7.0 + 0.16 * index, (index + 2) * 900_000)
    assert verdict(memory, water(ph=7.32), 4 * 900_000) == judged.WRONG_WAY


@pytest.mark.parametrize("drift_per_h", [0.15, 0.3])
def test_a_drift_against_dead_doses_is_not_taken_for_a_pour(drift_per_h):
    memory, ph, found = DosingState(), 5.8, None
    for now_ms in range(0, 7_200_000, 30_000):  # it is known before the first dose
        ph += drift_per_h / 120
        verdict(memory, water(ph=ph), now_ms)
    for count in range(8):
        now_ms = 7_200_000 + count * 1_800_000
        found = found or watched_verdict(memory, water(ph=ph), now_ms, drift_per_h)
        given_acid(memory, ph, now_ms)
        ph += 0.5 * drift_per_h
    assert found == judged.NO_EFFECT


@pytest.mark.parametrize("recovered_after", range(1, 6))
def test_a_probe_that_recovers_while_a_dose_mixes_hides_no_dead_pump(recovered_after):
    values = [7.0 if index < recovered_after else 6.75 for index in range(10)]
    for volume_ul in (2_000, 3_200, 4_000, 8_000):  # 0.05 to 0.2 pH a dose
        found, count = series(values, volume_ul=volume_ul)
        assert found == judged.NO_EFFECT
        assert count <= 6, volume_ul


def test_a_pump_that_does_twice_what_was_expected_of_it_is_dosed():
    assert series([7.0 - 0.4 * index for index in range(8)], volume_ul=2_000) == (None, 8)


@pytest.mark.parametrize("is_settled", [False, True])
@pytest.mark.parametrize("phase", [0, 1])
def test_a_probe_that_jumps_with_every_dose_stops_none(is_settled, phase):
    doses, values = judged.DoseVerification(judged.PH), []
    for count in range(13):
        values.append(7.0 - 0.05 * count + 0.13 * ((count + phase) % 2))
    for count, (before, after) in enumerate(itertools.pairwise(values)):
        doses.add(before, 200, -0.05, count * 900_000)
        at_ms = (count + 1) * 900_000
        assert doses.verdict(after, at_ms) is None
        assert doses.watch_state == 0
        if is_settled:
            doses.settle(after, at_ms)


def test_a_jump_that_goes_back_slowly_is_no_wrong_direction():
    doses, values = judged.DoseVerification(judged.PH), [7.0, 6.66, 6.7, 6.745, 6.79, 6.835, 6.88]
    for count, (before, after) in enumerate(itertools.pairwise(values)):
        doses.add(before, 200, -0.04, count * 900_000)
        assert doses.verdict(after, (count + 1) * 900_000) is None


def test_a_jump_that_goes_back_in_the_watch_is_left_out_once():
    # Acid that works against 0.2 pH an hour; with its last dose the probe jumps for a moment.
    doses, ph, now_ms = judged.DoseVerification(judged.PH), 7.0, 0
    for _ in range(7):
        doses.add(ph, 200, -0.05, now_ms)
        now_ms += 900_000
    assert doses.verdict(ph - 0.3, now_ms) is None
    assert doses.watch_state == 2
    found = None
    while doses.watch_left_ms(now_ms) and not found:
        now_ms += 30_000
        ph += 0.2 / 120
        found = doses.verdict(ph, now_ms)
    assert found is None


def test_a_recovery_between_nutrient_doses_hides_no_dead_pump_either():
    doses = judged.DoseVerification(judged.PH)
    for count in range(6):
        doses.add(7.0 if count < 2 else 6.75, 200, -0.06, count * 900_000)
        ph, at_ms = 7.0 if count < 1 else 6.75, (count + 1) * 900_000
        doses.verdict(ph, at_ms)
        doses.settle(ph, at_ms)
    assert doses.watch_state == 2  # they are not excused yet


def test_effective_doses_get_no_verdict():
    assert series([7.0 - 0.08 * index for index in range(12)])[0] is None


def test_unmixed_water_gets_no_verdict():
    memory = DosingState()
    for index in range(5):
        memory.record_dose(
            Actuation("ph_down", 4_000, 0, 0, None), water(ph=7.0), VALUES, index * 900_000
        )
    assert verdict(memory, water(ph=7.0, mixing_left_ms=1), 4_500_000) is None
    assert verdict(memory, water(ph="flat"), 4_500_000) is None
    assert watched_verdict(memory, water(ph=7.0), 4_510_000) == judged.NO_EFFECT


def test_nutrient_without_effect_is_judged():
    memory = DosingState()
    for index in range(4):
        for name in ("nutrient_a", "nutrient_b"):
            memory.record_dose(
                Actuation(name, 10_000, 0, 0, None), water(ec=1_300), VALUES, index * 900_000
            )
    assert watched_verdict(memory, water(ec=1_310), 3_600_000) == judged.NO_EFFECT


@pytest.mark.parametrize("after", [7.0, 7.6])
def test_a_gap_in_the_readings_prevents_a_verdict(after):
    memory, now_ms = dosed()
    for at_ms in range(now_ms - 800_000, now_ms - 600_000, 10_000):
        assert verdict(memory, water(ph="saturated", mixing_left_ms=1), at_ms) is None
    assert verdict(memory, water(ph=after), now_ms) is None
    given_acid(memory, after, now_ms)
    assert verdict(memory, water(ph=after), now_ms + 900_000) is None


def test_a_bus_glitch_does_not_prevent_a_verdict():
    memory, now_ms = dosed()
    for at_ms in range(now_ms - 800_000, now_ms, 100_000):
        assert verdict(memory, water(ph="no_ack", mixing_left_ms=1), at_ms) is None
        assert verdict(memory, water(ph=7.0, mixing_left_ms=1), at_ms + 10_000) is None
    assert watched_verdict(memory, water(ph=7.0), now_ms) == judged.NO_EFFECT


@pytest.mark.parametrize("between", [
    water(ph=7.0, is_filling=True), water(ph=7.0, ec="in_air"), water(ph=7.0, ec=50),
    water(ph=7.0, level=212), water(ph=7.0, level=188),
])
def test_added_water_prevents_a_verdict(between):
    memory, now_ms = dosed()
    assert verdict(memory, between, now_ms - 700_000) is None
    for after in (7.0, 7.6):
        assert verdict(memory, water(ph=after), now_ms) is None


def test_a_rippling_level_does_not_prevent_a_verdict():
    memory, now_ms = dosed()
    assert verdict(memory, water(ph=7.0, level=196, mixing_left_ms=1), now_ms - 700_000) is None
    assert watched_verdict(memory, water(ph=7.0, level="no_ack"), now_ms) == judged.NO_EFFECT


def test_changes_long_after_a_dose_are_not_judged():
    memory, now_ms = dosed(count=2)
    for step in range(60):
        state = water(ph=7.0 + step * 0.01, mixing_left_ms=0)
        assert verdict(memory, state, now_ms + 3_000_000 + step * 60_000) is None


def test_an_expired_baseline_is_discarded():
    memory = DosingState()
    for index in range(40):
        now_ms = index * 900_000
        found = verdict(memory, water(ph=6.0 + index * 0.004), now_ms)
        assert found is None, index
        tiny = Actuation("ph_down", 200, 0, 0, None)
        memory.record_dose(tiny, water(ph=6.0 + index * 0.004), VALUES, now_ms)


def test_a_slowly_mixing_tank_is_judged():
    values = settings.check({"dosing.enabled": True, "mixing.wait_ms": 14_400_000})
    memory = DosingState()
    for index in range(4):
        now_ms = index * 14_500_000
        found = watched_verdict(memory, water(ph=7.0), now_ms, values=values)
        if found:
            break
        given_acid(memory, 7.0, now_ms)
    assert found == judged.NO_EFFECT


def test_a_nutrient_dose_discards_the_earlier_effect_of_acid():
    memory, now_ms = dosed()
    nutrient = Actuation("nutrient_a", 10_000, 0, 0, None)
    memory.record_dose(nutrient, water(ph=7.0, ec=1_300), VALUES, now_ms)
    assert verdict(memory, water(ph=7.0), now_ms + 900_000) is None


def alternate(effect_ph, doses=10, hours_apart=1, volume_ul=4_000, nutrient_ph=-0.2,
              after_reset=False):
    """Alternate doses of acid (`effect_ph` each) and nutrient (`nutrient_ph` each).

    Return the verdict and the number of acid doses before it.
    """
    memory = DosingState()
    if after_reset:
        memory.restore(memory.learned(), 0)
    ph, now_ms = 7.0, 0
    nutrient = Actuation("nutrient_a", 10_000, 0, 0, None)
    for count in range(doses):
        acid = Actuation("ph_down", volume_ul, 0, 0, None)
        memory.record_dose(acid, water(ph=ph), VALUES, now_ms)
        ph += effect_ph
        now_ms += 900_000
        found = watched_verdict(memory, water(ph=ph), now_ms)
        if found:
            return found, count + 1
        memory.record_dose(nutrient, water(ph=ph), VALUES, now_ms)
        ph += nutrient_ph
        now_ms += hours_apart * 3_600_000
        assert verdict(memory, water(ph=ph), now_ms) is None
    return None, doses


def test_doses_alternating_with_nutrient_are_judged_separately():
    assert alternate(0.0) == (judged.NO_EFFECT, 3)
    assert alternate(0.1) == (judged.WRONG_WAY, 2)
    assert alternate(-0.08)[0] is None


def test_the_effect_of_swapped_bottles_is_not_drift():
    # After a dose from the wrong bottle the water seems to drift, which excuses no later dose.
    assert alternate(
        0.112, hours_apart=0.27, volume_ul=2_000, nutrient_ph=-0.01, after_reset=True,
    ) == (judged.WRONG_WAY, 2)


def test_swapped_bottles_are_not_drift_after_a_manual_dose():
    memory = DosingState()
    memory.restore(memory.learned(), 0)
    ph, now_ms = 6.61, 0
    found = []
    for count in range(4):
        memory.record_dose(Actuation("ph_down", 2_000, 0, 0, None), water(ph=ph), VALUES, now_ms)
        if count == 1:  # before the second dose is judged
            memory.record_manual_dose(Actuation("nutrient_b", 1_000, 0, 0, None), VALUES)
        ph += 0.11
        now_ms += 900_000
        found.append(verdict(memory, water(ph=ph), now_ms))
    assert found == [None, None, None, judged.WRONG_WAY]


def test_dose_effects_count_for_a_day():
    assert alternate(0.0, hours_apart=14)[0] is None


def test_a_calibration_discards_earlier_effects():
    memory = DosingState()
    for index in range(10):
        given_acid(memory, 7.0, index * 1_800_000)
        assert verdict(memory, water(ph=7.0), index * 1_800_000 + 900_000) is None
        nutrient = Actuation("nutrient_a", 10_000, 0, 0, None)
        memory.record_dose(nutrient, water(ph=7.0), VALUES, index * 1_800_000 + 900_000)
        memory.recalibrated()


def test_a_manual_change_discards_the_comparison():
    memory, now_ms = dosed()
    memory.invalidate()
    assert verdict(memory, water(ph=7.0), now_ms) is None

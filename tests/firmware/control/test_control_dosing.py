"""Tests of dosing decisions: half of the need, the loops in turn, A before B, their reasons."""

import pytest
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from idro.control import dosing
from idro.control.dosing_state import DosingState
from idro.protocol import settings
from idro.protocol.reason import Reason
from idro.protocol.reasons import REASONS
from idro.protocol.types import Actuation
from support.dosing_waters import VALUES, given_acid, reading, verdict, watched_verdict, water

BIG = 10_000
FULL = Reason("max_dose", volume_ul=BIG)


def room(actuator):
    return BIG, FULL


def dosed(name, volume_ul, cut=None):
    return Actuation(name, volume_ul, volume_ul, 0, cut)


def decide(state, memory=None, now_ms=10_000_000, values=VALUES, room=room):
    return dosing.decide(state, values, memory or DosingState(), now_ms, room)


def test_no_dose_in_band():
    ec, ph = decide(water())
    assert ec.reason == Reason("ec_in_band", ec_us_cm=1_600, target_us_cm=1_600)
    assert ph.reason == Reason("ph_in_band", milli_ph=5_800, target_milli_ph=5_800)
    assert ec.actuator is None
    assert ph.actuator is None


def learned(**strengths):
    """Return a Memory that has learned these strengths (thousandths) with certainty."""
    memory = DosingState()
    memory.restore([strengths.get("ph_down", 1_000), 1_000, 1_000, 1_000, 1_000, 0], 0)
    return memory


def test_high_ph_requests_half_of_the_need():
    _, ph = decide(water(ph=6.2), learned())
    assert ph.actuator == "ph_down"
    sure = 1.0 + 2 * 0.25
    assert ph.volume_ul == pytest.approx(0.4 * 40_000 / sure / 2, abs=1)
    assert ph.reason == Reason(
        "ph_high_dose", actuator="ph_down", milli_ph=6_200, target_milli_ph=5_800,
        ul_per_ph=26_666, drift_milli_ph_per_h=0)


def test_a_declared_strength_gets_smaller_doses_than_a_learned_one():
    declared, sure = decide(water(ph=6.2))[1], decide(water(ph=6.2), learned())[1]
    assert 0 < declared.volume_ul < sure.volume_ul


def test_more_sensitive_water_gets_smaller_doses():
    weak, strong = (
        decide(water(ph=6.2), learned(ph_down=strength))[1] for strength in (1_000, 4_000)
    )
    assert strong.volume_ul == pytest.approx(weak.volume_ul / 4, abs=1)


def test_low_ph_requests_base():
    assert decide(water(ph=5.3))[1].actuator == "ph_up"


def test_ec_comes_before_ph():
    ec, ph = decide(water(ph=6.5, ec=1_400))
    assert (ec.actuator, ec.volume_ul) == ("nutrient_a", BIG)
    assert ph.reason == Reason("ec_first")


def test_high_ec_never_doses_nutrient():
    for value in range(1_681, 20_000, 97):
        ec, _ = decide(water(ec=value))
        assert ec.actuator is None
        assert ec.reason == Reason("ec_high", ec_us_cm=value, target_us_cm=1_600)


def test_the_dead_band_holds():
    for ph in (5.61, 5.7, 5.9, 5.99):
        assert decide(water(ph=ph))[1].actuator is None


def test_b_follows_a_with_the_same_volume_after_a_minute():
    memory = DosingState()
    memory.record_dose(dosed("nutrient_a", 7_300), water(ec=1_400), VALUES, 1_000_000)
    ec, ph = decide(water(ec=1_400, mixing_left_ms=800_000), memory, 1_020_000)
    assert ec.reason == Reason("b_after", left_ms=40_000)
    assert ph.reason == Reason("b_first")
    ec, _ = decide(water(ec=1_400, mixing_left_ms=800_000), memory, 1_060_001)
    assert (ec.actuator, ec.volume_ul) == ("nutrient_b", 7_300)
    memory.record_dose(dosed("nutrient_b", 7_300), water(ec=1_400), VALUES, 1_070_000)
    ec, _ = decide(water(ec=1_400, mixing_left_ms=800_000), memory, 1_080_000)
    assert ec.reason == Reason("mixing", left_ms=800_000)


def test_a_pending_b_dose_expires_after_half_an_hour():
    memory = DosingState()
    memory.record_dose(dosed("nutrient_a", 7_300), water(ec=1_400), VALUES, 0)
    off = Reason("circulation_off")
    blocked = decide(water(ec=1_400), memory, 1_700_000, room=lambda _: (0, off))
    assert blocked[0].reason == Reason("b_waits", why=off)
    assert memory.abandoned_b_ul == 0
    assert decide(water(), memory, 1_900_000)[0].reason.code == "ec_in_band"
    assert memory.abandoned_b_ul == 7_300
    decide(water(), memory, 1_910_000)
    assert memory.abandoned_b_ul == memory.pending_b_ul == 0


def test_an_interrupted_b_dose_is_completed():
    memory = DosingState()
    state = water(ec=1_400)
    memory.record_dose(dosed("nutrient_a", 7_300), state, VALUES, 0)
    memory.record_dose(dosed("nutrient_b", 3_000, Reason("all_off")), state, VALUES, 70_000)
    assert decide(state, memory, 400_000)[0].volume_ul == 4_300
    memory.record_dose(dosed("nutrient_b", 4_200), state, VALUES, 410_000)
    assert memory.pending_b_ul == 0  # the remainder is below the smallest dose


def test_a_manual_b_dose_cancels_the_pending_one():
    memory = DosingState()
    memory.record_dose(dosed("nutrient_a", 7_300), water(ec=1_400), VALUES, 0)
    memory.record_manual_dose(Actuation("nutrient_b", 7_300, 7_300, 0, None), VALUES)
    assert decide(water(ec=1_400, mixing_left_ms=1), memory, 400_000)[0].actuator is None


@pytest.mark.parametrize(("state", "reason"), [
    (water(level="no_ack"), Reason("no_level", fault="no_ack")),
    (water(level=100), Reason("water_low", level_mm=100, low_mm=120)),
    (water(is_filling=True), Reason("filling")),
    (water(ec=150), Reason("ec_in_air", limit_us_cm=200)),
    (water(ec="in_air"), Reason("ec_in_air", limit_us_cm=200)),
    (water(mixing_left_ms=230_000), Reason("mixing", left_ms=230_000)),
])
def test_a_hold_applies_to_both_loops(state, reason):
    ec, ph = decide(state._replace(ph=reading(7.0)))
    assert ec.reason == ph.reason == reason
    assert ec.actuator is None
    assert ph.actuator is None


def test_a_probe_back_in_water_is_observed_for_a_minute():
    memory = DosingState()
    decide(water(ph=7.0, ec=10), memory, 1_000_000)
    assert decide(water(ph=7.0), memory, 1_059_000)[1].actuator is None
    assert decide(water(ph=7.0), memory, 1_060_000)[1].actuator == "ph_down"


def test_a_lost_probe_does_not_affect_the_other_loop():
    ec, ph = decide(water(ph=6.5, ec="no_ack"))
    assert (ec.reason, ph.actuator) == (Reason("no_ec", fault="no_ack"), "ph_down")
    ec, ph = decide(water(ph="flat", ec=1_400))
    assert ec.actuator == "nutrient_a"


def test_disabled_dosing_only_monitors():
    ec, ph = decide(water(ph=8.0, ec=100), values=settings.defaults())
    assert ec.reason == ph.reason == Reason("dosing_off")


def test_a_refusal_by_the_gate_is_the_reason():
    why = Reason("apart", actuator="ph_up", left_ms=2_520_000)
    assert decide(water(ph=7.0), room=lambda _: (0, why))[1].reason == Reason(
        "ph_high_blocked", why=why)
    assert decide(water(ph=5.0), room=lambda _: (0, why))[1].reason == Reason(
        "ph_low_blocked", why=why)
    assert decide(water(ec=1_200), room=lambda _: (0, why))[0].reason == Reason(
        "ec_low_blocked", why=why)


numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(-10**6, 10**6)
)
faults = st.sampled_from(["no_ack", "flat", "noisy", "stale", "in_air", "out_of_range"])
readings = st.builds(reading, st.one_of(numbers, faults))


@settings_of(deadline=None)
@given(
    st.builds(dosing.Water, readings, readings, readings, st.booleans(), st.integers(0, 10**7)),
    st.dictionaries(st.sampled_from(
        ("ph_down", "ph_up", "nutrient_a", "nutrient_b")), st.integers(0, BIG)),
    st.integers(0, 10**9), st.integers(0, BIG),
)
def test_no_input_requests_more_than_the_available_budget(state, rooms, now_ms, owed_ul):
    memory = DosingState()
    memory.pending_b_ul, memory.a_ended_ms = owed_ul, 0
    decisions = decide(state, memory, now_ms, room=lambda name: (rooms.get(name, 0), FULL))
    wanted = [decision for decision in decisions if decision.actuator]
    assert len(wanted) <= 1
    for decision in wanted:
        assert 0 < decision.volume_ul <= rooms.get(decision.actuator, 0)
        assert isinstance(decision.volume_ul, int)
        assert state.level.value is not None
        if decision.actuator.startswith("ph_"):
            assert state.ph.value is not None
    if state.ec.value is not None and state.ec.value > 1_680:
        assert decisions[0].actuator != "nutrient_a"
    assert all(decision.reason.code in REASONS for decision in decisions)


def test_loops_alternate_when_both_are_out_of_band_ec_first():
    memory = DosingState()
    state = water(ph=6.4, ec=1_400)
    assert decide(state, memory)[0].actuator == "nutrient_a"
    for name in ("nutrient_a", "nutrient_b"):
        memory.record_dose(Actuation(name, 7_300, 7_300, 0, None), state, VALUES, 9_000_000)
    ec, ph = decide(state, memory)
    assert (ec.reason, ph.actuator) == (Reason("ph_turn"), "ph_down")
    memory.record_dose(Actuation("ph_down", 3_000, 3_000, 0, None), state, VALUES, 9_900_000)
    assert decide(state, memory, 11_000_000)[0].actuator == "nutrient_a"


def test_the_dead_band_is_narrower_in_the_direction_of_the_last_dose():
    memory = drifting(0.0)
    assert decide(water(ph=5.95), memory)[1].actuator is None
    given_acid(memory, 6.05, 9_000_000)
    assert decide(water(ph=5.95), memory)[1].actuator == "ph_down"
    assert decide(water(ph=5.92), memory)[1].actuator is None
    assert decide(water(ph=5.94), memory)[1].actuator == "ph_down"
    assert decide(water(ph=5.61), memory)[1].actuator is None


def test_the_smallest_dose_is_given_unless_it_overshoots():
    strong = learned(ph_down=35_000)
    assert decide(water(ph=6.2), strong)[1].volume_ul == 200
    stronger = VALUES | {"ph.down_ul_per_ph": 10_000}
    _, ph = decide(water(ph=6.2), strong, values=stronger)
    assert ph.reason == Reason(
        "ph_high_blocked", why=Reason("small_dose", volume_ul=200))


def drifting(per_hour, **strengths):
    """Return a Memory with a learned drift and acid strength."""
    memory = learned(**strengths)
    for step in range(9):
        reading_ms = step * 1_200_000
        verdict(memory, water(ph=6.0 + per_hour * step / 3), reading_ms)
    return memory


def test_an_adverse_drift_is_dosed_and_a_helpful_one_awaited():
    still, away, back = (decide(water(ph=6.05), drifting(x))[1] for x in (0.0, 0.06, -0.06))
    assert away.volume_ul > 1.3 * still.volume_ul
    assert back.reason == Reason("ph_high_returns", milli_ph=6_050)
    assert decide(water(ph=6.5), drifting(-0.06))[1].actuator == "ph_down"


def test_a_drift_is_ignored_while_the_strength_rises():
    steady, rising = drifting(0.06), drifting(0.06)
    for memory, strength in ((steady, 1.0), (rising, 2.0)):
        answer, now_ms = memory.ph.response, 9_600_000
        answer.dosed("ph_down", 6.16, -0.1, now_ms)
        moved = 0.1 * strength * answer.strength("ph_down") - 0.25 * answer.drift_per_h
        answer.update(6.16 - moved, now_ms + 900_000)
    doses = [decide(water(ph=6.05), memory)[1].volume_ul for memory in (steady, rising)]
    by_strength = [volume_ul * memory.ph.response.upper_bound("ph_down")
                   for volume_ul, memory in zip(doses, (steady, rising), strict=True)]
    assert by_strength[1] == pytest.approx(0.25 * 40_000 / 2, abs=2)
    assert by_strength[0] > 1.2 * by_strength[1]


def test_ph_a_little_off_is_watched_for_20_minutes_before_it_is_dosed():
    memory = DosingState()
    for now_ms in range(0, 1_200_000, 30_000):
        verdict(memory, water(ph=6.1), now_ms)
        ph = decide(water(ph=6.1), memory, now_ms)[1]
        assert ph.reason == Reason("ph_watched", left_ms=1_200_000 - now_ms)
    assert decide(water(ph=6.21), memory, 0)[1].actuator == "ph_down"
    verdict(memory, water(ph=6.1), 1_200_000)
    assert decide(water(ph=6.1), memory, 1_200_000)[1].actuator == "ph_down"
    memory.invalidate()
    assert decide(water(ph=6.1), memory, 1_200_000 + 10_799_999)[1].actuator == "ph_down"
    ph = decide(water(ph=6.1), memory, 1_200_000 + 10_800_000)[1]
    assert ph.reason == Reason("ph_watched", left_ms=1_200_000)


def test_a_drift_is_measured_again_three_hours_later_and_excuses_nothing_until_then():
    memory = drifting(0.06)
    response, last_ms = memory.ph.response, 9_600_000
    memory.correcting = "ph_down"
    memory.ph.invalidate()
    assert decide(water(ph=6.3), memory, last_ms + 10_799_999)[1].actuator == "ph_down"
    assert response.undosed_drift_per_h(last_ms + 10_799_999) > 0.05
    assert decide(water(ph=6.3), memory, last_ms + 10_800_000)[1].reason.code == "ph_watched"
    assert response.undosed_drift_per_h(last_ms + 10_800_000) == 0.0
    memory.correcting = None  # far off, and no dose yet: at once
    assert decide(water(ph=6.3), memory, last_ms + 10_800_000)[1].actuator == "ph_down"


def test_a_watch_that_doses_of_nutrient_interrupt_is_given_up_after_an_hour():
    memory = DosingState()
    for now_ms in range(0, 3_600_000, 600_000):
        verdict(memory, water(ph=6.1), now_ms)
        assert decide(water(ph=6.1), memory, now_ms)[1].reason.code == "ph_watched"
        memory.ph.invalidate()
    assert decide(water(ph=6.1), memory, 3_600_000)[1].actuator == "ph_down"
    for now_ms in range(3_600_000, 4_830_000, 30_000):
        verdict(memory, water(ph=5.8), now_ms)
    late_ms = 4_800_000 + 10_800_000
    memory.ph.invalidate()
    assert decide(water(ph=6.1), memory, late_ms)[1].reason.code == "ph_watched"


def test_ph_is_watched_again_after_a_dose_by_hand():
    memory = DosingState()
    for now_ms in range(0, 1_230_000, 30_000):
        verdict(memory, water(ph=6.1), now_ms)
    assert decide(water(ph=6.1), memory, 1_200_000)[1].actuator == "ph_down"
    memory.record_manual_dose(dosed("ph_down", 1_000), VALUES)
    assert decide(water(ph=6.1), memory, 1_200_000)[1].reason.code == "ph_watched"


def test_what_someone_pours_mixes_before_ph_is_dosed():
    memory = DosingState()
    for now_ms in range(0, 1_230_000, 30_000):
        verdict(memory, water(ph=5.8), now_ms)
    verdict(memory, water(ph=5.5), 1_230_000)
    wait_ms = VALUES["mixing.wait_ms"]
    for now_ms in (1_230_000, 1_230_000 + wait_ms - 1):
        ph = decide(water(ph=5.4), memory, now_ms)[1]
        assert ph.reason == Reason("mixing", left_ms=1_230_000 + wait_ms - now_ms)
    assert decide(water(ph=5.4), memory, 1_230_000 + wait_ms)[1].actuator == "ph_up"


@pytest.mark.parametrize(("poured_us_cm", "is_waited_for"), [(90, False), (110, True)])
def test_nutrient_that_someone_pours_mixes_before_ph_is_dosed(poured_us_cm, is_waited_for):
    # It lowers pH while it mixes: a dose meanwhile would seem to have had no effect.
    memory, poured = DosingState(), water(ph=5.4, ec=1_600 + poured_us_cm)
    for now_ms in range(0, 1_230_000, 30_000):
        verdict(memory, water(ph=5.4, ec=1_600), now_ms)
    verdict(memory, poured, 1_230_000)
    ph = decide(poured, memory, 1_230_000)[1]
    assert (ph.reason.code == "mixing") == is_waited_for
    assert (ph.actuator == "ph_up") != is_waited_for


def test_the_dose_after_a_trial_is_little_larger():
    # Hours after its correction hard water has lost its carbonate, and a trial hardly shows it.
    memory, given_ul = DosingState(), []
    memory.set_strength("ph_down", 250)
    for now_ms in range(0, 7_230_000, 30_000):
        verdict(memory, water(ph=7.0), now_ms)
        if now_ms and now_ms % 2_400_000 == 0:
            ph = decide(water(ph=7.0), memory, now_ms)[1]
            memory.record_dose(dosed("ph_down", ph.volume_ul), water(ph=7.0), VALUES, now_ms)
            given_ul.append(ph.volume_ul)
            memory.ph.response._untried.clear()
    assert given_ul[1] == int(1.5 * given_ul[0]) < given_ul[2]


def test_a_correction_teaches_the_strength_of_its_doser():
    memory = DosingState()
    memory.set_strength("ph_down", 250)
    assert memory.learned() == [2_500, 1_000, 1_000, 1_000, 1_000, 0]
    # Hard water goes on losing its carbonate: the first dose is a trial, and teaches more.
    answer = memory.ph.response
    assert answer.upper_bound("ph_down") == pytest.approx(2.5 * 2.0)
    assert answer.trial("ph_down") == 4.0
    answer.dosed("ph_down", 6.2, -0.02, 0)
    answer.update(5.8, 900_000)
    assert 10.0 < answer.strength("ph_down") <= 25.0
    assert answer.trial("ph_down") == 1.0


def test_other_water_makes_the_next_dose_a_trial():
    memory = learned(ph_down=5_000)
    before = decide(water(ph=6.3), memory)[1].volume_ul
    memory.doubt()
    assert decide(water(ph=6.3), memory)[1].volume_ul == pytest.approx(before * 1.5 / 8.0, abs=1)
    # Five times as strong as declared it stays for the verdict: a stuck probe is found as soon.
    for count in range(2):
        memory.record_dose(dosed("ph_down", 2_000), water(ph=6.3), VALUES, count * 900_000)
    assert watched_verdict(memory, water(ph=6.3), 2 * 900_000) == "no_effect"


def test_the_shortest_dose_may_go_half_a_dead_band_beyond_the_target():
    strong = drifting(0.0, ph_down=40_000)  # 667 ul move a pH
    strong.correcting = "ph_down"
    shortest = {**VALUES, "doser.ul_per_s": 800}  # 160 ul, 0.24 pH
    assert decide(water(ph=6.03), strong, values=shortest)[1].volume_ul == 160
    blocked = decide(water(ph=6.01), strong, values={**shortest, "doser.ul_per_s": 1_100})[1]
    assert blocked.reason.values["why"].code == "small_dose"
    # Not within the dead band, where the next dose follows soon enough.
    assert decide(water(ph=5.95), strong, values=shortest)[1].actuator is None


def test_stored_memory_is_restored_unchanged():
    memory = DosingState()
    memory.restore([2_500, 700, 1_500, 1_100, 1_000, 0], 0)
    assert memory.learned() == [2_500, 700, 1_500, 1_100, 1_000, 0]
    memory.titration_changed({"ph.down_ul_per_ph", "ph.target"})
    assert memory.learned()[:2] == [1_000, 700]

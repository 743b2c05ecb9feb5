"""Dosing decisions: half of the need, EC first, A then B, and reasons a grower understands."""

import pytest
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from idro.control import dosing
from idro.control.filters import Reading
from idro.protocol import settings
from idro.protocol.samples import Actuation

VALUES = settings.check({"dosing.enabled": True})
BIG = 10_000


def room(actuator):
    return BIG, "at most 10.0 ml a dose"


def water(ph=5.8, ec=1_600, level=200, is_filling=False, unmixed_ms=0):
    return dosing.Water(
        reading(ph), reading(ec), reading(level), is_filling, unmixed_ms
    )


def reading(value):
    return Reading(None, value) if isinstance(value, str) else Reading(value, None)


def decide(state, memory=None, now_ms=10_000_000, values=VALUES, room=room):
    return dosing.decide(state, values, memory or dosing.Memory(), now_ms, room)


def test_in_band_nothing_is_dosed():
    ec, ph = decide(water())
    assert ec.reason == "in band: EC, 1600 at 1600"
    assert ph.reason == "in band: pH, 5.80 at 5.80"
    assert ec.actuator is None
    assert ph.actuator is None


def test_high_ph_asks_for_half_of_the_need():
    _, ph = decide(water(ph=6.2))
    assert ph.actuator == "ph_down"
    assert ph.volume_ul == pytest.approx(0.4 * 40_000 / 2, abs=1)
    assert ph.reason == "pH high: ph_down, 6.20 at 5.80"


def test_low_ph_asks_for_base():
    assert decide(water(ph=5.5))[1].actuator == "ph_up"


def test_ec_comes_before_ph():
    ec, ph = decide(water(ph=6.5, ec=1_400))
    assert (ec.actuator, ec.volume_ul) == ("nutrient_a", BIG)
    assert ph.reason == "held: EC comes first"


def test_ec_too_high_never_doses_nutrient():
    for value in range(1_681, 20_000, 97):
        ec, _ = decide(water(ec=value))
        assert ec.actuator is None
        assert ec.reason.startswith("held: EC is high and only water lowers it")


def test_the_dead_band_holds():
    for ph in (5.61, 5.7, 5.9, 5.99):
        assert decide(water(ph=ph))[1].actuator is None


def test_b_follows_a_with_the_same_volume_after_a_minute():
    memory = dosing.Memory()
    memory.given(Actuation("nutrient_a", 7_300, 7_300, 0, ""), water(ec=1_400), VALUES, 1_000_000)
    ec, ph = decide(water(ec=1_400, unmixed_ms=800_000), memory, 1_020_000)
    assert ec.reason == "held: nutrient A was given, B follows in 40 s"
    assert ph.reason == "held: nutrient B comes first"
    ec, _ = decide(water(ec=1_400, unmixed_ms=800_000), memory, 1_060_000)
    assert (ec.actuator, ec.volume_ul) == ("nutrient_b", 7_300)
    memory.given(Actuation("nutrient_b", 7_300, 7_300, 0, ""), water(ec=1_400), VALUES, 1_070_000)
    ec, _ = decide(water(ec=1_400, unmixed_ms=800_000), memory, 1_080_000)
    assert ec.reason == "held: mixing, 14 min left"


def test_b_is_given_up_after_half_an_hour():
    memory = dosing.Memory()
    memory.given(Actuation("nutrient_a", 7_300, 7_300, 0, ""), water(ec=1_400), VALUES, 0)
    blocked = decide(water(ec=1_400), memory, 1_700_000, room=lambda _: (0, "circulation is off"))
    assert blocked[0].reason == "held: nutrient B waits: circulation is off"
    assert "given up" in decide(water(ec=1_400), memory, 1_900_000)[0].reason
    assert decide(water(), memory, 1_910_000)[0].reason.startswith("in band")


@pytest.mark.parametrize(("state", "reason"), [
    (water(level="no_ack"), "held: no level (no_ack)"),
    (water(level=100), "held: water is low, 100 of 120 mm"),
    (water(is_filling=True), "held: filling"),
    (water(ec=150), "held: EC is below 200 uS/cm: is the probe in the water?"),
    (water(ec="in_air"), "held: EC is below 200 uS/cm: is the probe in the water?"),
    (water(unmixed_ms=230_000), "held: mixing, 4 min left"),
])
def test_both_loops_hold(state, reason):
    ec, ph = decide(state._replace(ph=reading(7.0)))
    assert ec.reason == ph.reason == reason
    assert ec.actuator is None
    assert ph.actuator is None


def test_a_probe_back_in_the_water_is_watched_for_a_minute():
    memory = dosing.Memory()
    decide(water(ph=7.0, ec=10), memory, 1_000_000)
    assert decide(water(ph=7.0), memory, 1_059_000)[1].actuator is None
    assert decide(water(ph=7.0), memory, 1_060_000)[1].actuator == "ph_down"


def test_a_lost_ec_probe_leaves_ph_alone_and_the_other_way_round():
    ec, ph = decide(water(ph=6.5, ec="no_ack"))
    assert (ec.reason, ph.actuator) == ("held: no EC (no_ack)", "ph_down")
    ec, ph = decide(water(ph="flat", ec=1_400))
    assert ec.actuator == "nutrient_a"


def test_switched_off_it_only_monitors():
    ec, ph = decide(water(ph=8.0, ec=100), values=settings.defaults())
    assert ec.reason == ph.reason == "monitor only: dosing is switched off"


def test_what_the_gate_forbids_is_the_reason():
    _, ph = decide(water(ph=7.0), room=lambda _: (0, "base was given, 42 min left"))
    assert ph.reason == "held: pH is high but base was given, 42 min left"


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
def test_no_input_makes_it_ask_for_more_than_there_is_room(state, rooms, now_ms, owed_ul):
    memory = dosing.Memory()
    memory.owed_b_ul, memory.a_ended_ms = owed_ul, 0
    decisions = decide(state, memory, now_ms, room=lambda name: (rooms.get(name, 0), "budget"))
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
    assert all(decision.reason for decision in decisions)


def series(values, volume_ul=4_000, actuator="ph_down"):
    """Dose at each value in turn; returns the first verdict, and after how many doses."""
    memory = dosing.Memory()
    for count, value in enumerate(values):
        found = dosing.verdict(memory, water(ph=value))
        if found:
            return found, count
        memory.given(
            Actuation(actuator, volume_ul, 0, 0, ""), water(ph=value), VALUES, count * 900_000
        )
    return dosing.verdict(memory, water(ph=values[-1])), len(values)


def test_doses_without_effect_are_judged_within_six():
    found, count = series([7.0] * 10)
    assert found == dosing.NO_EFFECT
    assert count <= 6


def test_doses_that_work_the_wrong_way_are_judged_after_two():
    assert series([7.0, 7.1, 7.25, 7.4]) == (dosing.WRONG_WAY, 2)


def test_doses_that_work_are_not_judged():
    assert series([7.0 - 0.08 * index for index in range(12)])[0] is None


def test_water_that_has_not_mixed_is_not_judged():
    memory = dosing.Memory()
    for index in range(5):
        memory.given(
            Actuation("ph_down", 4_000, 0, 0, ""), water(ph=7.0), VALUES, index * 900_000
        )
    assert dosing.verdict(memory, water(ph=7.0, unmixed_ms=1)) is None
    assert dosing.verdict(memory, water(ph="flat")) is None
    assert dosing.verdict(memory, water(ph=7.0)) == dosing.NO_EFFECT


def test_nutrient_without_effect_is_judged():
    memory = dosing.Memory()
    for index in range(4):
        for name in ("nutrient_a", "nutrient_b"):
            memory.given(
                Actuation(name, 10_000, 0, 0, ""), water(ec=1_300), VALUES, index * 900_000
            )
    assert dosing.verdict(memory, water(ec=1_310)) == dosing.NO_EFFECT

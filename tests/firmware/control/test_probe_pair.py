"""Tests of the comparison of two pH probes: when they differ, and which is named."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idro.control.paired_water import PairedDoses, PairedWater
from idro.control.plausibility import CALIBRATING, DOSED
from idro.control.probe_pair import AGREED_MS, ALONE_MS, CODES, DISPUTED_MS
from support.probe_pair_tank import DOSE_MS, EVERY_MS, HOUR_MS, LivingTank, Tank, odds_of


@pytest.mark.parametrize("drift_ph_h", [-0.002, 0.0, 0.02, 0.06])
def test_healthy_probes_are_never_in_dispute(drift_ph_h):
    tank = Tank(drift_ph_h)
    tank.rest(24 * 5)
    assert tank.pair.suspect is None


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("off_ph", [-3.0, -0.4, 0.4, 1.2])
def test_a_probe_that_jumps_alone_is_named(index, off_ph):
    tank = Tank()
    tank.rest(24)
    tank.off_ph[index] += off_ph
    tank.rest(1)
    assert (tank.pair.suspect, CODES[tank.pair.sign]) == (index, "pair_moved")


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("ph_per_h", [-0.1, -0.03, 0.03, 0.1])
def test_a_probe_that_drifts_faster_than_the_water_is_named(index, ph_per_h):
    tank = Tank()
    tank.rest(48)
    while tank.pair.suspect is None and tank.now_ms < 72 * HOUR_MS:
        tank.off_ph[index] += ph_per_h / 60
        tank.rest(1 / 60)
    assert tank.pair.suspect == index


@pytest.mark.parametrize("index", [0, 1])
def test_a_probe_that_does_not_follow_doses_is_named_before_it_is_far_off(index):
    tank = Tank(0.06)
    tank.rest(24)
    held = tank.reads(index)
    while tank.pair.suspect is None and tank.now_ms < 48 * HOUR_MS:
        tank.off_ph[index] = held - tank.ph
        # Control goes on by the other one.
        if tank.ph > 5.9 and tank.now_ms - tank._dosed_ms > DOSE_MS:
            tank._dosed_ms = tank.now_ms
            tank.cycle(predicted=-0.1)
        else:
            tank.cycle()
    assert (tank.pair.suspect, CODES[tank.pair.sign]) == (index, "pair_deaf")
    assert abs(tank.off_ph[index]) < 0.2


def test_a_dispute_needs_five_minutes_and_ends_half_an_hour_after_they_agree():
    tank = Tank()
    tank.rest(24)
    tank.off_ph[1] += 1
    began_ms = tank.now_ms
    tank.rest(1)
    assert DISPUTED_MS <= tank.now_ms - began_ms < 1.5 * DISPUTED_MS
    tank.off_ph[1] -= 1
    ended_ms = tank.now_ms
    while tank.pair.suspect is not None:
        tank.cycle()
    assert AGREED_MS <= tank.now_ms - ended_ms < 1.5 * AGREED_MS


def test_a_short_bubble_is_no_dispute():
    tank = Tank()
    tank.rest(24)
    tank.off_ph[0] += 1
    tank.rest(0.04)
    tank.off_ph[0] -= 1
    tank.rest(1)
    assert tank.pair.suspect is None


def test_a_pour_that_moves_both_is_no_dispute():
    tank = Tank()
    tank.rest(24)
    tank.ph += 1.5
    tank.rest(2)
    assert tank.pair.suspect is None


def test_a_failed_reading_ends_no_dispute():
    tank = Tank()
    tank.rest(24)
    tank.off_ph[1] += 1
    tank.rest(1)
    tank.fault[1] = "noisy"
    for _ in range(3 * AGREED_MS // EVERY_MS):
        tank.cycle()
    assert tank.pair.suspect == 1


@pytest.mark.parametrize("index", [0, 1])
def test_a_probe_without_a_reading_leaves_the_other_alone(index):
    tank = Tank()
    tank.rest(1)
    tank.fault[index] = "no_ack"
    for _ in range(ALONE_MS // EVERY_MS - 1):
        tank.cycle()
        assert not tank.pair.is_alone
    tank.cycle()
    assert tank.pair.is_alone
    assert tank.pair.suspect is None
    tank.fault[index] = None
    tank.cycle()
    assert not tank.pair.is_alone


def test_nothing_is_judged_while_a_probe_is_in_a_buffer():
    tank = Tank()
    tank.rest(24)
    for _ in range(HOUR_MS // EVERY_MS):
        tank.off_ph[1] = 7.0 - tank.ph
        tank.cycle(CALIBRATING)
        assert tank.pair.is_paused
    assert tank.pair.suspect is None


@pytest.mark.parametrize("index", [0, 1])
def test_a_probe_that_a_calibration_made_wrong_is_named(index):
    tank = Tank()
    tank.rest(24)
    for _ in range(HOUR_MS // EVERY_MS):
        tank.cycle(CALIBRATING)
    tank.off_ph[index] += 0.5  # the buffer was spoilt
    tank.rest(1)
    assert tank.pair.suspect == index


def test_the_reason_names_the_channel_and_both_readings():
    tank = Tank()
    tank.rest(24)
    tank.off_ph[1] += 1
    tank.rest(1)
    reason = tank.pair.reason(("reservoir.ph", "second.ph"))
    assert reason.code == "pair_moved"
    assert reason.values["channel"] == "second.ph"
    assert abs(reason.values["milli_ph"] - 1_000 * tank.reads(1)) < 50
    assert abs(reason.values["other_milli_ph"] - 1_000 * tank.reads(0)) < 50


@pytest.mark.parametrize("index", [0, 1])
def test_after_a_pour_the_probe_that_stuck_is_named_within_twelve_hours(index):
    tank = LivingTank()
    tank.run(48)
    tank.stick(index)
    tank.run(2)
    tank.ph -= 0.6
    tank.run(0.2)
    assert tank.pair.suspect is not None
    tank.run(12)
    assert (tank.pair.suspect, CODES[tank.pair.sign]) == (index, "pair_deaf")


@pytest.mark.parametrize("index", [0, 1])
def test_a_probe_that_does_not_move_at_all_is_named_before_it_is_far_off(index):
    tank = LivingTank()
    tank.run(48)
    tank.stick(index)
    while tank.pair.suspect is None and tank.now_ms < 72 * HOUR_MS:
        tank.cycle()
    assert (tank.pair.suspect, CODES[tank.pair.sign]) == (index, "pair_deaf")
    assert abs(tank.reads(0) - tank.reads(1)) < 0.2


@pytest.mark.parametrize("index", [0, 1])
def test_a_name_is_final_after_twelve_hours(index):
    tank = LivingTank()
    tank.run(48)
    tank.off_ph[index] += 1.0
    tank.run(13)
    assert tank.pair.suspect == index
    tank.stick(1 - index)
    tank.run(24)
    assert tank.pair.suspect == index


@pytest.mark.parametrize("index", [0, 1])
def test_a_probe_whose_readings_jump_with_the_water_is_not_named_for_it(index):
    tank = LivingTank()
    tank.run(48)
    for _ in range(15):
        tank.fault[1 - index] = "jump"
        tank.run(0.2)
        tank.fault[1 - index] = None
        for _ in range(8):
            tank.off_ph[index] += 0.003
            tank.run(0.1)
    assert tank.pair.suspect == index


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("sign", [-1, 1])
def test_doses_that_act_more_than_the_titration_says_accuse_no_healthy_probe(index, sign):
    tank = Tank(0.0)
    tank.rest(40)
    for _ in range(4):
        # Control corrects the drift of one; a dose acts nine times as predicted, and slowly.
        tank.cycle(DOSED, 0.01 * sign)
        for cycle in range(180):
            tank.off_ph[index] -= 0.09 * sign / 180
            tank.ph += 0.08 * sign / 60 if cycle < 60 else 0.0
            tank.cycle(DOSED if cycle < 24 else None)
    assert tank.pair.suspect == index


class BufferedTank(Tank):
    """Water that drift and doses move more where its pH is lower, as with phosphate."""

    def cycle(self, moved_by=None, predicted=0.0):
        moves = predicted + self.drift_ph_h * EVERY_MS / HOUR_MS
        self.ph += moves * (math.exp(-1.6 * (self.ph - 5.8)) - 1.0)
        super().cycle(moved_by, predicted)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("ph_per_h", [-0.003, 0.003])
def test_when_both_moved_as_far_otherwise_doses_tell_which_is_wrong(index, ph_per_h):
    tank = BufferedTank(0.01)
    tank.rest(48)
    tank.drift_ph_h -= ph_per_h / 2
    while tank.pair.suspect is None and tank.now_ms < 500 * HOUR_MS:
        tank.off_ph[index] += ph_per_h / 60
        tank.rest(1 / 60)
    assert (tank.pair.suspect, CODES[tank.pair.sign]) == (index, "pair_doses")


@given(strength=st.floats(0.5, 2.0), doses=st.lists(
    st.tuples(st.floats(0.02, 0.2), st.floats(5.3, 6.5), st.floats(-0.6, 0.6)), min_size=3))
@pytest.mark.parametrize("wrong", [0, 1])
def test_the_strength_of_doses_never_accuses_the_probe_it_follows(wrong, strength, doses):
    found = PairedDoses()
    for predicted, ph, difference in doses:
        moved = predicted * strength * math.exp(-1.6 * (ph - 5.8))
        found.add(predicted, moved, ph + (-difference if wrong else difference) / 2, difference)
    assert found.odds() >= -1e-6 if wrong == 0 else found.odds() <= 1e-6


def test_two_doses_tell_nothing():
    found = PairedDoses()
    found.add(0.1, 0.1, 5.8, 0.0)
    found.add(0.1, 0.2, 5.8, 0.6)
    assert found.odds() == 0.0


def test_which_reads_closer_to_7_tells_nothing_of_a_drift_of_days():
    tank = Tank(0.01)
    tank.rest(24)
    tank.drift_ph_h -= 0.001
    while tank.pair.suspect is None:
        tank.off_ph[1] += 0.002 / 60
        tank.rest(1 / 60)
    assert tank.now_ms > 72 * HOUR_MS
    assert odds_of(tank, "pair_near_7") == 0.0


class WornTank(Tank):
    """The second probe follows the water by 3 % less."""

    def reads(self, index):
        return super().reads(index) - 0.03 * index * (self.ph - 5.8)


def test_a_probe_that_moves_a_little_less_at_doses_is_not_called_deaf():
    tank = WornTank(0.02)
    tank.rest(48)
    while tank.pair.suspect is None:
        tank.off_ph[0] += 0.01 / 60
        tank.rest(1 / 60)
    assert odds_of(tank, "pair_deaf") == 0.0


@pytest.mark.parametrize("sign", [-1, 1])
def test_water_drifts_faster_where_the_buffer_is_weaker(sign):
    water = PairedWater()
    for now_ms in range(0, 48 * HOUR_MS, EVERY_MS):
        ph = 6.0 + sign * 0.003 * now_ms / HOUR_MS
        water.follow(ph, True, True, EVERY_MS, now_ms)
    lower, usual, higher = [water.drift_ph_h(6.0 + sign * 0.1 + off, 0) for off in (-0.3, 0, 0.3)]
    assert usual == pytest.approx(sign * 0.003, rel=0.3)
    assert lower / usual == pytest.approx(math.exp(1.6 * 0.3))
    assert usual / higher == pytest.approx(math.exp(1.6 * 0.3))


@pytest.mark.parametrize("index", [0, 1])
def test_a_jump_that_a_fault_hides_is_not_forgotten(index):
    tank = LivingTank()
    tank.run(48)
    tank.fault[index] = "flat"
    tank.off_ph[index] = -0.8
    tank.run(0.1)
    tank.fault[index] = None
    tank.run(12)
    assert (tank.pair.suspect, CODES[tank.pair.sign]) == (index, "pair_moved")

"""Tests of what doses, pours and large jumps tell about two pH probes."""

import pytest

from idro.control.paired_water import PairedWater
from idro.control.probe_pair import CODES
from support.probe_pair_tank import EVERY_MS, HOUR_MS, LivingTank, Tank


@pytest.mark.parametrize("index", [0, 1])
def test_a_pour_late_in_a_dispute_does_not_accuse_the_probe_that_follows_it(index):
    tank = LivingTank()
    tank.run(48)
    tank.off_ph[index] += 0.5
    tank.stick(index)
    tank.run(2)
    assert tank.pair.suspect == index
    tank.ph += 1.0
    for _ in range(2 * HOUR_MS // EVERY_MS):
        tank.cycle()
        assert tank.pair.suspect == index


class LessTank(Tank):
    """The probe `less` follows the water by a third less than the other."""

    less = None

    def reads(self, index):
        follows = 0.67 if index == self.less else 1.0
        return 5.8 + follows * (self.ph - 5.8) + self.off_ph[index]


@pytest.mark.parametrize("index", [0, 1])
def test_a_probe_that_jumps_by_far_is_named_although_the_other_follows_less(index):
    tank = LessTank(0.02)
    tank.less = 1 - index
    tank.rest(48)
    assert tank.pair.suspect is None
    tank.off_ph[index] -= 2.5
    tank.rest(1)
    assert (tank.pair.suspect, CODES[tank.pair.sign]) == (index, "pair_moved")


class MirroringTank(Tank):
    """The readings of the probe `mirrored` go the other way."""

    mirrored = None

    def reads(self, index):
        moved = self.ph - 5.8
        return 5.8 + (-moved if index == self.mirrored else moved)

    def dose(self, hours):
        """Keep the water within 5.75 and 5.85."""
        for _ in range(round(hours * HOUR_MS / EVERY_MS)):
            is_high = self.ph > 5.83
            if is_high:
                self._dosed_ms = self.now_ms
            self.cycle(predicted=-0.06 if is_high else 0.0)


@pytest.mark.parametrize("index", [0, 1])
def test_a_probe_that_moves_against_doses_is_named_before_it_is_far_off(index):
    tank = MirroringTank(0.03)
    tank.dose(24)
    tank.mirrored = index
    while tank.pair.suspect is None and tank.now_ms < 72 * HOUR_MS:
        tank.dose(0.1)
    assert (tank.pair.suspect, CODES[tank.pair.sign]) == (index, "pair_deaf")


@pytest.mark.parametrize("moves", [(-0.2, -0.02), (0.0, -0.2), (0.1, -0.1)])
def test_a_dose_at_which_the_probes_moved_unlike_tells_nothing_of_its_strength(moves):
    water = PairedWater()
    for difference in (0.0, 0.1, 0.2, 0.3):
        dose(water, (-0.1 - 0.2 * difference,) * 2, difference)
    odds = water.dose_odds()
    assert odds != 0.0
    dose(water, moves, 0.3)
    assert water.dose_odds() == odds


def dose(water, moves, difference):
    water.dosed(-0.1)
    water.begin(5.8, difference)
    return water.end(moves)


def test_the_way_of_a_dose_is_known_unless_it_is_too_small():
    water = PairedWater()
    assert dose(water, (-0.1, -0.1), 0.0) == -1
    water.dosed(0.0)
    water.begin(5.8, 0.0)
    assert water.end((-0.1, -0.1)) == 0


@pytest.mark.parametrize("index", [0, 1])
def test_a_probe_that_stays_stuck_in_calm_water_does_not_make_it_seem_calmer(index):
    tank = LivingTank(0.006)
    tank.run(48)
    tank.stick(index)
    tank.run(48)
    assert (tank.pair.suspect, CODES[tank.pair.sign]) == (index, "pair_deaf")

"""Tests of doses during which someone pours something: no pump is blamed, and none escapes."""

import pytest

from idro.control.dosing_state import DosingState
from idro.protocol.types import Actuation
from support.dosing_waters import VALUES, watched_verdict, water

EVERY_MS = 30_000
BASE_UL = 6_000  # 0.15 pH by the titration


class Tank:
    """A tank that is dosed with base, one dose each time the last has mixed."""

    def __init__(self, ph=5.4, ec_us_cm=1_600.0):
        self.state = DosingState()
        self.ph, self.ec_us_cm = ph, ec_us_cm
        self.doses = 0
        self._now_ms = 0
        self._read(20)

    def _read(self, cycles, mixing_left_ms=0):
        for cycle in range(cycles):
            self._now_ms += EVERY_MS
            left_ms = max(0, mixing_left_ms - cycle * EVERY_MS)
            seen = water(ph=self.ph, ec=self.ec_us_cm, mixing_left_ms=left_ms)
            found = watched_verdict(self.state, seen, self._now_ms)
            if found:
                return found
        return None

    def dose(self, moved, *, poured_ph=0.0, poured_us_cm=0.0):
        """Give base that moves pH by `moved`; something is poured before it has mixed. Return the
        verdict."""
        now = water(ph=self.ph, ec=self.ec_us_cm)
        self.state.record_dose(
            Actuation("ph_up", BASE_UL, BASE_UL, 0, None), now, VALUES, self._now_ms)
        self.doses += 1
        self.ph += moved + poured_ph
        self.ec_us_cm += poured_us_cm
        wait_ms = VALUES["mixing.wait_ms"]
        return self._read(wait_ms // EVERY_MS + 4, wait_ms)

    def doses_until(self, found, moved, most=20, **poured):
        """Return the number of doses until the verdict is `found`."""
        while self.doses < most:
            if self.dose(moved, **poured) == found:
                return self.doses
        return None


def test_nutrient_that_is_poured_while_base_mixes_is_no_failure_of_base():
    tank = Tank()
    assert tank.dose(0.05, poured_ph=-0.13, poured_us_cm=200) is None
    assert [tank.dose(0.06) for _ in range(2)] == [None] * 2


@pytest.mark.parametrize("poured_us_cm", [0, 90])
def test_without_a_jump_of_ec_it_is_one(poured_us_cm):
    tank = Tank()
    tank.dose(0.05, poured_ph=-0.13, poured_us_cm=poured_us_cm)
    assert "no_effect" in [tank.dose(0.06) for _ in range(2)]


def test_acid_that_is_poured_while_base_mixes_teaches_nothing():
    tank = Tank()
    for _ in range(3):
        tank.dose(0.15)
    response = tank.state.ph.response
    before, drift_per_h = response.strength("ph_up"), response.drift_per_h
    tank.dose(0.15, poured_ph=-0.5)
    assert response.strength("ph_up") == before
    assert response.drift_per_h == drift_per_h
    for _ in range(3):
        tank.dose(0.08)
    assert response.strength("ph_up") < before
    assert abs(response.drift_per_h) < 0.1


def test_what_is_poured_while_a_dose_mixes_has_mixed_before_the_next():
    tank = Tank()
    tank.dose(0.15, poured_ph=-0.5)
    wait_ms = VALUES["mixing.wait_ms"]
    left_ms = tank.state.mixing_left_ms(water(), VALUES, tank._now_ms)
    assert wait_ms - 4 * EVERY_MS <= left_ms <= wait_ms


@pytest.mark.parametrize("moved", [-0.08, -0.12, -0.4])
def test_acid_in_the_bottle_of_base_latches_at_the_second_dose(moved):
    assert Tank(7.0).doses_until("wrong_way", moved) == 2


@pytest.mark.parametrize(("moved", "found", "most"), [
    (-0.12, "wrong_way", 3), (0.0, "no_effect", 5)])
def test_a_probe_of_ec_that_jumps_at_every_dose_hides_no_bad_pump(moved, found, most):
    tank = Tank(7.0)
    sign = 1
    while tank.doses < most:
        if tank.dose(moved, poured_us_cm=150 * sign) == found:
            return
        sign = -sign
    pytest.fail(f"no verdict after {most} doses")

"""Tests of doses during which someone pours something: no pump is blamed, and none escapes."""

import pytest

from idro.control import dosing
from idro.control.dosing_state import DosingState
from idro.protocol import settings
from idro.protocol.types import Actuation
from support.dosing_waters import water

EVERY_MS = 30_000
BASE_UL = 6_000  # 0.15 pH by the titration


class Tank:
    """A tank that is dosed with base, one dose each time the last has mixed."""

    def __init__(self, ph=5.4, wait_ms=900_000, drift_per_h=0.0):
        self.state = DosingState()
        self.ph, self.ec_us_cm = ph, 1_600.0
        self.now_ms = 0
        self._wait_ms = wait_ms
        self._values = settings.check({"dosing.enabled": True, "mixing.wait_ms": wait_ms})
        self._drift_per_h = drift_per_h
        self.read(20)

    def read(self, cycles, *, mixing_left_ms=0, fault=None):
        """Read the water; return a verdict, if need be after a watch without doses."""
        found = None
        while found is None and (cycles > 0 or self.left_ms() > 0):
            self.now_ms += EVERY_MS
            self.ph += self._drift_per_h * EVERY_MS / 3_600_000
            seen = water(ph=fault or self.ph, ec=self.ec_us_cm, mixing_left_ms=mixing_left_ms)
            found = dosing.verdict(self.state, seen, self._values, self.now_ms)
            mixing_left_ms = max(0, mixing_left_ms - EVERY_MS)
            cycles -= 1
        return found

    def left_ms(self):
        """Return how long the next dose has to wait."""
        return max(self.state.watch_left_ms(self.now_ms),
                   self.state.mixing_left_ms(water(), self._values, self.now_ms))

    def dose(self, moved, *, volume_ul=BASE_UL, poured_ph=0.0, poured_us_cm=0.0):
        """Give base that moves pH by `moved`; something is poured before it has mixed. Return the
        verdict."""
        dose = Actuation("ph_up", volume_ul, volume_ul, 0, None)
        now = water(ph=self.ph, ec=self.ec_us_cm)
        self.state.record_dose(dose, now, self._values, self.now_ms)
        self.ph += moved + poured_ph
        self.ec_us_cm += poured_us_cm
        return self.read(self._wait_ms // EVERY_MS + 4, mixing_left_ms=self._wait_ms)


def test_nutrient_that_is_poured_while_base_mixes_is_no_failure_of_base():
    tank = Tank()
    assert tank.dose(0.05, poured_ph=-0.13, poured_us_cm=200) is None
    assert [tank.dose(0.06) for _ in range(2)] == [None] * 2


@pytest.mark.parametrize("poured_us_cm", [-200, 0, 90])
def test_without_a_rise_of_ec_it_is_one(poured_us_cm):
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


@pytest.mark.parametrize("wait_ms", [300_000, 900_000, 3_600_000, 14_400_000])
@pytest.mark.parametrize("moved", [-0.08, -0.12, -0.4])
def test_acid_in_the_bottle_of_base_latches_at_the_second_dose(wait_ms, moved):
    tank = Tank(7.0, wait_ms)
    assert [tank.dose(moved) for _ in range(2)] == [None, "wrong_way"]


@pytest.mark.parametrize(("moved", "found", "doses"), [
    (-0.12, "wrong_way", 3), (0.0, "no_effect", 5)])
def test_a_probe_of_ec_that_jumps_at_every_dose_hides_no_bad_pump(moved, found, doses):
    tank = Tank(7.0)
    verdicts = [tank.dose(moved, poured_us_cm=150 * (-1) ** count) for count in range(doses)]
    assert found in verdicts


def test_nutrient_poured_in_the_hour_without_doses_does_not_end_it():
    # What ends it does not forgive the doses, and the next would lock.
    tank = Tank()
    dose = Actuation("ph_up", 2 * BASE_UL, 2 * BASE_UL, 0, None)
    tank.state.record_dose(dose, water(ph=tank.ph), tank._values, tank.now_ms)
    tank.ph += 0.05
    while not tank.state.watch_left_ms(tank.now_ms):
        now = water(ph=tank.ph, ec=tank.ec_us_cm)
        found = dosing.verdict(tank.state, now, tank._values, tank.now_ms)
        assert found is None
        tank.now_ms += EVERY_MS
    left_ms = tank.state.watch_left_ms(tank.now_ms)
    tank.ec_us_cm += 200
    now = water(ph=tank.ph, ec=tank.ec_us_cm)
    assert dosing.verdict(tank.state, now, tank._values, tank.now_ms) is None
    assert tank.state.watch_left_ms(tank.now_ms) == left_ms


def test_a_missing_reading_in_water_that_drifts_is_no_pour():
    tank = Tank(5.0, 1_800_000, drift_per_h=0.25)
    tank.read(480)
    learned = tank.state.ph.response.drift_per_h
    assert learned == pytest.approx(0.25, abs=0.05)
    tank.read(1, fault="stale")
    tank.read(1)
    assert tank.left_ms() == 0
    assert tank.state.ph.response.drift_per_h == learned


def test_a_dose_of_nothing_before_a_fill_is_no_dose():
    tank = Tank()
    assert tank.dose(0.0, volume_ul=0) is None
    full = water(ph=tank.ph, is_filling=True)
    assert dosing.verdict(tank.state, full, tank._values, tank.now_ms) is None

"""Tests of the proof that doses had their effect, which earns a node its dosing authority."""

import random

import pytest

from idro.control.dosing_state import DosingState
from idro.protocol.types import Actuation
from support.dosing_waters import VALUES, verdict, water

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


class Tank:
    """A tank whose acid has `strength` times the effect of the titration, and a noisy probe."""

    def __init__(self, strength, noise_ph=0.0, seed=0, drift_per_h=0.0):
        self.memory = DosingState()
        self._strength = strength
        self._noise_ph = noise_ph
        self._random = random.Random(seed)
        self._ph = 7.0
        self._drift_per_h = drift_per_h
        self.now_ms = 0

    def read(self):
        drifted = self._drift_per_h * self.now_ms / HOUR_MS
        return water(ph=self._ph + drifted + self._random.gauss(0.0, self._noise_ph))

    def cycle(self, minutes, every=1):
        """Read mixed water."""
        for _ in range(0, minutes, every):
            self.now_ms += every * MINUTE_MS
            verdict(self.memory, self.read(), self.now_ms)

    def dose(self, effect_ph, actuator="ph_down"):
        """Dose what should move the water by `effect_ph`, and let it mix."""
        volume_ul = int(effect_ph * VALUES[f"{actuator[:2]}.{actuator[3:]}_ul_per_ph"])
        self.memory.record_dose(
            Actuation(actuator, volume_ul, 0, 0, None), self.read(), VALUES, self.now_ms)
        sign = -1 if actuator == "ph_down" else 1
        self._ph += sign * effect_ph * self._strength
        self.now_ms += 15 * MINUTE_MS
        self.cycle(1)

    def nutrient(self):
        """Dose nutrient, which moves the pH too."""
        self.memory.record_dose(
            Actuation("nutrient_a", 10_000, 0, 0, None), self.read(), VALUES, self.now_ms)
        self._ph -= 0.02
        self.memory.record_dose(
            Actuation("nutrient_b", 10_000, 0, 0, None), self.read(), VALUES, self.now_ms)

    def has_worked(self):
        return self.memory.has_worked(self.now_ms)


def proven(strength, effect_ph, *, noise_ph, seed, drift_per_h=0.0, days=3):
    """Return whether an hourly dose of `effect_ph` is ever proven to work within `days`."""
    tank = Tank(strength, noise_ph, seed, drift_per_h)
    tank.cycle(60)
    for _ in range(24 * days):
        tank.dose(effect_ph)
        tank.cycle(45, every=9)
        if tank.has_worked():
            return True
    return False


@pytest.mark.parametrize(("strength", "has_worked"), [
    (1.0, True), (0.34, True), (0.3, False), (0.0, False), (-1.0, False),
])
def test_doses_worked_if_they_had_a_third_of_their_predicted_effect(strength, has_worked):
    tank = Tank(strength)
    assert not tank.has_worked()
    for _ in range(10):
        tank.dose(0.1)
    assert tank.has_worked() == has_worked


def test_a_proof_holds_for_a_day():
    tank = Tank(1.0)
    tank.dose(0.12)
    assert tank.memory.has_worked(tank.now_ms + DAY_MS - 1)
    assert not tank.memory.has_worked(tank.now_ms + DAY_MS)


def test_each_proof_takes_doses_of_its_own():
    tank = Tank(1.0)
    tank.dose(0.12)
    tank.cycle(24 * 60, every=30)
    tank.dose(0.01)
    assert not tank.has_worked()


def test_a_dose_too_small_to_tell_has_not_worked():
    tank = Tank(1.0)
    tank.dose(0.0025)
    assert not tank.has_worked()


def test_a_dose_whose_effect_cannot_be_measured_proves_nothing():
    tank = Tank(1.0)
    tank.memory.record_dose(
        Actuation("ph_down", 4_000, 0, 0, None), tank.read(), VALUES, tank.now_ms)
    verdict(tank.memory, water(ph=6.9, is_filling=True), 60_000)
    verdict(tank.memory, water(ph=6.9), 900_000)
    assert not tank.memory.has_worked(900_000)


def test_doses_of_before_a_calibration_prove_nothing():
    tank = Tank(1.0)
    for _ in range(20):
        tank.dose(0.02)
        tank.memory.recalibrated()
    assert not tank.has_worked()


def test_old_doses_prove_nothing():
    tank = Tank(1.0)
    for _ in range(20):
        tank.dose(0.02)
        tank.cycle(24 * 60, every=30)
    assert not tank.has_worked()


def test_nutrients_work_too():
    memory = DosingState()
    for name in ("nutrient_a", "nutrient_b"):
        memory.record_dose(
            Actuation(name, 20_000, 0, 0, None), water(ec=1_000), VALUES, 0)
    verdict(memory, water(ec=1_090), 900_000)
    assert memory.has_worked(900_000)


def test_small_doses_of_acid_and_nutrient_by_turns_are_proven():
    tank = Tank(1.0, noise_ph=0.005)
    for _ in range(24):
        tank.dose(0.03)
        tank.nutrient()
        tank.now_ms += 30 * MINUTE_MS
        tank.cycle(15)
    assert tank.memory.ph.proof.worked_ms is not None


def test_small_doses_of_acid_and_base_by_turns_are_proven():
    tank = Tank(1.0, noise_ph=0.005)
    for _ in range(12):
        for actuator in ("ph_down", "ph_up"):
            tank.dose(0.03, actuator)
            tank.cycle(45, every=9)
    assert tank.has_worked()


# A bound for both kinds of error: one node in twenty.
NODES, MOST_WRONG = 100, 5


@pytest.mark.parametrize("effect_ph", [0.01, 0.03, 0.05, 0.1])
@pytest.mark.parametrize("noise_ph", [0.01, 0.02])
def test_noise_does_not_prove_a_dead_pump_in_three_days(effect_ph, noise_ph):
    wrong = [
        seed for seed in range(NODES)
        if proven(0.0, effect_ph, noise_ph=noise_ph, seed=seed)]
    assert len(wrong) <= MOST_WRONG


@pytest.mark.parametrize(("effect_ph", "noise_ph"), [(0.02, 0.005), (0.02, 0.01), (0.04, 0.02)])
def test_a_small_pump_is_proven_in_three_days(effect_ph, noise_ph):
    late = [
        seed for seed in range(NODES)
        if not proven(0.8, effect_ph, noise_ph=noise_ph, seed=seed)]
    assert len(late) <= MOST_WRONG


@pytest.mark.parametrize(("strength", "drift_per_h"), [(0.0, -0.1), (0.8, 0.1)])
@pytest.mark.parametrize("effect_ph", [0.03, 0.1])
def test_a_drift_of_the_water_is_no_effect_and_hides_none(strength, drift_per_h, effect_ph):
    found = {
        proven(strength, effect_ph, noise_ph=0.01, seed=seed, drift_per_h=drift_per_h)
        for seed in range(20)}
    assert found == {strength > 0}

"""Tests of the pH loop in a closed circuit with a noisy probe: dead pumps, weak water, pours."""

import random

import pytest

from idro.control import dose_verification as judged
from idro.control import dosing
from idro.control.dosing_state import DosingState
from idro.protocol import settings
from idro.protocol.types import Actuation
from support.dosing_waters import water

WAIT_MS, EVERY_MS, HOUR_MS = 900_000, 30_000, 3_600_000
VALUES = settings.check({"dosing.enabled": True, "mixing.wait_ms": WAIT_MS})


class Loop:
    """A tank that answers acid `strength` times as declared, and the loop that doses it."""

    def __init__(self, strength, *, seed=0, noise_ph=0.02, drift_per_h=0.0, ph=7.0):
        self.state = DosingState()
        self.doses_ms = []
        self._strength = strength
        self._random = random.Random(seed)
        self._noise_ph = noise_ph
        self._drift_per_h = drift_per_h
        self._ph = ph
        self._now_ms = 0
        self._mixed_ms = 0

    def run(self, hours, is_off=lambda hour: 0.0):
        """Run until a verdict, and return it; `is_off(hour)` adds an error of the probe."""
        for _ in range(int(hours * HOUR_MS) // EVERY_MS):
            self._now_ms += EVERY_MS
            found = self._cycle(is_off(self._now_ms / HOUR_MS))
            if found:
                return found
        return None

    def _cycle(self, off):
        self._ph += self._drift_per_h * EVERY_MS / HOUR_MS
        left_ms = max(0, self._mixed_ms - self._now_ms)
        seen = water(
            ph=self._ph + off + self._random.gauss(0.0, self._noise_ph), mixing_left_ms=left_ms)
        found = dosing.verdict(self.state, seen, VALUES, self._now_ms)
        if found:
            return found
        seen = seen._replace(ph=self.state.ph.steady(seen.ph))
        decision = dosing.decide(
            seen, VALUES, self.state, self._now_ms, lambda _: (4_000, None))[1]
        if decision.actuator:
            self._dose(decision, seen)
        return None

    def _dose(self, decision, seen):
        volume_ul = decision.volume_ul
        self.doses_ms.append(self._now_ms)
        self.state.record_dose(
            Actuation(decision.actuator, volume_ul, 0, 0, None), seen, VALUES, self._now_ms)
        moved = volume_ul / VALUES["ph.down_ul_per_ph"]
        self._ph += self._strength * (moved if decision.actuator == "ph_up" else -moved)
        self._mixed_ms = self._now_ms + WAIT_MS


@pytest.mark.parametrize(("noise_ph", "drift_per_h"), [(0.01, 0.0), (0.02, 0.0), (0.01, -0.05)])
def test_a_dead_pump_is_found_within_six_doses_whatever_the_noise(noise_ph, drift_per_h):
    for seed in range(15):
        loop = Loop(0.0, seed=seed, noise_ph=noise_ph, drift_per_h=drift_per_h)
        assert loop.run(8) == judged.NO_EFFECT, seed
        assert len(loop.doses_ms) <= 6, seed


def test_water_that_answers_half_as_strongly_as_declared_is_dosed():
    for seed in range(15):
        assert Loop(0.5, seed=seed, noise_ph=0.01).run(12) is None, seed


def test_a_probe_that_jumps_again_and_again_stops_no_dose():
    loop = Loop(1.0, drift_per_h=0.05, ph=6.2, noise_ph=0.005)
    loop.run(24, lambda hour: 0.13 * (int(4 * hour) % 2))
    assert len(loop.doses_ms) > 15  # one an hour


def test_every_pour_is_waited_for():
    poured_h = (2.0, 4.0)
    loop = Loop(1.0, ph=5.75, noise_ph=0.0)
    loop.run(6, lambda hour: 0.4 * sum(hour > at for at in poured_h))
    for at in poured_h:
        first_ms = min(ms for ms in loop.doses_ms if ms > at * HOUR_MS)
        assert WAIT_MS <= first_ms - at * HOUR_MS <= WAIT_MS + 4 * EVERY_MS

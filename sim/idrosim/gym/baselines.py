"""Agents of dose-v0 to compare with: the firmware, six peers, a PID, an oracle, none.

An agent is made for an environment after its reset, and turns observations into actions. Those of
the firmware and the peers act every 30 s, as `idroserra sim score` runs them. CPython only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from idrosim.benchmark import firmware_policy
from idrosim.benchmark.cases import DEPTH_MM, FILL_BELOW_MM, Cell
from idrosim.benchmark.peer_policies import DEADBAND_PH, PEERS, PolicySetup, Readings
from idrosim.benchmark.peer_policies import Policy as Controller
from idrosim.benchmark.run import STEP_S, setup_of
from idrosim.gym.dose_task import MAX_ON_S
from idrosim.gym.environment import RootZoneEnv
from idrosim.gym.task import Floats32

_AGENT_S = 300.0


class Agent(Protocol):
    """Decides an action from an observation of dose-v0."""

    def act(self, observation: Floats32) -> Floats32:
        """Return the action of the next step."""
        ...


class Baseline(NamedTuple):
    """How to make an agent, and the step of the environment that it needs, s."""

    make: Callable[[RootZoneEnv], Agent]
    step_s: float = _AGENT_S


class Nothing:
    """Doses nothing and leaves the tap shut: what happens to water that is left alone."""

    def act(self, observation: Floats32) -> Floats32:
        """Return no action."""
        return np.zeros(3, np.float32)


class Pid:
    """A PID for pH in units of the titration, P for EC, and a tap that opens below full.

    Per step of five minutes it corrects 0.25 of the difference of pH, 0.01 of its integral (at
    most one pH) and 0.2 of its change, and 0.25 of the missing EC. Within the dead band of the
    other controllers it rests.
    """

    _P, _I, _D, _EC_P = 0.25, 0.01, 0.2, 0.25
    _MOST_INTEGRAL_PH = 1.0
    _TAP_PER_LEVEL = 50.0

    def __init__(self) -> None:
        self._integral = 0.0
        self._last: float | None = None

    def act(self, observation: Floats32) -> Floats32:
        """Return the action of the next step."""
        (ph, ec, level, _, _, target_ph, target_ec, acid_ph, base_ph,
         nutrient_ec) = observation.tolist()
        off = target_ph - ph
        if abs(off) <= DEADBAND_PH:
            off = 0.0
        self._integral = min(max(self._integral + off, -self._MOST_INTEGRAL_PH),
                             self._MOST_INTEGRAL_PH)
        change = 0.0 if self._last is None else off - self._last
        self._last = off
        wanted_ph = 0.0 if off == 0.0 else (
            self._P * off + self._I * self._integral + self._D * change)
        return _limited(
            wanted_ph / (base_ph if wanted_ph > 0.0 else acid_ph),
            self._EC_P * (target_ec - ec) / nutrient_ec, self._TAP_PER_LEVEL * (1.0 - level))


class Oracle:
    """Knows the true water, its ions and what is still mixing, and doses exactly to the target."""

    def __init__(self, env: RootZoneEnv) -> None:
        _, self._house = env.started()

    def act(self, observation: Floats32) -> Floats32:
        """Return the action of the next step."""
        house, cell = self._house, self._house.cell
        full_ml = MAX_ON_S * cell["pump_ml_s"]
        nutrient_ml = (cell["target_us_cm"] - self._mixed((0.0, 0.0))[1]) / 100.0 * (
            cell["nutrient_ml_per_100_us_cm"])
        tap_ml = cell["volume_ml"] - house.water.volume_ml
        return _limited(self._ph_action(), nutrient_ml / full_ml,
                        tap_ml / (cell["tap_ml_s"] * house.dt_s))

    def _ph_action(self) -> float:
        """Return the action that brings the mixed water to the target pH, by bisection."""
        cell = self._house.cell
        full_ml, target_ph = MAX_ON_S * cell["pump_ml_s"], cell["target_ph"]
        low, high = -1.0, 1.0
        for _ in range(14):
            middle = 0.5 * (low + high)
            ph = self._mixed((max(-middle, 0.0) * full_ml, max(middle, 0.0) * full_ml))[0]
            low, high = (middle, high) if ph < target_ph else (low, middle)
        return 0.5 * (low + high)

    def _mixed(self, doses_ml: tuple[float, float]) -> tuple[float, float]:
        """Return (pH, EC in uS/cm) of the mixed water with ml of acid and base."""
        water = self._house.water
        moles = [a + b for a, b in zip(water.moles, water.pocket, strict=True)]
        for stock, ml in zip(water.setting.stocks[:2], doses_ml, strict=True):
            for ion, per_ml in stock:
                moles[ion] += per_ml * ml
        mixed = water.copy_of(moles, water.volume_ml + sum(doses_ml))
        return float(mixed.ph), float(mixed.conductivities()[1])


class _Controlled:
    """A controller that reads probes and orders ml: the firmware, or a peer.

    Ordered ml wait for the pump. As an action doses A and B together, half of each counts.
    """

    def __init__(self, make: Callable[[Cell, PolicySetup], Controller], env: RootZoneEnv) -> None:
        cell, house = env.started()
        self._controller = make(cell, setup_of(cell))
        self._step_s, self._at_s = env.step_s, 0.0
        self._full_ml: float = MAX_ON_S * house.cell["pump_ml_s"]
        self._ordered = {"ph_down": 0.0, "ph_up": 0.0, "nutrient": 0.0}
        self._is_filling = False

    def act(self, observation: Floats32) -> Floats32:
        """Return the action of the next step."""
        ph, ec_ms_cm, level = observation[:3].tolist()
        self._at_s += self._step_s
        readings = Readings(self._at_s, ph, 1e3 * ec_ms_cm, DEPTH_MM * level)
        for name, ml in self._controller.act(readings).items():
            if name in self._ordered:
                self._ordered[name] += ml
            else:
                self._ordered["nutrient"] += 0.5 * ml
        acid, base = self._taken("ph_down"), 0.0
        if not acid:
            base = self._taken("ph_up")
        return _limited(base - acid, self._taken("nutrient"), float(self._opens(readings)))

    def _taken(self, name: str) -> float:
        """Return the share of a full dose that the pump gives now of what was ordered."""
        ml = min(self._ordered[name], self._full_ml)
        self._ordered[name] -= ml
        return ml / self._full_ml

    def _opens(self, readings: Readings) -> bool:
        if isinstance(self._controller, firmware_policy.FirmwarePolicy):
            return self._controller.valve_is_open
        if readings.level_mm >= DEPTH_MM:
            self._is_filling = False
        elif readings.level_mm < DEPTH_MM - FILL_BELOW_MM:
            self._is_filling = True
        return self._is_filling


def _limited(*values: float) -> Floats32:
    lows = (-1.0, 0.0, 0.0)
    return np.array([min(max(value, low), 1.0) for value, low in zip(values, lows, strict=True)],
                    np.float32)


def _firmware(cell: Cell, setup: PolicySetup) -> Controller:
    return firmware_policy.FirmwarePolicy(cell, setup, STEP_S)


def _peer(name: str, cell: Cell, setup: PolicySetup) -> Controller:
    return PEERS[name](setup)


def _ignoring(make: Callable[[], Agent], env: RootZoneEnv) -> Agent:
    return make()


BASELINES: Mapping[str, Baseline] = {
    "oracle": Baseline(Oracle),
    firmware_policy.NAME: Baseline(partial(_Controlled, _firmware), STEP_S),
    **{name: Baseline(partial(_Controlled, partial(_peer, name)), STEP_S) for name in PEERS},
    "pid": Baseline(partial(_ignoring, Pid)),
    "nothing": Baseline(partial(_ignoring, Nothing)),
}


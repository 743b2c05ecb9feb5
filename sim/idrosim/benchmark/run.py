"""Runs one dosing policy in one cell of the scoreboard, and says how the crop fared.

The twin is the scenarios' own plant.py on CPython, stepped as often as control looks. True values
are judged, not measured ones. CPython only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from idrosim.benchmark import firmware_policy
from idrosim.benchmark.cases import BAND_PH, DEPTH_MM, FILL_BELOW_MM, MEQ_ML, TARGET_PH, Cell
from idrosim.benchmark.peer_policies import PEERS, Policy, Seen, Wish
from idrosim.greenhouse.chemistry import Solution
from idrosim.greenhouse.equilibria import EquilibriaTable
from idrosim.greenhouse.greenhouse import Plant
from idrosim.greenhouse.rng import Rng
from idrosim.greenhouse.water import STOCKS, amounts
from idrosim.probes.water_probes import EcProbe, LevelProbe, PhProbe, nernst_slope_mv

STEP_S = 30.0
DAY_S = 86_400.0
POLICIES = (firmware_policy.NAME, *PEERS)
LEAST = "least"
_AFTER_S = 3_600.0  # what the water does so long after a dose is the dose's work
_LIGHT_HOURS, _LIGHT_LEVEL = (6.0, 22.0), 0.8
_LEAST_EVERY_S, _LEAST_OFF_PH, _LEAST_OFF_US_CM = 300.0, 0.02, 10.0
# Less than this in the week is nothing to compare with: a third of a pH in osmosis water.
_LEAST_MEQ_L = 0.06


@dataclass
class Measures:
    """How one week in one cell went. None where there is nothing to measure."""

    cell: str
    policy: str
    target_ph: float = TARGET_PH
    to_band_h: float | None = None  # until pH and EC were both within their bands
    in_band_ratio: float | None = None  # of the time since then, both
    ph_in_band_ratio: float | None = None  # since pH first was
    ec_in_band_ratio: float | None = None
    over_ph: float = 0.0  # past the target within an hour of a dose that went that way
    over_ms_cm: float = 0.0
    acid_meq: float = 0.0
    base_meq: float = 0.0
    reagent_ratio: float | None = None  # acid and base against the least
    doses: int = 0
    worst_ph: float = TARGET_PH  # furthest off since it was within half of its band
    lowest_ph: float = 14.0  # of the whole week
    worst_ms_cm: float = 0.0
    locked: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def wish_of(cell: Cell) -> Wish:
    """Return what every policy is told of a cell."""
    found = cell.titration
    return Wish(cell.volume_l, cell.target_ph, cell.target_us_cm, found.acid_ml_per_ph,
                found.base_ml_per_ph, found.nutrient_ml_per_100_us_cm)


class _Greenhouse:
    """The twin of a cell with its probes, its light and its tap."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.plant = Plant(cell.plant(), cell.seed)
        self.plant.set_output("circulation", 1.0)
        rng, params = Rng(cell.seed + 1), cell.probe_params
        self._ph, self._ec = PhProbe(params, rng), EcProbe(params, rng)
        self._level = LevelProbe(params, rng)
        self._pending = dict.fromkeys(cell.stocks, 0.0)
        self._is_filling = False
        self.at_s = 0.0
        self.ph, self.ec_us_cm = cell.target_ph, cell.target_us_cm  # true, of the bulk

    def order(self, doses: Any) -> None:
        """Have the pumps give so many nominal ml from now on."""
        for name, ml in doses.items():
            self._pending[name] += ml

    def step(self) -> Seen:
        """Advance by STEP_S; return what the probes say."""
        plant, most_ml = self.plant, self.cell.pump_ml_s * STEP_S
        hour = self.at_s / 3_600.0 % 24.0
        plant.set_output(
            "light", _LIGHT_LEVEL if _LIGHT_HOURS[0] <= hour < _LIGHT_HOURS[1] else 0.0)
        for name, wanted_ml in self._pending.items():
            ml = min(wanted_ml, most_ml)
            self._pending[name] = wanted_ml - ml
            plant.set_output(name, ml / most_ml)
        plant.step(STEP_S)
        self.at_s += STEP_S
        around = plant.around()
        probes: tuple[Any, ...] = (self._ph, self._ec, self._level)
        for probe in probes:
            probe.step(STEP_S, around)
        self.ph, _, self.ec_us_cm = plant.reservoir.measure()
        temp_c = around["reservoir.temp_c"]
        return Seen(
            self.at_s, 7.0 - self._ph.electrode_mv / nernst_slope_mv(temp_c),
            self._ec.kappa_us_cm / (1.0 + 0.02 * (temp_c - 25.0)), self._level.level_mm)

    def fill(self, level_mm: float) -> None:
        """Open the tap below its level, close it when the tank is full enough."""
        if level_mm >= DEPTH_MM:
            self._is_filling = False
        elif level_mm < DEPTH_MM - FILL_BELOW_MM:
            self._is_filling = True
        self.valve(self._is_filling)

    def valve(self, is_open: bool) -> None:
        """Open or shut the tap."""
        self.plant.set_output("top_off", 1.0 if is_open else 0.0)


class _Judge:
    """Takes the truth of every step."""

    def __init__(self, cell: Cell, policy: str) -> None:
        self.found = Measures(cell.name, policy, cell.target_ph, worst_ph=cell.target_ph)
        self._cell = cell
        self._steps = {"ph": [0, 0], "ec": [0, 0], "both": [0, 0]}  # inside, since
        self._has_arrived = False
        self._acid_until_s = self._base_until_s = self._feed_until_s = -1.0

    def dosed(self, doses: Any, at_s: float) -> None:
        """Count what a policy began."""
        for name, ml in doses.items():
            if ml <= 0.0:
                continue
            self.found.doses += 1
            if name == "ph_down":
                self._acid_until_s = at_s + _AFTER_S
            elif name == "ph_up":
                self._base_until_s = at_s + _AFTER_S
            else:
                self._feed_until_s = at_s + _AFTER_S

    def look(self, ph: float, ec_us_cm: float, at_s: float) -> None:
        """Judge one step by its true pH and EC."""
        found, cell, target_ph = self.found, self._cell, self._cell.target_ph
        off_us_cm = ec_us_cm - cell.target_us_cm
        inside = {"ph": abs(ph - target_ph) <= BAND_PH, "ec": abs(off_us_cm) <= cell.band_us_cm}
        inside["both"] = inside["ph"] and inside["ec"]
        for what, is_in in inside.items():
            steps = self._steps[what]
            if steps[1] or is_in:
                steps[0] += is_in
                steps[1] += 1
                if what == "both" and found.to_band_h is None:
                    found.to_band_h = at_s / 3_600.0
        self._has_arrived |= abs(ph - target_ph) <= 0.5 * BAND_PH
        if self._has_arrived and abs(ph - target_ph) > abs(found.worst_ph - target_ph):
            found.worst_ph = ph
        if self._steps["ec"][1] and abs(off_us_cm) > abs(1e3 * found.worst_ms_cm):
            found.worst_ms_cm = 1e-3 * off_us_cm
        found.lowest_ph = min(found.lowest_ph, ph)
        if at_s < self._acid_until_s:
            found.over_ph = max(found.over_ph, target_ph - ph)
        if at_s < self._base_until_s:
            found.over_ph = max(found.over_ph, ph - target_ph)
        if at_s < self._feed_until_s:
            found.over_ms_cm = max(found.over_ms_cm, 1e-3 * off_us_cm)

    def close(self, truth: Any, least_meq: float | None) -> Measures:
        """Return the measures of the whole run."""
        found, stocks = self.found, self._cell.stocks
        found.ph_in_band_ratio = _ratio(self._steps["ph"])
        found.ec_in_band_ratio = _ratio(self._steps["ec"])
        found.in_band_ratio = _ratio(self._steps["both"])
        found.acid_meq = truth["dosed.ph_down_ml"] * MEQ_ML[stocks["ph_down"]]
        found.base_meq = truth["dosed.ph_up_ml"] * MEQ_ML[stocks["ph_up"]]
        if least_meq is not None and least_meq >= _LEAST_MEQ_L * self._cell.volume_l:
            found.reagent_ratio = (found.acid_meq + found.base_meq) / least_meq
        return found


def _ratio(steps: list[int]) -> float | None:
    return steps[0] / steps[1] if steps[1] else None


def run(cell: Cell, policy: str, days: float, least_meq: float | None = None,
        trace: list[Any] | None = None) -> Measures:
    """Let `policy` keep `cell` for `days`; `least_meq` is what `least` found for as long."""
    house, wish = _Greenhouse(cell), wish_of(cell)
    ours = firmware_policy.Ours(cell, wish, STEP_S) if policy == firmware_policy.NAME else None
    actor: Policy = PEERS[policy](wish) if ours is None else ours
    judge = _Judge(cell, policy)
    for _ in range(round(days * DAY_S / STEP_S)):
        seen = house.step()
        judge.look(house.ph, house.ec_us_cm, seen.at_s)
        doses = actor.act(seen)
        if doses:
            house.order(doses)
            judge.dosed(doses, seen.at_s)
        if ours is None:
            house.fill(seen.level_mm)
        else:
            house.valve(ours.valve_is_open)
        if trace is not None:
            trace.append((seen, house.ph, house.ec_us_cm, doses))
    found = judge.close(house.plant.truth(), least_meq)
    if ours is not None:
        found.locked = ours.gate.latch_reason
        if trace is not None:
            trace.append(ours.events)
    return found


def least(cell: Cell, days: float) -> tuple[float, float]:
    """Return (acid, base) in meq that chemistry asks for at the least.

    Who knows the true water corrects it every five minutes, straight in the bulk and without
    mixing: nutrient to the target EC, then just the acid or base that brings pH to its target.
    Same crop, weather, tap and drift as everybody's; no reading errs and nothing overshoots.
    """
    house, knower = _Greenhouse(cell), _Knower(cell)
    every = round(_LEAST_EVERY_S / STEP_S)
    for step in range(round(days * DAY_S / STEP_S)):
        seen = house.step()
        house.fill(seen.level_mm)
        if step % every == 0:
            knower.correct(house.plant.reservoir)
    return knower.acid_meq, knower.base_meq


class _Knower:
    """Corrects a reservoir by exact chemistry."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._solution: Any = Solution(EquilibriaTable())
        self.acid_meq = self.base_meq = 0.0

    def correct(self, tank: Any) -> None:
        """Bring EC up to its target and pH to its own."""
        cell = self._cell
        ph, _, ec_us_cm = tank.measure()
        lacks = cell.target_us_cm - ec_us_cm
        if lacks > _LEAST_OFF_US_CM:
            ml = lacks / 100.0 * cell.titration.nutrient_ml_per_100_us_cm
            for name in ("nutrient_a", "nutrient_b"):
                tank.add(ml, amounts(STOCKS, cell.stocks[name], 1e-3 * ml), tank.temp_c)
            ph = tank.measure()[0]
        if abs(ph - self._cell.target_ph) <= _LEAST_OFF_PH:
            return
        side = "ph_down" if ph > self._cell.target_ph else "ph_up"
        stock = cell.stocks[side]
        ml = self._ml_to_target(tank, stock)
        tank.add(ml, amounts(STOCKS, stock, 1e-3 * ml), tank.temp_c)
        if side == "ph_down":
            self.acid_meq += ml * MEQ_ML[stock]
        else:
            self.base_meq += ml * MEQ_ML[stock]

    def _ml_to_target(self, tank: Any, stock: str) -> float:
        low, high = 0.0, 50.0 * self._cell.volume_l
        per_ml = amounts(STOCKS, stock, 1e-3)
        is_acid = self._ph(tank, per_ml, 0.0) > self._cell.target_ph
        while high - low > 1e-6 * self._cell.volume_l:
            middle = 0.5 * (low + high)
            is_above = self._ph(tank, per_ml, middle) > self._cell.target_ph
            low, high = (middle, high) if is_above == is_acid else (low, middle)
        return high

    def _ph(self, tank: Any, per_ml: list[float], ml: float) -> float:
        litres = 1e-3 * (tank.volume_ml + ml)
        self._solution.set(
            [(have + more * ml) / litres for have, more in zip(tank.moles, per_ml, strict=True)],
            tank.temp_c)
        return float(self._solution.solve(1e-7))

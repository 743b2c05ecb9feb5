"""Runs one dosing policy in one cell of the scoreboard, and measures the result.

The twin is the Plant of the scenarios on CPython, stepped at the control period. Measures use true
values, not readings. CPython only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from idrosim.benchmark import firmware_policy
from idrosim.benchmark.cases import (
    BAND_PH,
    DEPTH_MM,
    FILL_BELOW_MM,
    TARGET_PH,
    Cell,
    Disturbance,
    Ions,
    meq_ml,
)
from idrosim.benchmark.peer_policies import PEERS, Policy, PolicySetup, Readings
from idrosim.greenhouse.chemistry import Solution
from idrosim.greenhouse.equilibria import EquilibriaTable
from idrosim.greenhouse.greenhouse import Plant
from idrosim.greenhouse.rng import Rng
from idrosim.greenhouse.water import STOCKS, WATERS, amounts
from idrosim.probes.water_probes import EcProbe, LevelProbe, PhProbe, nernst_slope_mv

STEP_S = 30.0
DAY_S = 86_400.0
POLICIES = (firmware_policy.NAME, *PEERS)
LEAST_REAGENT = "least"
_AFTER_S = 3_600.0  # overshoot within this time is attributed to a dose
_EXCUSED_S = 7_200.0  # the longest that a corrected pour does not count: the aim of hours to band
_LIGHT_HOURS, _LIGHT_LEVEL = (6.0, 22.0), 0.8
_LEAST_EVERY_S, _LEAST_OFF_PH, _LEAST_OFF_US_CM = 300.0, 0.02, 10.0
# Below this there is no reagent ratio: a third of a pH in reverse-osmosis water.
_LEAST_MEQ_L = 0.06


@dataclass
class Measures:
    """Measures of one policy in one cell. None if there is nothing to measure."""

    cell: str
    policy: str
    target_ph: float = TARGET_PH
    to_band_h: float | None = None  # until pH and EC were both in band
    in_band_ratio: float | None = None  # share of the time since then with both in band
    ph_in_band_ratio: float | None = None  # since pH was first in band
    ec_in_band_ratio: float | None = None
    over_ph: float = 0.0  # beyond the target within an hour of a dose in that direction
    over_ms_cm: float = 0.0
    acid_meq: float = 0.0
    base_meq: float = 0.0
    reagent_ratio: float | None = None  # acid and base relative to the minimum
    doses: int = 0
    worst_ph: float = TARGET_PH  # furthest from the target since it was within half the band
    lowest_ph: float = 14.0  # of the whole run
    worst_ms_cm: float = 0.0
    locked: str = ""  # code of the reason

    def to_json(self) -> dict[str, Any]:
        """Return the measures as plain data."""
        return asdict(self)


def setup_of(cell: Cell) -> PolicySetup:
    """Return the setup of any policy for `cell`."""
    found = cell.titration
    return PolicySetup(cell.volume_l, cell.target_ph, cell.target_us_cm, found.acid_ml_per_ph,
                found.base_ml_per_ph, found.nutrient_ml_per_100_us_cm)


class _SimulatedCell:
    """The twin of a cell with its probes, light and tap."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.plant = Plant(cell.plant(), cell.seed)
        self.plant.set_output("circulation", 1.0)
        rng, params = Rng(cell.seed + 1), cell.probe_params
        self._ph, self._ec = PhProbe(params, rng), EcProbe(params, rng)
        self._level = LevelProbe(params, rng)
        self._pending = dict.fromkeys(cell.stocks, 0.0)
        self._is_filling = False
        self._ahead = sorted(cell.disturbances, key=lambda event: -event.at_h)
        self._stocks = dict(cell.stocks)  # of the bottles as they are
        self._reagent = {"ph_down": [0.0, 0.0], "ph_up": [0.0, 0.0]}  # meq up to the ml
        self.at_s = 0.0
        self.ph, self.ec_us_cm = cell.target_ph, cell.target_us_cm  # true, of the bulk

    def order(self, doses: Any) -> None:
        """Add nominal ml to the pending volumes of the pumps."""
        for name, ml in doses.items():
            self._pending[name] += ml

    def disturb(self) -> list[Disturbance]:
        """Do what people do by now; return it."""
        done = []
        while self._ahead and 3_600.0 * self._ahead[-1].at_h <= self.at_s:
            event = self._ahead.pop()
            (self._pour if event.kind == "pour" else self._change_bottle)(event)
            done.append(event)
        return done

    def _pour(self, event: Disturbance) -> None:
        params, tank = self.cell.plant(), self.plant.reservoir
        if event.what == "water":
            poured = [amounts(WATERS, params["top_off.water"], 1e-6 * event.amount)]
        else:
            stocks = (event.what,) if event.what in self._reagent else ("nutrient_a", "nutrient_b")
            poured = [amounts(STOCKS, self._stocks[name], 1e-3 * event.amount) for name in stocks]
        for moles in poured:
            tank.add(event.amount, moles, params["top_off.temp_c"])
        tank.solve()

    def _change_bottle(self, event: Disturbance) -> None:
        name = event.what
        if name in self._reagent:
            self._reagent[name] = [self.reagent_meq(name), self._dosed_ml(name)]
        before = self.cell.stocks[name]
        row = before if isinstance(before, dict) else STOCKS[before]
        self._stocks[name] = {ion: event.amount * molar for ion, molar in row.items()}
        self.plant.set_param(f"{name}.stock", self._stocks[name])

    def _dosed_ml(self, name: str) -> float:
        return float(self.plant.truth()[f"dosed.{name}_ml"])

    def reagent_meq(self, name: str) -> float:
        """Return the acid or base that the doser `name` gave, meq."""
        meq, up_to_ml = self._reagent[name]
        return meq + (self._dosed_ml(name) - up_to_ml) * meq_ml(self._stocks[name])

    def step(self) -> Readings:
        """Advance by STEP_S; return the readings of the probes."""
        plant, max_ml = self.plant, self.cell.pump_ml_s * STEP_S
        hour = self.at_s / 3_600.0 % 24.0
        plant.set_output(
            "light", _LIGHT_LEVEL if _LIGHT_HOURS[0] <= hour < _LIGHT_HOURS[1] else 0.0)
        for name, wanted_ml in self._pending.items():
            ml = min(wanted_ml, max_ml)
            self._pending[name] = wanted_ml - ml
            plant.set_output(name, ml / max_ml)
        plant.step(STEP_S)
        self.at_s += STEP_S
        around = plant.around()
        probes: tuple[Any, ...] = (self._ph, self._ec, self._level)
        for probe in probes:
            probe.step(STEP_S, around)
        self.ph, _, self.ec_us_cm = plant.reservoir.measure()
        temp_c = around["reservoir.temp_c"]
        return Readings(
            self.at_s, 7.0 - self._ph.electrode_mv / nernst_slope_mv(temp_c),
            self._ec.kappa_us_cm / (1.0 + 0.02 * (temp_c - 25.0)), self._level.level_mm)

    def fill(self, level_mm: float) -> None:
        """Open the tap at a low level, close it at the full level."""
        if level_mm >= DEPTH_MM:
            self._is_filling = False
        elif level_mm < DEPTH_MM - FILL_BELOW_MM:
            self._is_filling = True
        self.valve(self._is_filling)

    def valve(self, is_open: bool) -> None:
        """Open or shut the tap."""
        self.plant.set_output("top_off", 1.0 if is_open else 0.0)


class _Scorer:
    """Computes the measures from the true values of every step."""

    def __init__(self, cell: Cell, policy: str) -> None:
        self.found = Measures(cell.name, policy, cell.target_ph, worst_ph=cell.target_ph)
        self._cell = cell
        self._steps = {"ph": [0, 0], "ec": [0, 0], "both": [0, 0]}  # inside, since
        self._has_arrived = False
        self._acid_until_s = self._base_until_s = self._feed_until_s = -1.0
        self._excused_since_s: dict[str, float] = {}  # by quantity: people moved it
        self._unknown: set[str] = set()  # dosers whose bottle was changed and not used since

    def disturb(self, event: Disturbance, at_s: float) -> None:
        """Excuse what no policy can help: docs/score.md gives the rule."""
        if event.kind == "bottle":
            self._unknown.add(event.what)
            return
        self._excused_since_s = dict.fromkeys(("ph", "ec"), at_s)
        self._acid_until_s = self._base_until_s = self._feed_until_s = -1.0

    def _is_excused(self, quantity: str, is_in: bool, is_above: bool, at_s: float) -> bool:
        """Return True while `quantity` is where people moved it, and end that in band.

        pH and a low EC can be corrected within _EXCUSED_S; a high EC only falls by itself.
        """
        since_s = self._excused_since_s.get(quantity)
        if since_s is None:
            return False
        if is_in or (at_s - since_s > _EXCUSED_S and not (quantity == "ec" and is_above)):
            del self._excused_since_s[quantity]
            return False
        return True

    def count_doses(self, doses: Any, at_s: float) -> None:
        """Count the doses that a policy started."""
        for name, ml in doses.items():
            if ml <= 0.0:
                continue
            self.found.doses += 1
            if name in self._unknown:
                self._unknown.remove(name)
            elif name == "ph_down":
                self._acid_until_s = at_s + _AFTER_S
            elif name == "ph_up":
                self._base_until_s = at_s + _AFTER_S
            else:
                self._feed_until_s = at_s + _AFTER_S

    def observe(self, ph: float, ec_us_cm: float, at_s: float) -> None:
        """Process the true pH and EC of one step."""
        found, cell, target_ph = self.found, self._cell, self._cell.target_ph
        off_us_cm = ec_us_cm - cell.target_us_cm
        inside = {"ph": abs(ph - target_ph) <= BAND_PH, "ec": abs(off_us_cm) <= cell.band_us_cm}
        excused = {quantity for quantity, off in (("ph", ph - target_ph), ("ec", off_us_cm))
                   if self._is_excused(quantity, inside[quantity], off > 0.0, at_s)}
        inside["both"] = inside["ph"] and inside["ec"]
        for quantity, is_in in inside.items():
            if quantity in excused or (quantity == "both" and excused):
                continue
            steps = self._steps[quantity]
            if steps[1] or is_in:
                steps[0] += is_in
                steps[1] += 1
                if quantity == "both" and found.to_band_h is None:
                    found.to_band_h = at_s / 3_600.0
        found.lowest_ph = min(found.lowest_ph, ph)
        if "ph" not in excused:
            self._judge_ph(ph, at_s)
        if "ec" not in excused:
            self._judge_ec(1e-3 * off_us_cm, at_s)

    def _judge_ph(self, ph: float, at_s: float) -> None:
        found, target_ph = self.found, self._cell.target_ph
        self._has_arrived |= abs(ph - target_ph) <= 0.5 * BAND_PH
        if self._has_arrived and abs(ph - target_ph) > abs(found.worst_ph - target_ph):
            found.worst_ph = ph
        if at_s < self._acid_until_s:
            found.over_ph = max(found.over_ph, target_ph - ph)
        if at_s < self._base_until_s:
            found.over_ph = max(found.over_ph, ph - target_ph)

    def _judge_ec(self, off_ms_cm: float, at_s: float) -> None:
        found = self.found
        if self._steps["ec"][1] and abs(off_ms_cm) > abs(found.worst_ms_cm):
            found.worst_ms_cm = off_ms_cm
        if at_s < self._feed_until_s:
            found.over_ms_cm = max(found.over_ms_cm, off_ms_cm)

    def result(self, greenhouse: _SimulatedCell, least_meq: float | None) -> Measures:
        """Return the measures of the whole run."""
        found = self.found
        found.ph_in_band_ratio = _ratio(self._steps["ph"])
        found.ec_in_band_ratio = _ratio(self._steps["ec"])
        found.in_band_ratio = _ratio(self._steps["both"])
        found.acid_meq = greenhouse.reagent_meq("ph_down")
        found.base_meq = greenhouse.reagent_meq("ph_up")
        if least_meq is not None and least_meq >= _LEAST_MEQ_L * self._cell.volume_l:
            found.reagent_ratio = (found.acid_meq + found.base_meq) / least_meq
        return found


def _ratio(steps: list[int]) -> float | None:
    return steps[0] / steps[1] if steps[1] else None


def run(cell: Cell, policy: str, days: float, least_meq: float | None = None,
        trace: list[Any] | None = None) -> Measures:
    """Run `policy` in `cell` for `days`; `least_meq` is the result of `least_reagent`, if known.

    `trace` collects (readings, true pH, true EC, doses) of every step, then firmware events.
    """
    greenhouse, setup = _SimulatedCell(cell), setup_of(cell)
    firmware = None
    if policy == firmware_policy.NAME:
        firmware = firmware_policy.FirmwarePolicy(cell, setup, STEP_S)
    actor: Policy = PEERS[policy](setup) if firmware is None else firmware
    scorer = _Scorer(cell, policy)
    for _ in range(round(days * DAY_S / STEP_S)):
        readings = greenhouse.step()
        for event in greenhouse.disturb():
            scorer.disturb(event, readings.at_s)
        scorer.observe(greenhouse.ph, greenhouse.ec_us_cm, readings.at_s)
        doses = actor.act(readings)
        if doses:
            greenhouse.order(doses)
            scorer.count_doses(doses, readings.at_s)
        if firmware is None:
            greenhouse.fill(readings.level_mm)
        else:
            greenhouse.valve(firmware.valve_is_open)
        if trace is not None:
            trace.append((readings, greenhouse.ph, greenhouse.ec_us_cm, doses))
    found = scorer.result(greenhouse, least_meq)
    if firmware is not None:
        reason = firmware.gate.latch_reason
        found.locked = "" if reason is None else reason.code
        if trace is not None:
            trace.append(firmware.events)
    return found


def least_reagent(cell: Cell, days: float) -> tuple[float, float]:
    """Return the minimum (acid, base) for `days`, meq.

    An oracle with the true values corrects the bulk every five minutes, without mixing: nutrient
    to the target EC, then the exact acid or base to the target pH. Crop, weather, tap and drift
    are those of the other policies; there is no measurement error and no overshoot.
    """
    greenhouse, oracle = _SimulatedCell(cell), OraclePolicy(cell)
    every = round(_LEAST_EVERY_S / STEP_S)
    for step in range(round(days * DAY_S / STEP_S)):
        readings = greenhouse.step()
        greenhouse.disturb()
        greenhouse.fill(readings.level_mm)
        if step % every == 0:
            oracle.correct(greenhouse.plant.reservoir)
    return oracle.acid_meq, oracle.base_meq


class OraclePolicy:
    """Corrects a reservoir exactly, by its true composition."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._solution: Any = Solution(EquilibriaTable())
        self.acid_meq = self.base_meq = 0.0

    def correct(self, tank: Any) -> None:
        """Bring EC up to its target, then pH to its target."""
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
            self.acid_meq += ml * meq_ml(stock)
        else:
            self.base_meq += ml * meq_ml(stock)

    def _ml_to_target(self, tank: Any, stock: str | Ions) -> float:
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

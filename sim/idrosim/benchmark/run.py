"""Runs one dosing policy in one cell of the scoreboard, and measures the result.

The twin is the Plant of the scenarios on CPython, stepped at the control period. Measures use true
values, not readings. CPython only.
"""

from __future__ import annotations

from typing import Any

from idrosim.benchmark import firmware_policy
from idrosim.benchmark.cases import DEPTH_MM, FILL_BELOW_MM, Cell, Ions, meq_ml
from idrosim.benchmark.disturbances import Disturbance
from idrosim.benchmark.measures import Measures, Scorer
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
LIGHT_HOURS, LIGHT_LEVEL = (6.0, 22.0), 0.8
_LEAST_EVERY_S, _LEAST_OFF_PH, _LEAST_OFF_US_CM = 300.0, 0.02, 10.0


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
        self._is_filling = self.is_tap_open = False
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
            "light", LIGHT_LEVEL if LIGHT_HOURS[0] <= hour < LIGHT_HOURS[1] else 0.0)
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
        self.is_tap_open = is_open
        self.plant.set_output("top_off", 1.0 if is_open else 0.0)


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
    scorer, reasons = Scorer(cell, policy), _LastReasons()
    for _ in range(round(days * DAY_S / STEP_S)):
        for event in greenhouse.disturb():
            scorer.disturb(event, greenhouse.at_s)
        readings = greenhouse.step()
        scorer.observe(greenhouse.ph, greenhouse.ec_us_cm, readings, reasons.by_loop)
        doses = actor.act(readings)
        if firmware is not None:
            reasons.read(firmware.events)
        if doses:
            greenhouse.order(doses)
            scorer.count_doses(doses, readings.at_s)
        if firmware is None:
            greenhouse.fill(readings.level_mm)
        else:
            greenhouse.valve(firmware.valve_is_open)
        if greenhouse.is_tap_open:
            scorer.count_fill(readings.at_s)
        if trace is not None:
            trace.append((readings, greenhouse.ph, greenhouse.ec_us_cm, doses))
    found = scorer.result(
        greenhouse.reagent_meq("ph_down"), greenhouse.reagent_meq("ph_up"), least_meq)
    if firmware is not None:
        reason = firmware.gate.latch_reason
        found.locked = "" if reason is None else reason.code
        if trace is not None:
            trace.append(firmware.events)
    return found


class _LastReasons:
    """The code of the last decision of the pH and EC loops of the firmware."""

    def __init__(self) -> None:
        self.by_loop: dict[str, str] = {}
        self._read = 0

    def read(self, events: list[tuple[int, str, dict[str, Any]]]) -> None:
        """Take in the events since the last call. Of a blocked dose, why it is blocked.

        The wait after a dose is no reason: the dose it waits for is.
        """
        for _, kind, detail in events[self._read:]:
            if kind == "decided" and detail["loop"] in ("ph", "ec"):
                reason = detail["reason"]
                if reason.code != "mixing":
                    self.by_loop[detail["loop"]] = reason.values.get("why", reason).code
        self._read = len(events)


def least_reagent(cell: Cell, days: float) -> tuple[float, float]:
    """Return the minimum (acid, base) for `days`, meq.

    An oracle with the true values corrects the bulk every five minutes, without mixing: nutrient
    to the target EC, then the exact acid or base to the target pH. Crop, weather, tap and drift
    are those of the other policies; there is no measurement error and no overshoot.
    """
    greenhouse, oracle = _SimulatedCell(cell), OraclePolicy(cell)
    every = round(_LEAST_EVERY_S / STEP_S)
    for step in range(round(days * DAY_S / STEP_S)):
        greenhouse.disturb()
        readings = greenhouse.step()
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

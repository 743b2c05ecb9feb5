"""A nutrient recipe as JSON: salts, stock solutions, the ready solution, and what is not met."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from idrosim.water_solver.salt_program import IonBand
from idrosim.water_solver.salt_recipe import Missed, Plan, Problem
from idrosim.water_solver.salts import Salt
from idrosim.water_solver.saturation import precipitates
from idrosim.water_solver.stock_tanks import Stocks, Tank

_ACCUMULATING_MMOL_L = 3.0


def plan_json(problem: Problem, plan: Plan, stocks: Stocks, stock_l: float) -> dict[str, Any]:
    """Return the plan. `ok` is False if an ion or the pH is missed or a solid may precipitate."""
    solids = precipitates(plan.state.indices)
    tanks = [_tank(tank, problem.shelf) for tank in stocks.tanks]
    is_met = not plan.missed and not plan.missing_meq_l
    return {
        "ok": is_met and not solids and all(tank.is_clear for tank in stocks.tanks),
        "minimised": problem.minimise,
        "ph": round(plan.state.ph, 3), "ph_aerated": round(plan.aerated_ph, 3),
        "ec_us_cm": round(plan.state.ec_us_cm, 1),
        "cost_per_m3": None if plan.cost_per_m3 is None else round(plan.cost_per_m3, 4),
        "ions_mmol_l": {ion: _ion(ion, problem.bands, amount)
                        for ion, amount in plan.ions.items() if ion != "C"},
        "missed": [_missed(one) for one in plan.missed],
        "missing_base_meq_l": round(max(plan.missing_meq_l, 0.0), 3),
        "missing_acid_meq_l": round(max(-plan.missing_meq_l, 0.0), 3),
        "saturation": _rounded(plan.state.indices), "precipitates": _rounded(solids),
        "concentration": problem.concentration, "stock_l": stock_l,
        "ready_l": problem.concentration * stock_l, "stocks": tanks,
        "clear_up_to": None if stocks.clear_up_to is None else _floored(stocks.clear_up_to),
        "notes": list(_notes(problem, plan)),
    }


def problems_of(plan: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for everything that keeps a plan from being `ok`."""
    for one in plan["missed"]:
        yield _missed_text(one)
    for kind in ("acid", "base"):
        if missing := plan[f"missing_{kind}_meq_l"]:
            yield (f"pH: {missing:g} meq/l of {kind} is missing on the shelf, "
                   f"so the pH becomes {plan['ph']:.2f}")
    for name, index in plan["precipitates"].items():
        yield f"ready solution: {name} may precipitate (saturation index {index:+.2f})"
    for tank in plan["stocks"]:
        if tank["ph"] is None:
            yield f"tank {tank['tank']}: too concentrated to be computed"
        for name, index in tank["precipitates"].items():
            yield f"tank {tank['tank']}: {name} may precipitate (saturation index {index:+.2f})"
    if not all(tank["is_clear"] for tank in plan["stocks"]):
        highest = plan["clear_up_to"]
        yield ("nor are the stock solutions clear at a tenth of the concentration"
               if highest is None
               else f"the stock solutions are clear up to {highest:g} times")


def _ion(ion: str, bands: Iterable[IonBand], amount: float) -> dict[str, float | None]:
    band = next((one for one in bands if one.ion == ion), None)
    limits = (None, None, None) if band is None else (
        band.wanted, band.low, None if math.isinf(band.high) else band.high)
    wanted, low, high = (None if one is None else round(one, 4) for one in limits)
    return {"wanted": wanted, "low": low, "high": high, "got": round(amount, 4)}


def _missed(one: Missed) -> dict[str, Any]:
    high = None if math.isinf(one.band.high) else round(one.band.high, 4)
    return {"ion": one.band.ion, "low": round(one.band.low, 4), "high": high,
            "got": round(one.got, 4), "off": round(one.off, 4),
            "from_water": round(one.from_water, 4)}


def _missed_text(one: Mapping[str, Any]) -> str:
    is_high = one["got"] > one["low"]
    bound = f"at most {one['high']:.2f}" if is_high else f"at least {one['low']:.2f}"
    text = (f"{one['ion']}: {one['got']:.2f} mmol/l, {bound} is allowed: {one['off']:.2f} too "
            f"{'much' if is_high else 'little'}")
    is_of_water = is_high and one["from_water"] > one["high"]
    return f"{text}; the water alone has {one['from_water']:.2f}" if is_of_water else text


def _tank(tank: Tank, shelf: Iterable[Salt]) -> dict[str, Any]:
    salts = [
        {"salt": salt.name, "formula": salt.formula, "g": round(tank.grams[salt.name], 3),
         "ml": None if salt.density_kg_l is None
         else round(tank.grams[salt.name] / salt.density_kg_l, 3)}
        for salt in shelf if salt.name in tank.grams]
    state = tank.state
    return {
        "tank": tank.name, "salts": salts, "is_clear": tank.is_clear,
        "ph": None if state is None else round(state.ph, 2),
        "saturation": {} if state is None else _rounded(state.indices),
        "precipitates": _rounded(tank.precipitates)}


def _notes(problem: Problem, plan: Plan) -> Iterator[str]:
    if problem.water.added is not None:
        ion, meq_l = problem.water.added
        yield f"water: {abs(meq_l):.2f} meq/l of {ion} added to balance the charges"
    for ion in ("Na", "Cl"):
        if plan.ions[ion] > _ACCUMULATING_MMOL_L:
            yield f"{ion} {plan.ions[ion]:.1f} mmol/l accumulates in a closed system"
    if plan.aerated_ph - plan.state.ph > 0.5 and problem.gas_atm is None:
        yield f"once CO2 has left the water, the pH climbs to {plan.aerated_ph:.1f}"


def _rounded(indices: Mapping[str, float]) -> dict[str, float]:
    return {name: round(index, 3) for name, index in indices.items()}


def _floored(value: float) -> float:
    return math.floor(value) if value > 10.0 else math.floor(10.0 * value) / 10.0

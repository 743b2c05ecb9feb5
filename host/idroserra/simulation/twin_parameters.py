"""Derives the twin's parameters of a node's greenhouse, and lists the assumptions.

Known are the board, the active settings and the newest readings. The water is one of the twin's
four, the crop a lettuce sized for the reservoir. The stocks of the twin are as strong as the
node's titration says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from idroserra.core.reasons import Reason
from idroserra.i18n.errors import ExplainedError
from idroserra.simulation.preview_request import PreviewRequest
from idrosim.benchmark.cases import FRESH_FILL, RECIPE, Cell, Titration
from idrosim.greenhouse.chemistry import Solution
from idrosim.greenhouse.conductivity import conductivities
from idrosim.greenhouse.equilibria import EquilibriaTable
from idrosim.greenhouse.water import RECIPES, STOCKS, amounts

# Calibration of the node's own probes and tank: the twin uses the boards' defaults.
OWN_CALIBRATION = frozenset({
    "ph.neutral_uv", "ph.slope_uv_per_ph", "ph.calibrated_day", "ec.cell_milli",
    "ec.alpha_ppm_c", "level.zero_uv", "level.uv_per_mm",
})
# Frequent enough for control, and several times as fast to simulate as every ten seconds.
SAMPLE_MS = 30_000
_CROP = "lettuce"  # of the twin
_USUAL_C = 20.0  # water temperature
_RIM_MM = 60.0  # height of the tank above its full level
_ACID = "h3po4_10pct"  # what `reservoir.acid_ml` of the twin is
_THINNEST, _MOST = 0.01, 4.0  # times the recipe
_TRIES, _SAME_US_CM, _SAME_PH = 6, 5.0, 0.02
_WEAKEST, _STRONGEST = 0.02, 3.0  # times the stock of the twin
# Bottle: the setting of its titration, and the twin's own value.
_TITRATED = {
    "ph_down": ("ph.down_ul_per_ph", "acid_ml_per_ph"),
    "ph_up": ("ph.up_ul_per_ph", "base_ml_per_ph"),
    "nutrient_a": ("ec.ul_per_100_us_cm", "nutrient_ml_per_100_us_cm"),
    "nutrient_b": ("ec.ul_per_100_us_cm", "nutrient_ml_per_100_us_cm"),
}


class Greenhouse(NamedTuple):
    """The twin's parameters, the node's settings in it, and the assumptions."""

    plant: dict[str, Any]
    settings: dict[str, Any]
    assumed: list[Reason]


def greenhouse(request: PreviewRequest) -> Greenhouse:
    """Return the greenhouse of a request. Raises HostError if the twin has no such water."""
    values = request.settings
    assumed: list[Reason] = []
    start = _start(request, assumed)
    cell = _cell(request, start["temp_c"], start["volume_ml"] / 1e3)
    plant = cell.plant() | {
        "reservoir.volume_ml": start["volume_ml"],
        "reservoir.area_cm2": float(values["reservoir.area_cm2"]),
        "reservoir.height_mm": values["level.full_mm"] + _RIM_MM,
        "reservoir.temp_c": start["temp_c"], **_solution(cell, start, assumed),
        **_bottles(cell.titration, cell.stocks, values, assumed), "start.hour": request.local_hour,
        "light.ppfd_umol_m2_s": float(request.ppfd_umol_m2_s)}
    assumed.append(_crop_and_room(request, plant))
    settings = {key: value for key, value in values.items() if key not in OWN_CALIBRATION}
    return Greenhouse(plant, settings | {"sample.every_ms": SAMPLE_MS}, assumed)


def _crop_and_room(request: PreviewRequest, plant: Mapping[str, Any]) -> Reason:
    """Return the assumed crop, light and room; a crop that is not simulated is named."""
    assumed = {
        "area_cm2": round(plant["crop.area_m2"] * 10_000),
        "light_umol_m2_s": request.ppfd_umol_m2_s, "deci_c": round(plant["outside.temp_c"] * 10)}
    if request.crop in ("", _CROP):
        return Reason("greenhouse_assumed", **assumed)
    return Reason("crop_not_simulated", crop=request.crop, **assumed)


def _start(request: PreviewRequest, assumed: list[Reason]) -> dict[str, float]:
    """Return the state of the water: as measured, or else its setpoints."""
    values, read = request.settings, request.readings
    ph, ec_us_cm = float(values["ph.target"]), float(values["ec.target_us_cm"])
    level_mm = float(values["level.target_mm"])
    usual = {
        "ph": (ph, Reason("starts_ph", milli_ph=round(ph * 1_000))),
        "ec_us_cm": (ec_us_cm, Reason("starts_ec", ec_us_cm=round(ec_us_cm))),
        "temp_c": (_USUAL_C, Reason("starts_temp", deci_c=round(_USUAL_C * 10))),
        "level_mm": (level_mm, Reason("starts_level", level_mm=round(level_mm))),
    }
    found = {key: read.get(key, value) for key, (value, _) in usual.items()}
    assumed += [reason for key, (_, reason) in usual.items() if key not in read]
    found["volume_ml"] = found["level_mm"] * values["reservoir.area_cm2"] / 10.0
    return found


def _cell(request: PreviewRequest, temp_c: float, litres: float) -> Cell:
    values = request.settings
    cell = Cell(request.water, "h3po4", litres, "fresh", temp_c=temp_c,
                target_ph=float(values["ph.target"]),
                ec_us_cm=float(values["ec.target_us_cm"]))
    try:
        _ = cell.titration  # calculated once, here where it may fail
    except ValueError as error:
        raise ExplainedError(
            Reason("water_unfit", water=request.water, detail=str(error))) from None
    return cell


def _solution(cell: Cell, start: Mapping[str, float], assumed: list[Reason]) -> dict[str, Any]:
    """Return the solutes that give the water its present readings."""
    thinnest = _filled(cell, start, _THINNEST)
    if thinnest.ec_us_cm >= start["ec_us_cm"]:
        assumed.append(Reason(
            "water_strong", water=cell.water, ec_us_cm=round(thinnest.ec_us_cm),
            target_us_cm=round(start["ec_us_cm"])))
        found = thinnest
    else:
        found = _of_same_ec(cell, start, thinnest)
    if found.ph < start["ph"] - _SAME_PH:
        assumed.append(Reason(
            "water_acid", water=cell.water, milli_ph=round(found.ph * 1_000),
            target_milli_ph=round(start["ph"] * 1_000)))
    return {"reservoir.strength": found.strength, "reservoir.acid_ml": found.acid_ml}


class _Filled(NamedTuple):
    """A tank filled with a recipe of some strength, with acid added."""

    strength: float
    acid_ml: float
    ph: float
    ec_us_cm: float


def _of_same_ec(cell: Cell, start: Mapping[str, float], weak: _Filled) -> _Filled:
    """Return the fill that has the EC of `start` (secant method, from the weaker fill `weak`)."""
    found = _filled(cell, start, 1.0)
    for _ in range(_TRIES):
        off_us_cm = start["ec_us_cm"] - found.ec_us_cm
        if abs(off_us_cm) < _SAME_US_CM:
            break
        slope = (found.ec_us_cm - weak.ec_us_cm) / (found.strength - weak.strength)
        found = _filled(cell, start, min(_MOST, found.strength + off_us_cm / slope))
    return found


def _filled(cell: Cell, start: Mapping[str, float], strength: float) -> _Filled:
    """Return a fill of this strength, acidified to the pH of `start`, in a closed system."""
    # A fresh fill that reaches this strength: its titration is that of the present water.
    mix = {ion: amount * strength / FRESH_FILL for ion, amount in RECIPES[RECIPE].items()}
    fill = Cell(cell.water, _ACID, cell.volume_l, "fresh", recipe=mix, temp_c=cell.temp_c,
                target_ph=start["ph"])
    too_high_ph = max(0.0, fill.fill_ph - start["ph"])
    acid_ml = fill.titration.acid_ml_per_ph * too_high_ph if too_high_ph else 0.0
    poured = amounts(STOCKS, _ACID, 1e-3 * acid_ml / cell.volume_l)
    solution: Any = Solution(EquilibriaTable())
    solution.gas_atm = None
    solution.set([a + b for a, b in zip(fill.solution(FRESH_FILL), poured, strict=True)],
                 cell.temp_c)
    solution.solve(1e-8)
    return _Filled(strength, acid_ml, float(solution.ph), float(conductivities(solution)[1]))


def _bottles(
    titration: Titration, stocks: Mapping[str, Any], values: Mapping[str, Any],
    assumed: list[Reason],
) -> dict[str, Any]:
    """Return the pumps as the node knows them, with stocks as strong as its titration says."""
    found: dict[str, Any] = {}
    off = []
    for name, (setting, field) in _TITRATED.items():
        row = stocks[name] if isinstance(stocks[name], dict) else STOCKS[stocks[name]]
        times = getattr(titration, field) / (values[setting] / 1e3)
        if not _WEAKEST <= times <= _STRONGEST:
            times = min(max(times, _WEAKEST), _STRONGEST)
            off.append(setting)
        found[f"{name}.stock"] = {ion: amount * times for ion, amount in row.items()}
        found[f"{name}.flow_ml_per_s"] = values["doser.ul_per_s"] / 1e3
    assumed.append(Reason("stocks_titrated"))
    assumed += [Reason("stock_unfit", setting=setting, value=values[setting])
                for setting in dict.fromkeys(off)]
    return found

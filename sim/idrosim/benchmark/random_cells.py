"""Draws greenhouses at random for the scoreboard, as docs/score.md states the distribution.

Every cell is one that a grower could declare: what commissioning would refuse is drawn again, and
counted with its reason. A cell depends on seed and index only, not on the number. CPython only.
"""

from __future__ import annotations

import math
import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from fnmatch import fnmatch
from functools import partial
from typing import NamedTuple, TypeVar

from idrosim.benchmark import city_waters
from idrosim.benchmark.cases import CROP_M2_L, MAX_PUMP_ML_S, PUMP_ML_S_L, Cell, Ions, meq_ml
from idrosim.benchmark.commissioning import OF_THE_SITE, hours_to_give, refusal
from idrosim.benchmark.crops import CROPS
from idrosim.benchmark.disturbances import EXCUSED_H, Disturbance
from idrosim.greenhouse.parameters import DOSERS
from idrosim.probes.water_probes import nernst_slope_mv

_Choice = TypeVar("_Choice")

VOLUME_L = (5.0, 2_000.0)
TEMP_C = (8.0, 32.0)
SWING_C = (0.0, 6.0)  # half the difference of day and night
TARGET_PH = (5.5, 6.5)
CROP_TIMES = (0.2, 8.0)  # of the usual area of the volume: from nearly empty to crowded
TARGET_STEP_US_CM = 50.0
ACID_MOLAR, BASE_MOLAR = (0.25, 2.9), (0.25, 1.9)
NUTRIENT_TIMES, MAX_NUTRIENT_TIMES = (50.0, 200.0), 400.0  # of the recipe
FLOW_TIMES = (0.4, 2.5)  # of the usual flow of the volume
MIN_FLOW_ML_S = 0.1
PUMP_ERROR_PCT = (-6.0, 6.0)
PROBE_AGE_DAYS = (0.0, 365.0)
CALIBRATED_PH, CALIBRATED_EC_PCT = (-0.03, 0.03), (-2.0, 2.0)  # off, on the first day
PROBE_LAG_TIMES, PROBE_NOISE_TIMES = (0.5, 2.0), (0.5, 2.0)
MIXING_S = (240.0, 1_800.0)
TAP_OFF_C, TAP_C = (-10.0, 4.0), (4.0, 30.0)  # than the water of the tank, and the limits
TAP_ML_S_L, TAP_TIMES = 0.05, (0.5, 2.5)  # usual flow, more for a crop above the usual
MAX_TAP_ML_S = 1_000.0
KLA_PER_H = (0.2, 2.0)
EVENTS = (0, 0, 0, 1, 1, 2, 3)  # disturbances in a run, equally likely
EVENT_H = (24.0, 144.0)
POURED_WATER = (0.02, 0.06)  # of the volume
POURED_ACID_PH = (0.2, 0.8)
POURED_NUTRIENT = (0.03, 0.15)  # of the target EC
BOTTLE_TIMES = (0.6, 1.6)  # of the declared strength
CROP_DRY_G_M2 = (15.0, 150.0)
EVENT_SHARES = (0.35, 0.2, 0.25, 0.2)  # water, acid or nutrient poured, bottle changed
WATER_SHARES = (0.15, 0.5, 0.25, 0.1)  # RO, a tap, a tap mixed with RO, a hard well
MIXED_SHARE = (0.1, 0.9)  # of tap water in RO
WELL_MEQ_L = (5.0, 8.0)
_HARD_MEQ_L = 4.0
_CHOICES, _MOST_SITES = 20, 100


class Drawn(NamedTuple):
    """Cells, and how often each reason made commissioning refuse one."""

    cells: list[Cell]
    refused: Counter[str]


def draw(count: int, seed: int, wanted: str | None = None,
         on_done: Callable[[int, int], None] | None = None) -> Drawn:
    """Return the first `count` cells of a seed, drawn on all cores.

    `wanted` holds shell patterns of names, separated by commas: only those are drawn. Reports
    (done, number) to `on_done`. Raises ValueError if no name matches, or if commissioning refuses
    too many in succession.
    """
    patterns = (wanted or "*").split(",")
    indices = [index for index in range(count) if any(
        fnmatch(name_of(seed, index), pattern.strip()) for pattern in patterns)]
    if not indices:
        raise ValueError(f"no name matches {wanted}; names are {name_of(seed, 0)} to "
                         f"{name_of(seed, count - 1)}")
    found = Drawn([], Counter())
    with ProcessPoolExecutor(os.cpu_count() or 1) as pool:
        for cell, refused in pool.map(partial(draw_one, seed), indices, chunksize=4):
            found.cells.append(cell)
            found.refused.update(refused)
            if on_done is not None:
                on_done(len(found.cells), len(indices))
    return found


def name_of(seed: int, index: int) -> str:
    """Return the name of a cell."""
    return f"random-{seed}-{index}"


def draw_one(seed: int, index: int) -> tuple[Cell, Counter[str]]:
    """Return the cell `index` of a seed, and what commissioning refused before it.

    A grower who is refused takes other bottles and pumps; only if none of them suit, or another
    choice cannot help, is the whole greenhouse drawn again.
    """
    stream, refused = _Stream(seed, index), Counter[str]()
    for _ in range(_MOST_SITES):
        site = _site(stream, name_of(seed, index))
        for _ in range(_CHOICES):
            cell = _equipped(stream, site)
            why = refusal(cell)
            if why is None:
                return replace(cell, disturbances=_disturbances(stream, cell)), refused
            refused[why] += 1
            if why in OF_THE_SITE:
                break
    raise ValueError(f"{name_of(seed, index)}: {_MOST_SITES} greenhouses were refused")


class _Stream:
    """Numbers of one cell. Only `random()` is used, whose results no Python version changes."""

    def __init__(self, seed: int, index: int) -> None:
        self._random = random.Random(f"idroserra {seed} {index}").random

    def uniform(self, limits: tuple[float, float], decimals: int | None = None) -> float:
        low, high = limits
        value = low + (high - low) * self._random()
        return value if decimals is None else round(value, decimals)

    def log_uniform(self, limits: tuple[float, float]) -> float:
        """Return a number to three digits whose logarithm is uniform."""
        low, high = (math.log(limit) for limit in limits)
        return _digits(math.exp(low + (high - low) * self._random()))

    def choice(self, of: Sequence[_Choice]) -> _Choice:
        return of[int(self._random() * len(of))]

    def kind(self, shares: Sequence[float]) -> int:
        """Return an index, each as often as its share."""
        value = self._random()
        return sum(value >= sum(shares[:index + 1]) for index in range(len(shares) - 1))

    def whole(self, low: int, high: int) -> int:
        return low + int(self._random() * (high - low))


def _site(stream: _Stream, title: str) -> Cell:
    """Return a greenhouse whose bottles and pumps are yet to be chosen."""
    crop, target_ph = stream.choice(CROPS), stream.uniform(TARGET_PH, 1)
    volume_l, crop_times = stream.log_uniform(VOLUME_L), stream.log_uniform(CROP_TIMES)
    temp_c, age_days = stream.uniform(TEMP_C, 1), stream.uniform(PROBE_AGE_DAYS, 0)
    return Cell(
        water=_water(stream), acid="h3po4", volume_l=volume_l, probes=age_days,
        recipe=crop.recipe, temp_c=temp_c, target_ph=target_ph,
        ec_us_cm=_rounded(stream.uniform(crop.target_us_cm), TARGET_STEP_US_CM),
        crop_m2=_digits(CROP_M2_L * volume_l * crop_times), title=title,
        drawn=stream.whole(1, 2**31), mixing_s=stream.log_uniform(MIXING_S),
        twin={**_plant(stream, volume_l, crop_times, temp_c),
              **_probes(stream, age_days, target_ph, temp_c)})


def _equipped(stream: _Stream, site: Cell) -> Cell:
    """Return the greenhouse with acid, base, nutrient and pumps."""
    usual_ml_s = PUMP_ML_S_L * site.volume_l
    flow_ml_s = min(max(usual_ml_s * stream.log_uniform(FLOW_TIMES), MIN_FLOW_ML_S),
                    MAX_PUMP_ML_S)
    stronger = max(1.0, usual_ml_s / flow_ml_s)  # a slow pump needs a stronger nutrient
    return replace(
        site, acid=_acid(stream), base=_base(stream), flow_ml_s=_digits(flow_ml_s),
        nutrient_times=min(
            _digits(stronger * stream.log_uniform(NUTRIENT_TIMES)), MAX_NUTRIENT_TIMES))


def _water(stream: _Stream) -> str | Ions:
    """Return RO, a tap water, a mixture of both, or the water of a hard well."""
    kind = stream.kind(WATER_SHARES)
    if kind == 0:
        return "ro"
    if kind in (1, 2):
        tap = city_waters.ions(stream.choice(city_waters.CITIES))
        return _scaled(tap, 1.0 if kind == 1 else stream.uniform(MIXED_SHARE, 2))
    hard = [water for water in city_waters.CITIES
            if city_waters.alkalinity_meq_l(water) > _HARD_MEQ_L]
    water = stream.choice(hard)
    wanted = stream.uniform(WELL_MEQ_L) / city_waters.alkalinity_meq_l(water)
    return _scaled(city_waters.ions(water), wanted)


def _scaled(ions: Ions, share: float) -> Ions:
    return {ion: round(share * amount, 6) for ion, amount in ions.items()}


def _acid(stream: _Stream) -> Ions:
    ion = stream.choice(("P", "NO3"))
    return {ion: stream.log_uniform(ACID_MOLAR)}


def _base(stream: _Stream) -> Ions:
    """Return potassium hydroxide, carbonate or bicarbonate of a strength in eq/L."""
    carbon_per_k = stream.choice((0.0, 0.5, 1.0))
    molar = stream.log_uniform(BASE_MOLAR)
    return {"K": molar, "C": carbon_per_k * molar} if carbon_per_k else {"K": molar}


def _plant(
    stream: _Stream, volume_l: float, crop_times: float, temp_c: float
) -> dict[str, float]:
    """Return the parameters of the plant that differ from those of other cells."""
    dry_g_m2 = stream.log_uniform(CROP_DRY_G_M2)
    coldest_c, warmest_c = TAP_C
    usual_tap_ml_s = TAP_ML_S_L * volume_l * max(1.0, crop_times)
    found = {
        "outside.swing_c": stream.uniform(SWING_C, 1),
        "top_off.temp_c": min(
            max(round(temp_c + stream.uniform(TAP_OFF_C), 1), coldest_c), warmest_c),
        "top_off.flow_ml_per_s": min(
            _digits(usual_tap_ml_s * stream.log_uniform(TAP_TIMES)), MAX_TAP_ML_S),
        "reservoir.kla_per_h": stream.log_uniform(KLA_PER_H),
        "crop.nonstructural_g_m2": round(0.2 * dry_g_m2, 1),
        "crop.structural_g_m2": round(0.8 * dry_g_m2, 1),
    }
    for doser in DOSERS:
        found[f"{doser}.error_pct"] = stream.uniform(PUMP_ERROR_PCT, 1)
    return found


def _probes(
    stream: _Stream, age_days: float, target_ph: float, temp_c: float
) -> dict[str, float]:
    """Return the parameters of probes of an age, calibrated on the first day.

    Lag and noise vary. Slope and offset belong together: at the target pH the reading is off by
    what a calibration leaves.
    """
    found = Cell("ro", "h3po4", 100.0, age_days).probe_params
    lag, noise = stream.log_uniform(PROBE_LAG_TIMES), stream.log_uniform(PROBE_NOISE_TIMES)
    for key in ("probe.ph.tau_s", "probe.ec.tau_s"):
        found[key] *= lag
    for key in ("probe.ph.noise_mv", "probe.ec.noise_ratio"):
        found[key] *= noise
    flat_ph = (7.0 - target_ph) * (1.0 - found["probe.ph.slope_ratio"])
    found["probe.ph.offset_mv"] = nernst_slope_mv(temp_c) * (
        flat_ph - stream.uniform(CALIBRATED_PH))
    found["probe.ec.cell_ratio"] = 1.0 + 0.01 * stream.uniform(CALIBRATED_EC_PCT)
    return {key: round(value, 6) for key, value in found.items()}


def _disturbances(stream: _Stream, cell: Cell) -> tuple[Disturbance, ...]:
    """Return what people do: water, acid or nutrient poured, or a bottle changed."""
    found = [_disturbance(stream, cell) for _ in range(stream.choice(EVENTS))]
    return tuple(sorted(found, key=lambda event: event.at_h))


def _disturbance(stream: _Stream, cell: Cell) -> Disturbance:
    at_h, kind = stream.uniform(EVENT_H, 1), stream.kind(EVENT_SHARES)
    acid_meq_ml, base_meq_ml = (meq_ml(cell.stocks[name]) for name in ("ph_down", "ph_up"))
    nutrient_ml = cell.titration.nutrient_ml_per_100_us_cm * cell.target_us_cm / 100.0
    if kind == 0:
        share = stream.uniform(POURED_WATER)
        ml = 1e3 * cell.volume_l * share
        alkaline_ml = share * cell.volume_l * max(0.0, cell.alkalinity_meq_l) / acid_meq_ml
        return Disturbance(at_h, "pour", "water", round(ml), _excused_h(
            cell, {"nutrient_a": share * nutrient_ml, "ph_down": alkaline_ml}))
    if kind == 1:
        ml = cell.acid_below_ml(stream.uniform(POURED_ACID_PH))
        return Disturbance(at_h, "pour", "ph_down", _digits(ml), _excused_h(
            cell, {"ph_up": ml * acid_meq_ml / base_meq_ml}))
    if kind == 2:
        ml = nutrient_ml * stream.uniform(POURED_NUTRIENT)
        return Disturbance(at_h, "pour", "nutrient", _digits(ml))
    return Disturbance(at_h, "bottle", stream.choice(DOSERS), stream.log_uniform(BOTTLE_TIMES))


def _excused_h(cell: Cell, needs_ml: dict[str, float]) -> float:
    """Return how long a pour is excused: what the ceilings need to correct it, and EXCUSED_H."""
    return round(EXCUSED_H + max(
        hours_to_give(cell, doser, volume_ml) for doser, volume_ml in needs_ml.items()), 1)


def _digits(value: float) -> float:
    return float(f"{value:.3g}")


def _rounded(value: float, step: float) -> float:
    return step * round(value / step)

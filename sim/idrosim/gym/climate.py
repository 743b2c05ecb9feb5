"""Air and growth of a crop cycle in the room of a cell, one value per five minutes.

The room depends on the water only by its cell, so it is computed once and shared by all
environments whose cells have the same room per square metre. CPython only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from idrosim.benchmark.fleet.chemistry import Floats
from idrosim.benchmark.run import LIGHT_HOURS, LIGHT_LEVEL
from idrosim.greenhouse import crop, parameters
from idrosim.greenhouse.air import Air

EVERY_S = 300.0
DAY_ROWS = 288
CYCLE_DAYS = 35
_PER_M2 = ("air.volume_m3", "air.ua_w_k", "air.heat_capacity_j_k")
_USED = (*_PER_M2, "air.exchanges_per_h", "air.co2_ppm", "outside.temp_c", "outside.swing_c",
         "outside.warmest_hour", "outside.rh_pct", "light.ppfd_umol_m2_s", "light.efficacy_umol_j",
         "crop.nonstructural_g_m2", "crop.structural_g_m2", "crop.harvest_g_m2")


def climate_of(plant: Mapping[str, Any]) -> Floats:
    """Return (3, CYCLE_DAYS * DAY_ROWS) for the plant parameters of a cell.

    Rows: C of the room, dry matter grown in g/m2/s, transpiration in kg/m2/s. The crop is
    harvested and planted again when it is due.
    """
    params = parameters.complete(plant)
    area_m2 = params["crop.area_m2"] or 1.0
    return _cycle(tuple(
        float(f"{params[key] / (area_m2 if key in _PER_M2 else 1.0):.6g}") for key in _USED))


@cache
def _cycle(values: tuple[float, ...]) -> Floats:
    params = parameters.complete({}) | dict(zip(_USED, values, strict=True))
    found = np.empty((3, CYCLE_DAYS * DAY_ROWS))
    air = Air(params, params["outside.temp_c"])
    young = params["crop.nonstructural_g_m2"], params["crop.structural_g_m2"]
    sugar, structure = young
    for row in range(found.shape[1]):
        hour = row % DAY_ROWS * 24.0 / DAY_ROWS
        is_lit = LIGHT_HOURS[0] <= hour < LIGHT_HOURS[1]
        ppfd = LIGHT_LEVEL * params["light.ppfd_umol_m2_s"] if is_lit else 0.0
        d_sugar, d_structure = crop.growth(
            sugar, structure, ppfd / crop.PAR_UMOL_J, params["air.co2_ppm"], air.temp_c)
        canopy = crop.transpiration_kg_m2_s(
            crop.leaf_area_index(structure), ppfd, air.temp_c, air.pressure_pa())
        phase = (hour - params["outside.warmest_hour"]) / 24.0
        air.drive(params["outside.temp_c"]
                  + params["outside.swing_c"] * math.cos(2.0 * math.pi * phase),
                  ppfd / params["light.efficacy_umol_j"] - crop.LATENT_J_KG * canopy, canopy)
        air.step(EVERY_S)
        sugar = max(sugar + d_sugar * EVERY_S, 0.01)
        structure += d_structure * EVERY_S
        if sugar + structure > params["crop.harvest_g_m2"]:
            sugar, structure = young
        found[:, row] = air.temp_c, max(d_sugar + d_structure, 0.0), canopy
    return found

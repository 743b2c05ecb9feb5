"""What commissioning refuses of a declared greenhouse: what it needs, against what it may have.

A greenhouse that needs more a day than the ceilings of the safety gate allow cannot be held by any
control: `idroserra node needs` says so before anything is planted. CPython only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from idro.control.dosing_state import min_dose_ul
from idro.errors import SettingsError
from idro.safety import limits
from idrosim.benchmark import firmware_policy, run
from idrosim.benchmark.cases import FRESH_FILL, Cell, TooWeakError, meq_ml
from idrosim.benchmark.dose_needs import SHORTEST, SHORTEST_PH, WATER_L_M2, Greenhouse, needs

TAKEN_US_CM = 500.0  # EC that the crop takes up of each litre that it drinks
_MORE = "more than the node may give"
_EC = "the target EC is below that of the water, or above what the recipe gives"
_TAP = f"water, any day: {_MORE}"
_SALT = "tap too salty: its salts raise EC out of band within a week"
# Reasons that other bottles and pumps cannot mend.
OF_THE_SITE = (_EC, _TAP, _SALT)
_SHORTEST_US_CM = 25.0  # the shortest dose of a pump must not move EC further


def refusal(cell: Cell) -> str | None:
    """Return why commissioning refuses the cell, or None."""
    try:
        values = firmware_policy.settings_of(cell, run.setup_of(cell), run.STEP_S)
    except TooWeakError as error:
        return f"{error.side} too weak: 50 ml/l do not reach the target pH"
    except firmware_policy.TooStrongError as error:
        return f"stock too strong: {error.key} is below its range"
    except SettingsError as error:
        return f"a setting is outside its range: {error.reason.code}"
    except ValueError:
        return _EC
    return next(_shortages(cell, values), None)


def hours_to_give(cell: Cell, doser: str, volume_ml: float) -> float:
    """Return how long the ceilings need to let `doser` give a volume."""
    values = firmware_policy.settings_of(cell, run.setup_of(cell), run.STEP_S)
    caps = limits.derive(values, int(cell.volume_l)).caps[doser]
    days, rest_ml = divmod(volume_ml, 1e-3 * caps.day_ul)
    return float(24.0 * days + rest_ml / (1e-3 * caps.hour_ul))


def _shortages(cell: Cell, values: Mapping[str, Any]) -> Iterator[str]:
    found, litres, flow_ml_s = cell.titration, cell.volume_l, cell.pump_ml_s
    m2 = cell.crop_m2 or 0.0
    drunk = 7.0 * WATER_L_M2 * m2 / litres  # in a week, of the volume
    if drunk * (cell.ec_at(0.0) - TAKEN_US_CM) > cell.band_us_cm:
        yield _SALT
    declared = Greenhouse(
        litres, m2, max(0.0, cell.alkalinity_meq_l), cell.fill_ph, meq_ml(cell.stocks["ph_down"]),
        meq_ml(cell.stocks["ph_up"]), cell.plant()["top_off.flow_ml_per_s"])
    missing = [f"{need.what}, {need.when}: {_MORE}"
               for need in needs(declared, values) if not need.is_met and need.when != SHORTEST]
    yield from sorted(missing, key=lambda why: why not in OF_THE_SITE)
    shortest_ml = 1e-3 * min_dose_ul(values)
    moves_ml = min(cell.acid_below_ml(SHORTEST_PH), SHORTEST_PH * found.base_ml_per_ph)
    if shortest_ml > moves_ml:
        yield f"stock or pump too strong: the shortest dose moves {SHORTEST_PH:g} pH"
    if shortest_ml > 0.01 * _SHORTEST_US_CM * found.nutrient_ml_per_100_us_cm:
        yield f"nutrient or pump too strong: the shortest dose moves {_SHORTEST_US_CM:g} uS/cm"
    most_ml = min(1e-3 * limits.CORRECTION_DAY_UL_L * litres,
                  1e-3 * limits.CORRECTION_DAY_ON_MS * flow_ml_s)
    fill_us_cm = (1.0 - FRESH_FILL) * cell.target_us_cm
    if 0.01 * fill_us_cm * found.nutrient_ml_per_100_us_cm > most_ml:
        yield f"nutrient A and B, fresh fill: {_MORE}"

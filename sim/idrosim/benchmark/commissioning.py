"""What commissioning refuses of a declared greenhouse: stocks, pumps and tap against the ceilings.

A greenhouse that needs more a day than the frozen ceilings of the safety gate allow cannot be held
by any control. Needs follow from the declared crop, water and volume. CPython only.
"""

from __future__ import annotations

from collections.abc import Iterator

from idro.errors import SettingsError
from idro.safety import limits
from idrosim.benchmark import firmware_policy, run
from idrosim.benchmark.cases import FRESH_FILL, Cell, TooWeakError, meq_ml
from idrosim.benchmark.dose_needs import LOST_AT_ONCE, UPTAKE_MEQ_M2, WATER_L_M2

UPTAKE_US_CM_L_M2_DAY = 6_000.0  # EC times litres, of a full canopy on a warm day
TAKEN_US_CM = 500.0  # EC that it takes up of each litre that it drinks
# Of the bicarbonate left at the target pH, in the day after. `node needs` plans with more: here
# only what surely is too much is refused.
_LOST_NEXT_DAY = 0.5
_EC = "the target EC is below that of the water, or above what the recipe gives"
_TAP = "tap too slow: the crop drinks more than the daily ceiling"
_SALT = "tap too salty: its salts raise EC out of band within a week"
# Reasons that other bottles and pumps cannot mend.
OF_THE_SITE = (_EC, _TAP, _SALT)
# The shortest pulse of a pump must not move the water further.
_SMALLEST_PH, _SMALLEST_US_CM = 0.05, 25.0


def refusal(cell: Cell) -> str | None:
    """Return why commissioning refuses the cell, or None."""
    try:
        firmware_policy.settings_of(cell, run.setup_of(cell), run.STEP_S)
    except TooWeakError as error:
        return f"{error.side} too weak: 50 ml/l do not reach the target pH"
    except firmware_policy.TooStrongError as error:
        return f"stock too strong: {error.key} is below its range"
    except SettingsError as error:
        return f"a setting is outside its range: {error.reason.code}"
    except ValueError:
        return _EC
    return next(_shortages(cell), None)


def hours_to_give(cell: Cell, doser: str, volume_ml: float) -> float:
    """Return how long the ceilings need to let `doser` give a volume."""
    hour_ml = 1e-3 * limits.HOUR_ON_MS * cell.pump_ml_s
    day_ml = 1e-3 * limits.DAY_ON_MS * cell.pump_ml_s
    if doser.startswith("ph_"):
        hour_ml = min(hour_ml, 1e-3 * limits.ACID_HOUR_UL_L * int(cell.volume_l))
        day_ml = min(day_ml, 1e-3 * limits.ACID_DAY_UL_L * int(cell.volume_l))
    days, rest_ml = divmod(volume_ml, day_ml)
    return 24.0 * days + rest_ml / hour_ml


def _shortages(cell: Cell) -> Iterator[str]:
    found, litres, flow_ml_s = cell.titration, int(cell.volume_l), cell.pump_ml_s
    m2 = cell.crop_m2 or 0.0
    drunk = 7.0 * WATER_L_M2 * m2 / cell.volume_l  # in a week, of the volume
    if drunk * (cell.ec_at(0.0) - TAKEN_US_CM) > cell.band_us_cm:
        yield _SALT
    tap_ml_s = cell.plant()["top_off.flow_ml_per_s"]
    if 1e3 * WATER_L_M2 * m2 > 1e-3 * limits.FILL_DAY_ON_MS * tap_ml_s:
        yield _TAP
    pulse_ml = 1e-3 * limits.SMALLEST_ON_MS * flow_ml_s
    if pulse_ml > _SMALLEST_PH * min(found.acid_ml_per_ph, found.base_ml_per_ph):
        yield f"stock or pump too strong: the shortest pulse moves {_SMALLEST_PH:g} pH"
    if pulse_ml > 0.01 * _SMALLEST_US_CM * found.nutrient_ml_per_100_us_cm:
        yield f"nutrient or pump too strong: the shortest pulse moves {_SMALLEST_US_CM:g} uS/cm"
    day_ml = min(1e-3 * limits.ACID_DAY_UL_L * litres, 1e-3 * limits.DAY_ON_MS * flow_ml_s)
    fill_ml = min(1e-3 * limits.CORRECTION_DAY_UL_L * litres,
                  1e-3 * limits.CORRECTION_DAY_ON_MS * flow_ml_s)
    uptake_meq = UPTAKE_MEQ_M2 * m2
    alkaline_meq = WATER_L_M2 * m2 * max(0.0, cell.alkalinity_meq_l)
    # Of the acid that CO2 leaving the water asks for: with the correction, and the day after.
    closed_ml = max(0.0, cell.fill_ph - cell.target_ph) * found.acid_ml_per_ph
    later_ml = max(0.0, cell.fill_ml - closed_ml)
    if closed_ml + LOST_AT_ONCE * later_ml > fill_ml:
        yield "acid too weak: the fresh fill needs more than the ceiling of corrections"
    if _LOST_NEXT_DAY * later_ml > day_ml:
        yield "acid too weak: the day after a fresh fill needs more than the daily ceiling"
    if -cell.fill_ml > fill_ml + day_ml:
        yield "base too weak: the fresh fill needs more than the ceiling of corrections"
    if (alkaline_meq + uptake_meq) / meq_ml(cell.stocks["ph_down"]) > day_ml:
        yield "acid too weak: top-off and crop need more than the daily ceiling"
    if uptake_meq / meq_ml(cell.stocks["ph_up"]) > day_ml:
        yield "base too weak: the crop needs more than the daily ceiling"
    nutrient_ml = 0.01 * found.nutrient_ml_per_100_us_cm  # for 1 uS/cm
    day_ml = 1e-3 * limits.DAY_ON_MS * flow_ml_s
    if UPTAKE_US_CM_L_M2_DAY * m2 / cell.volume_l * nutrient_ml > day_ml:
        yield "nutrient or its pump too weak: the crop needs more than the daily ceiling"
    if (1.0 - FRESH_FILL) * cell.target_us_cm * nutrient_ml > fill_ml + day_ml:
        yield "nutrient too weak: the fresh fill needs more than the ceiling of corrections"

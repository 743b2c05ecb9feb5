"""What a declared greenhouse needs of its pumps in a day, and what they may give.

Commissioning compares both before anything is planted: `idroserra node needs`. The ceilings are
those of idro.safety.limits. The needs are planning figures, the most that the crops and waters of
the twin took (docs/dosing.md). CPython only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from idro.control.dosing_state import min_dose_ul
from idro.safety import limits

# Of a full canopy in 24 h, each for 1 m2: water, nutrient as litres of solution at target EC, and
# the acid or base that balances its uptake of ions: base where it takes up ammonium.
WATER_L_M2 = 9.0
NUTRIENT_L_M2 = 2.8
ACID_MEQ_M2, BASE_MEQ_M2 = 12.0, 20.0
_SURE_TAP = 0.5  # share of the water of a full canopy that any crop drinks, which brings base
# The shortest dose must not move pH further, in water that has lost its CO2 and so its buffer.
SHORTEST_PH, _BUFFER_MEQ_L_PH = 0.05, 0.1
SHORTEST = "shortest dose"
# Share of the bicarbonate left at the target pH that the water loses as CO2 while a person is at
# the tank, and in the 24 h after.
_LOST_AT_ONCE, _LOST_NEXT_DAY = 0.2, 0.75


@dataclass(frozen=True)
class Greenhouse:
    """What a grower declares of the tank, its water and crop, and the bottles."""

    litres: float
    crop_m2: float
    alkalinity_meq_l: float  # of the tap
    fill_ph: float
    acid_meq_ml: float
    base_meq_ml: float
    tap_ml_s: float | None = None  # None: unknown


@dataclass(frozen=True)
class Need:
    """What is needed of `what`, and what the node may give, ml. `when` says in which time."""

    what: str
    when: str
    needs_ml: float
    may_ml: float

    @property
    def is_met(self) -> bool:
        """True if the node may give it."""
        return self.needs_ml <= self.may_ml

    def line(self) -> str:
        """Return one line with both numbers."""
        if self.when == SHORTEST:
            return (f"{self.what}, {self.when}: the pump gives {self.needs_ml:.3g} ml, more than "
                    f"{self.may_ml:.3g} ml moves pH by over {SHORTEST_PH:g}")
        return (f"{self.what}, {self.when}: needs about {self.needs_ml:.0f} ml, the node may give "
                f"{self.may_ml:.0f} ml")


def needs(greenhouse: Greenhouse, values: Mapping[str, Any]) -> list[Need]:
    """Return the needs of `greenhouse` under the settings `values` of its node."""
    one, allowed = greenhouse, limits.derive(values, int(greenhouse.litres))
    day_ml = {doser: 1e-3 * caps.day_ul for doser, caps in allowed.caps.items()}
    flow_ml_s = 1e-3 * values["doser.ul_per_s"]
    fill_ml = min(1e-3 * allowed.correction_day_ul,
                  1e-3 * limits.CORRECTION_DAY_ON_MS * flow_ml_s)
    water_l, uptake_meq = WATER_L_M2 * one.crop_m2, ACID_MEQ_M2 * one.crop_m2
    tap_meq = water_l * one.alkalinity_meq_l
    later_ml = (tap_meq + uptake_meq) / one.acid_meq_ml
    found = []
    closed_ml = 1e-3 * values["ph.down_ul_per_ph"] * max(0.0, one.fill_ph - values["ph.target"])
    left_meq = max(0.0, one.alkalinity_meq_l * one.litres - closed_ml * one.acid_meq_ml)
    if closed_ml > 0.0:
        at_once_ml = closed_ml + _LOST_AT_ONCE * left_meq / one.acid_meq_ml
        found.append(Need("acid", "fresh fill, step by step", at_once_ml, fill_ml))
    if left_meq > 0.0:  # below the target, too: dissolved CO2 holds the pH of the fill there
        next_ml = _LOST_NEXT_DAY * left_meq / one.acid_meq_ml + later_ml
        found.append(Need("acid", "the day after a fresh fill", next_ml, day_ml["ph_down"]))
    raised_ml = 1e-3 * values["ph.up_ul_per_ph"] * (values["ph.target"] - one.fill_ph)
    if raised_ml > 0.0:
        found.append(Need("base", "fresh fill, step by step", raised_ml, fill_ml))
    found.append(Need("acid", "any later day", later_ml, day_ml["ph_down"]))
    base_meq = max(0.0, BASE_MEQ_M2 * one.crop_m2 - _SURE_TAP * tap_meq)
    found.append(Need("base", "any day", base_meq / one.base_meq_ml, day_ml["ph_up"]))
    per_litre_ml = 1e-5 * values["ec.target_us_cm"] * values["ec.ul_per_100_us_cm"] / one.litres
    found.append(Need("nutrient A and B", "any day", NUTRIENT_L_M2 * one.crop_m2 * per_litre_ml,
                      day_ml["nutrient_a"]))
    buffer_meq = SHORTEST_PH * _BUFFER_MEQ_L_PH * one.litres
    for what, meq_ml in (("acid", one.acid_meq_ml), ("base", one.base_meq_ml)):
        found.append(Need(what, SHORTEST, 1e-3 * min_dose_ul(values), buffer_meq / meq_ml))
    if one.tap_ml_s is not None:
        found.append(Need("water", "any day", 1e3 * water_l,
                          1e-3 * allowed.fill_day_ms * one.tap_ml_s))
    return found

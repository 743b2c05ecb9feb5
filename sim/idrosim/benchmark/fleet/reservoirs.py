"""Model of the water of one reservoir, or of many at once, at steps of up to five minutes.

Processes and equations are those of greenhouse/reservoir.py without branches: uptake and
transpiration of the crop, an inlet pocket that mixes into the bulk, doses, top-off, drain, heat,
exchange of CO2, brushite, and the charge balance. The same code runs on floats (ONE) and on arrays
with one element per reservoir (MANY). A dose is spread evenly over its step; the rates of a step
are those at its start, and exponentials are exact. CPython only; needs numpy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from idrosim.benchmark.fleet import chemistry as fleet
from idrosim.greenhouse import conductivity, crop
from idrosim.greenhouse.chemistry import AIR_CO2_ATM, CA, Solution
from idrosim.greenhouse.chemistry import C as CARBON
from idrosim.greenhouse.chemistry import P as PHOSPHATE
from idrosim.greenhouse.equilibria import BRUSHITE_LOG_K, LN10, EquilibriaTable

Value = Any  # a float of one reservoir, or an array (N,)
# Ions of a stock with their mol per ml, without those that it lacks.
Stock = Sequence[tuple[int, Value]]

# A step ends when an iteration of the charge balance moves pH by less than this; the remaining
# error of pH is below 2e-4 (tests/sim/gym/test_reservoirs.py).
TOLERANCE_PH = 1e-5
MIN_ML = 50.0
_HEAT_J_ML_K = 4.186
_BRUSHITE_SI = 0.3
_TINY, _LEAST_SHARE = 1e-30, 1e-9
_MAX_ITERATIONS = 500
_CHILL_EVERY = 40
# Temperatures from 0 to 45 C: the constants of each are computed once a process.
_table = EquilibriaTable(46 * 64)


class Numbers(NamedTuple):
    """Arithmetic of one reservoir or of many."""

    exp: Callable[[Value], Value]
    log: Callable[[Value], Value]
    least: Callable[[Value, Value], Value]
    most: Callable[[Value, Value], Value]
    largest: Callable[[Value], float]
    solution: Callable[[Value], Any]  # of temperatures
    conductivities: Callable[[Any], tuple[Value, Value]]


ONE = Numbers(math.exp, math.log, min, max, abs, lambda temp_c: Solution(_table),
              conductivity.conductivities)
MANY = Numbers(
    np.exp, np.log, np.minimum, np.maximum, lambda values: float(np.abs(values).max()),
    lambda temps_c: fleet.chemistry.Solution(fleet.FleetTable(temps_c)),
    fleet.conductivity.conductivities)


class Setting(NamedTuple):
    """What stays the same while a reservoir is run. Units in the names."""

    volume_ml: Value  # when full
    rim_ml: Value  # above it, water runs over
    raw_mol_ml: Sequence[Value]  # ten, of the tap
    tap_c: Value
    mixing_s: Value
    ua_w_k: Value
    warmer_c: Value  # than the room, by the circulation pump
    kla_per_s: Value
    brushite_per_s: Value
    crop_area_m2: Value
    stocks: Sequence[Stock]


class Climate(NamedTuple):
    """Air and crop during one step."""

    room_c: Value
    grown_g_m2_s: Value
    canopy_kg_m2_s: Value


class Reservoirs:
    """The water. `moles` (ten), `volume_ml` and `temp_c` are its state beside the pocket."""

    def __init__(self, numbers: Numbers, setting: Setting, moles: Sequence[Value], temp_c: Value,
                 warm: Sequence[Value] | None = None) -> None:
        """Fill with `moles`; `warm` is what `warm()` returned for that filling."""
        self._numbers, self.setting = numbers, setting
        self.moles = list(moles)
        self.pocket = [0.0 * amount for amount in moles]
        self.volume_ml, self.temp_c = 1.0 * setting.volume_ml, 1.0 * temp_c
        self.solution = numbers.solution(temp_c)
        self.solution.put(self._molar(), temp_c)
        if warm is None:
            self._start_cold()
            self._settle()
        else:
            self.rewarm(warm)

    @property
    def molar(self) -> Sequence[Value]:
        """The ten concentrations after the last step, mol/L."""
        found: Sequence[Value] = self.solution.totals
        return found

    def _molar(self) -> list[Value]:
        per_l = 1e3 / self.volume_ml
        return [amount * per_l for amount in self.moles]

    def warm(self) -> list[Value]:
        """Return the state of the solver."""
        return [*self.solution.warm(), self.solution.carbon]

    def rewarm(self, values: Sequence[Value]) -> None:
        """Restore what `warm` returned."""
        *most, self.solution.carbon = values
        self.solution.rewarm(most)

    def copy_of(self, moles: Sequence[Value], volume_ml: Value) -> Reservoirs:
        """Return a solved reservoir with other contents at the same temperature."""
        return Reservoirs(self._numbers, self.setting._replace(volume_ml=volume_ml), moles,
                          self.temp_c)

    def values(self) -> list[Value]:
        """Return every array of the state and the setting, to be changed in place."""
        of_stocks = [per_ml for stock in self.setting.stocks for _, per_ml in stock]
        _, _, raw_mol_ml, *others, _ = self.setting
        return [*self.moles, *self.pocket, self.volume_ml, self.temp_c, *self.molar, *self.warm(),
                *self.setting[:2], *raw_mol_ml, *others, *of_stocks]

    @property
    def ph(self) -> Value:
        """The pH of the bulk."""
        return self.solution.ph

    def conductivities(self) -> tuple[Value, Value]:
        """Return (conductivity at the water's temperature, EC at 25 C), uS/cm."""
        return self._numbers.conductivities(self.solution)

    def step(self, dt_s: float, climate: Climate, doses_ml: Sequence[Value | None],
             tap_ml: Value = 0.0, drain_ml: Value = 0.0) -> None:
        """Advance by `dt_s`: a dose of each stock and water of the tap in, solution out, ml.

        A dose of None is none, and costs no time. Raises ValueError if the charge balance does
        not converge.
        """
        self._grow(dt_s, climate)
        self._mix(dt_s, doses_ml)
        self._exchange_water(tap_ml, drain_ml)
        self._heat(dt_s, climate.room_c)
        self._react(dt_s)
        self.solution.put(self._molar(), self.temp_c)
        self._settle()

    def _grow(self, dt_s: float, climate: Climate) -> None:
        moles, least = self.moles, self._numbers.least
        area_m2 = self.setting.crop_area_m2
        canopy_kg_s = climate.canopy_kg_m2_s * area_m2
        for ion, rate in crop.uptake_mol_s(
                climate.grown_g_m2_s * area_m2, canopy_kg_s, self.molar):
            moles[ion] = moles[ion] - least(rate * dt_s, moles[ion])
        self.volume_ml = self._numbers.most(self.volume_ml - 1e3 * canopy_kg_s * dt_s, MIN_ML)

    def _mix(self, dt_s: float, doses_ml: Sequence[Value | None]) -> None:
        """Mix the pocket into the bulk, and doses into both."""
        moles, pocket, mixing_s = self.moles, self.pocket, self.setting.mixing_s
        left = self._numbers.exp(-dt_s / mixing_s)
        kept = mixing_s / dt_s * (1.0 - left)
        for ion in range(10):
            moles[ion] = moles[ion] + pocket[ion] * (1.0 - left)
            pocket[ion] = pocket[ion] * left
        for stock, ml in zip(self.setting.stocks, doses_ml, strict=True):
            if ml is None:
                continue
            self.volume_ml = self.volume_ml + ml
            for ion, per_ml in stock:
                amount = per_ml * ml
                pocket[ion] = pocket[ion] + amount * kept
                moles[ion] = moles[ion] + amount * (1.0 - kept)

    def _exchange_water(self, tap_ml: Value, drain_ml: Value) -> None:
        numbers, setting, moles = self._numbers, self.setting, self.moles
        total_ml = self.volume_ml + tap_ml
        gone_ml = numbers.least(drain_ml + numbers.most(total_ml - drain_ml - setting.rim_ml, 0.0),
                                total_ml - MIN_ML)
        stays = 1.0 - gone_ml / total_ml
        for ion in range(10):
            moles[ion] = (moles[ion] + setting.raw_mol_ml[ion] * tap_ml) * stays
        self.temp_c = self.temp_c + (setting.tap_c - self.temp_c) * (tap_ml / total_ml)
        self.volume_ml = total_ml - gone_ml

    def _heat(self, dt_s: float, room_c: Value) -> None:
        setting = self.setting
        aim_c = room_c + setting.warmer_c
        left = self._numbers.exp(-dt_s * setting.ua_w_k / (_HEAT_J_ML_K * self.volume_ml))
        self.temp_c = aim_c + (self.temp_c - aim_c) * left

    def _react(self, dt_s: float) -> None:
        """Exchange CO2 with the air and precipitate brushite, by the chemistry last solved."""
        numbers, solution, moles = self._numbers, self.solution, self.moles
        carbon = moles[CARBON]
        share = numbers.most(solution.co2 / (solution.carbon + _TINY), _LEAST_SHARE)
        aim = solution.henry() * AIR_CO2_ATM / share * self.volume_ml * 1e-3
        moles[CARBON] = carbon + (aim - carbon) * (
            1.0 - numbers.exp(-dt_s * self.setting.kla_per_s * share))
        product = solution.brushite_product() + _TINY
        si = numbers.log(product) / LN10 - BRUSHITE_LOG_K
        excess = numbers.most(1.0 - numbers.exp((_BRUSHITE_SI - si) * 1.1513), 0.0)
        if numbers.largest(excess) > 0.0:
            gone = numbers.least(moles[CA], moles[PHOSPHATE]) * excess * (
                1.0 - numbers.exp(-dt_s * self.setting.brushite_per_s))
            moles[CA] = moles[CA] - gone
            moles[PHOSPHATE] = moles[PHOSPHATE] - gone

    def _start_cold(self) -> None:
        self.solution.start()
        self.solution.ph = 7.0 + 0.0 * self.volume_ml

    def _settle(self) -> None:
        """Iterate the charge balance."""
        iterate, largest = self.solution.iterate, self._numbers.largest
        for count in range(1, _MAX_ITERATIONS):
            step, drift = iterate()
            if largest(step) < TOLERANCE_PH and largest(drift) < 100.0 * TOLERANCE_PH:
                return
            if count % _CHILL_EVERY == 0:  # too far from the last result
                self._start_cold()
        raise ValueError("no charge balance")

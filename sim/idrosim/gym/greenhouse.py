"""One greenhouse of an environment, or many: its water, crop, pumps and probes.

The same code runs on floats and on arrays (benchmark/fleet/reservoirs.py). CPython only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from idrosim.benchmark.fleet.reservoirs import MANY, ONE, Climate, Reservoirs, Value
from idrosim.gym.cell_table import CellTable
from idrosim.gym.climate import EVERY_S
from idrosim.probes.water_probes import nernst_slope_mv

DAY_S = 86_400.0
OLDEST_CROP_DAYS = 25
PUMP_ERROR_RATIO = 0.04  # the largest, of each pump
NORMALS = 4  # that the probes of a greenhouse need each step
_NERNST_MV_K = nernst_slope_mv(1.0) - nernst_slope_mv(0.0)
_NERNST_MV_0_C = nernst_slope_mv(0.0)
_EC_PER_C = 0.02  # temperature compensation of the meter


class Flows(NamedTuple):
    """What a step puts into the water and takes out, ml."""

    doses_ml: Sequence[Value]  # nominal, of each stock
    tap_ml: Value
    drain_ml: Value


class Readings(NamedTuple):
    """Readings of the probes."""

    ph: Value
    ec_us_cm: Value
    level_mm: Value


class Greenhouse:
    """One greenhouse (`count` None) or `count`, drawn from a table of cells.

    Drawn are the cell, the age of its crop and the hour, and the error of each pump that its cell
    does not state. `cell` has the numbers of the table.
    """

    def __init__(self, table: CellTable, rng: np.random.Generator, dt_s: float,
                 count: int | None = None, chosen: int | None = None) -> None:
        """Draw from `rng`, or take the cell `chosen`; `dt_s` is the length of every step."""
        size = 1 if count is None else count
        cells = rng.integers(len(table.cells), size=size)
        if chosen is not None:
            cells[:] = chosen
        clock_s = DAY_S * rng.integers(OLDEST_CROP_DAYS, size=size) + rng.uniform(
            0.0, DAY_S, size)
        errors = rng.uniform(-PUMP_ERROR_RATIO, PUMP_ERROR_RATIO, (len(table.ions), size))
        declared = table.columns["pump_errors"][:, cells]
        ratios = 1.0 + np.where(np.isnan(declared), errors, declared)
        self.numbers = ONE if count is None else MANY
        self.index: Any = cells if count is not None else int(cells[0])
        self.clock_s: Value = clock_s if count is not None else float(clock_s[0])
        self.pump_ratios: list[Value] = (
            list(ratios) if count is not None else [float(ratio[0]) for ratio in ratios])
        self._climates = table.climates
        self.dt_s, self.elapsed_s = dt_s, 0.0 * self.clock_s
        self.cell = cell = table.pick(self.index)
        self.water = Reservoirs(self.numbers, table.setting(cell), cell["fill_mol"],
                                cell["temp_c"], cell["warm"])
        for name in ("fill_mol", "warm", "stocks", "pump_errors"):  # the water owns them now
            del cell[name]
        self.kappa_us_cm, self.ec_us_cm = self.water.conductivities()
        self._seen_ph, self._seen_us_cm = 1.0 * self.water.ph, 1.0 * self.kappa_us_cm
        self._walk_mv = 0.0 * self.clock_s
        self.readings: Readings | None = None  # the last
        exp = self.numbers.exp
        self._keeps_ph = exp(-dt_s / cell["ph_tau_s"])
        self._keeps_us_cm = exp(-dt_s / cell["ec_tau_s"])
        self._walks_mv = cell["ph_walk_mv"] * dt_s**0.5

    def step(self, flows: Flows) -> None:
        """Advance by one step."""
        row = self.clock_s / EVERY_S
        cycle = self._climates.shape[2]
        if isinstance(row, float):
            air = self._climates[self.cell["climate"], :, int(row) % cycle].tolist()
        else:
            air = self._climates[self.cell["climate"], :, row.astype(np.int64) % cycle].T
        doses = [ml * ratio for ml, ratio in zip(flows.doses_ml, self.pump_ratios, strict=True)]
        if self.numbers is ONE:
            doses = [ml or None for ml in doses]
        self.water.step(self.dt_s, Climate(*air), doses, flows.tap_ml, flows.drain_ml)
        self.kappa_us_cm, self.ec_us_cm = self.water.conductivities()
        self.clock_s = self.clock_s + self.dt_s
        self.elapsed_s = self.elapsed_s + self.dt_s

    def read(self, normals: Sequence[Value]) -> Readings:
        """Return the readings; `normals` are NORMALS standard normal deviates."""
        cell, temp_c = self.cell, self.water.temp_c
        ph, kappa_us_cm = self.water.ph, self.kappa_us_cm
        self._seen_ph = ph + (self._seen_ph - ph) * self._keeps_ph
        self._seen_us_cm = kappa_us_cm + (self._seen_us_cm - kappa_us_cm) * self._keeps_us_cm
        self._walk_mv = self._walk_mv + normals[3] * self._walks_mv
        off_mv = cell["ph_offset_mv"] + self._walk_mv + normals[0] * cell["ph_noise_mv"]
        reading = 7.0 - cell["ph_slope_ratio"] * (7.0 - self._seen_ph) - off_mv / (
            _NERNST_MV_0_C + _NERNST_MV_K * temp_c)
        most = self.numbers.most
        ec_us_cm = self._seen_us_cm / cell["ec_ratio"] * (
            1.0 + normals[1] * cell["ec_noise_ratio"]) / (1.0 + _EC_PER_C * (temp_c - 25.0))
        self.readings = Readings(
            reading, most(ec_us_cm, 0.0),
            self.level_ratio * cell["full_mm"] + normals[2] * cell["level_noise_mm"])
        return self.readings

    @property
    def level_ratio(self) -> Value:
        """The water in the tank relative to a full one."""
        return self.water.volume_ml / self.cell["volume_ml"]

    @property
    def hour(self) -> Value:
        """The hour of the day."""
        return self.clock_s % DAY_S / 3_600.0

    def replace(self, at: npt.NDArray[np.int64], fresh: Greenhouse) -> None:
        """Put those of `fresh` in place of the greenhouses `at`."""
        for old, new in zip(self._values(), fresh._values(), strict=True):
            old[at] = new

    def _values(self) -> list[Any]:
        """Return every array, to be changed in place."""
        found = [*self.water.values(), *self.pump_ratios]
        for value in [*vars(self).values(), *self.cell.values()]:
            found += value if isinstance(value, list) else [value]
        seen: dict[int, Any] = {
            id(value): value for value in found if isinstance(value, np.ndarray)}
        return [value for value in seen.values() if value is not self._climates]

"""Water chemistry of many greenhouses at once, in numpy.

The equations are not duplicated: chemistry.py and conductivity.py are loaded a second time with
numpy instead of `math`, and run over arrays with one element per greenhouse. Equilibrium
constants come from equilibria.py, computed once for the whole temperature grid. CPython only;
needs the extra `sim`.
"""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from idrosim.greenhouse.equilibria import GRID_PER_C, Equilibria, EquilibriaTable

Floats = npt.NDArray[np.float64]

LOW_C, HIGH_C = 0, 45
_GROUPS = ("water", "davies", "henry", "ammonia", "phosphate", "carbonate", "sulfate",
           "hydroxide", "conductance", "onsager")


class _NumpyMath(ModuleType):
    """The functions of `math` that the vectorised modules use."""

    exp = staticmethod(np.exp)
    log = staticmethod(np.log)
    sqrt = staticmethod(np.sqrt)


def vectorised(name: str) -> Any:
    """Return a second copy of a module whose functions accept arrays.

    Its `math`, `min` and `max` are numpy's. Its imports from other modules stay scalar.
    """
    spec = find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module: Any = module_from_spec(spec)
    spec.loader.exec_module(module)
    module.math = _NumpyMath("math")
    module.min, module.max = np.minimum, np.maximum
    return module


chemistry = vectorised("idrosim.greenhouse.chemistry")
conductivity = vectorised("idrosim.greenhouse.conductivity")


def _flat(constants: Equilibria) -> list[float]:
    """Return the constants as one row, in the order of _GROUPS."""
    row: list[float] = []
    for group in _GROUPS:
        value = getattr(constants, group)
        row.extend(value if isinstance(value, tuple) else (value,))
    return row


class FleetEquilibria:
    """Constants of every greenhouse at its temperature, like Equilibria for one."""

    _grid: Floats | None = None

    def __init__(self, temps_c: Floats) -> None:
        grid = self._grid_of_all()
        self._slots = self._slots_of(temps_c)
        self._rows = grid[:, self._slots]
        self._name_rows()

    @classmethod
    def _grid_of_all(cls) -> Floats:
        """Return a column of constants per grid step; computed once."""
        if cls._grid is None:
            count = (HIGH_C - LOW_C) * GRID_PER_C + 1
            columns = [_flat(Equilibria(LOW_C + i / GRID_PER_C)) for i in range(count)]
            cls._grid = np.ascontiguousarray(np.array(columns).T)
        return cls._grid

    def _slots_of(self, temps_c: Floats) -> npt.NDArray[np.int64]:
        if temps_c.min() < LOW_C or temps_c.max() > HIGH_C:
            raise ValueError(f"temp_c: outside {LOW_C}..{HIGH_C}")
        return np.floor((temps_c - LOW_C) * GRID_PER_C + 0.5).astype(np.int64)

    def _name_rows(self) -> None:
        shape = Equilibria(25.0)
        first = 0
        for group in _GROUPS:
            value = getattr(shape, group)
            if isinstance(value, tuple):
                setattr(self, group, tuple(self._rows[first:first + len(value)]))
                first += len(value)
            else:
                setattr(self, group, self._rows[first])
                first += 1

    def move(self, temps_c: Floats) -> None:
        """Set new temperatures; update only those that left their grid step."""
        slots = self._slots_of(temps_c)
        changed = np.nonzero(slots != self._slots)[0]
        if changed.size:
            self._rows[:, changed] = self._grid_of_all()[:, slots[changed]]
            self._slots = slots


class FleetTable:
    """Replaces EquilibriaTable in the Solution of a fleet."""

    def __init__(self, temps_c: Floats) -> None:
        self._fleet = FleetEquilibria(temps_c)
        self._one = EquilibriaTable()

    def at(self, temps_c: Floats | float) -> Any:
        """Return the constants at one temperature, or at one per greenhouse."""
        if not isinstance(temps_c, np.ndarray):
            return self._one.at(temps_c)
        self._fleet.move(temps_c)
        return self._fleet

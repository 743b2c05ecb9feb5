"""The firmware's safety gate between an agent and the water. CPython only.

The gate is that of benchmark/firmware_policy.py: the code of the firmware with its ledger,
budgets and interlocks. Control does not run.
"""

from __future__ import annotations

from idrosim.benchmark.cases import Cell
from idrosim.benchmark.firmware_policy import FirmwarePolicy
from idrosim.benchmark.peer_policies import Readings
from idrosim.benchmark.run import setup_of
from idrosim.gym.cell_table import DOSERS
from idrosim.gym.greenhouse import Flows, Greenhouse

EVERY_S = 30.0
TAP = "top_off"
_LEAST_S = 0.01  # of a pump: less is not a request


class SafetyGate:
    """The gate of one node, seen by an agent: requests in, flows out."""

    def __init__(self, cell: Cell, house: Greenhouse) -> None:
        """Start a node, commissioned for `cell`, in `house` with steps of EVERY_S."""
        self._house = house
        self._node = FirmwarePolicy(cell, setup_of(cell), EVERY_S)
        self._asked_ml: dict[str, float] = {}
        self._tap_s = 0.0
        self.refused: dict[str, str] = {}

    def close(self) -> None:
        """Delete the ledger of the node."""
        self._node.close()

    def request(self, asked: Flows, samples: int) -> None:
        """Ask for a step of so many samples of flows; forget what was asked before."""
        cell = self._house.cell
        least_ml = _LEAST_S * cell["pump_ml_s"]
        self._asked_ml = {name: ml for name, ml in zip(DOSERS, asked.doses_ml, strict=True)
                          if ml > least_ml}
        self._tap_s = EVERY_S * round(samples * asked.tap_ml / (cell["tap_ml_s"] * EVERY_S))
        self.refused = {}

    def grant(self) -> Flows:
        """Take the last readings as a sample; return what the gate lets through until the next."""
        node, house = self._node, self._house
        assert house.readings is not None
        ph, ec_us_cm, level_mm = house.readings
        node.observe(Readings(float(house.elapsed_s) + EVERY_S, ph, ec_us_cm, level_mm))
        given: dict[str, float] = dict.fromkeys(DOSERS, 0.0)
        for name in [name for name in DOSERS if name in self._asked_ml]:
            given[name], code = node.request_dose(name, self._asked_ml[name])
            self._note(name, code)
            if not code:
                del self._asked_ml[name]
        if self._tap_s > 0.0:
            code = node.request_tap(self._tap_s)
            self._note(TAP, code)
            if not code:
                self._tap_s = 0.0
        tap_ml = house.cell["tap_ml_s"] * EVERY_S if node.valve_is_open else 0.0
        return Flows(tuple(given.values()), tap_ml, 0.0)

    def _note(self, name: str, code: str) -> None:
        if code:
            self.refused[name] = code
        else:
            self.refused.pop(name, None)

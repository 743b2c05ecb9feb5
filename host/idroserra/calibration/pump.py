"""Pumps: fits the flow from the volumes of timed runs, measured in a cylinder.

A node has one flow for all its dosing pumps (`doser.ul_per_s`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from idroserra.calibration.errors import BadPoint
from idroserra.core.protocol import SETTINGS

MOST_APART_PCT = 10.0
MOST_RATIO = 4.0
LEAST_ON_MS = 1_000


@dataclass(frozen=True)
class PumpRun:
    """One run: the on-time counted by the node, and the measured volume."""

    on_ms: int
    measured_ul: int

    @property
    def ul_per_s(self) -> float:
        """The flow of this run."""
        return self.measured_ul * 1_000 / self.on_ms


@dataclass(frozen=True)
class PumpFit:
    """The flow over all runs, and their spread about it."""

    ul_per_s: int
    apart_pct: float


def check_run(run: PumpRun, ul_per_s: int) -> None:
    """Check that a run is long enough and plausible beside the active flow.

    Raises BadPoint.
    """
    if run.on_ms < LEAST_ON_MS:
        raise BadPoint("short", f"the pump ran for {run.on_ms} ms: at least {LEAST_ON_MS} ms is "
                       "needed for a measurement. Ask for a larger volume")
    if run.measured_ul <= 0:
        raise BadPoint("nothing", "nothing came out: is the bottle empty, the tube full, the pump "
                       "turning the right way?")
    ratio = run.ul_per_s / ul_per_s
    if not 1 / MOST_RATIO <= ratio <= MOST_RATIO:
        raise BadPoint("ratio", f"{run.measured_ul / 1_000:.1f} ml in {run.on_ms / 1_000:.1f} s "
                       f"is {ratio:.1f} times the present flow: was it read in millilitres?")


def fit(runs: Sequence[PumpRun]) -> PumpFit:
    """Return the flow of the runs. Raises BadPoint if they disagree or it is out of range."""
    if not runs:
        raise BadPoint("few", "at least one run is needed")
    flows = [run.ul_per_s for run in runs]
    flow = sum(run.measured_ul for run in runs) * 1_000 / sum(run.on_ms for run in runs)
    apart_pct = 100.0 * (max(flows) - min(flows)) / flow
    if apart_pct > MOST_APART_PCT:
        raise BadPoint("apart", f"the runs differ by {apart_pct:.0f} %: air in the tube, a worn "
                       "tube, or a misread cylinder. Fill the tube and run again")
    row = SETTINGS["doser.ul_per_s"]
    if not row.low <= flow <= row.high:
        raise BadPoint("range", f"a flow of {flow:.0f} ul/s: {row.low} to {row.high} is possible")
    return PumpFit(round(flow), apart_pct)


def settings_of(found: PumpFit) -> dict[str, int]:
    """Return the settings of a fit."""
    return {"doser.ul_per_s": found.ul_per_s}

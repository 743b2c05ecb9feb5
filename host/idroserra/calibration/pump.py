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
        raise BadPoint("run_short", on_ms=run.on_ms, least_ms=LEAST_ON_MS)
    if run.measured_ul <= 0:
        raise BadPoint("run_empty")
    ratio = run.ul_per_s / ul_per_s
    if not 1 / MOST_RATIO <= ratio <= MOST_RATIO:
        raise BadPoint("run_odd", volume_ul=run.measured_ul, on_ms=run.on_ms,
                       ratio_pct=round(ratio * 100))


def fit(runs: Sequence[PumpRun]) -> PumpFit:
    """Return the flow of the runs. Raises BadPoint if they disagree or it is out of range."""
    if not runs:
        raise BadPoint("runs_few")
    flows = [run.ul_per_s for run in runs]
    flow = sum(run.measured_ul for run in runs) * 1_000 / sum(run.on_ms for run in runs)
    apart_pct = 100.0 * (max(flows) - min(flows)) / flow
    if apart_pct > MOST_APART_PCT:
        raise BadPoint("runs_apart", apart_pct=round(apart_pct))
    row = SETTINGS["doser.ul_per_s"]
    if not row.low <= flow <= row.high:
        raise BadPoint("flow_off", ul_per_s=round(flow), range=f"{row.low}..{row.high} ul/s")
    return PumpFit(round(flow), apart_pct)


def settings_of(found: PumpFit) -> dict[str, int]:
    """Return the settings of a fit."""
    return {"doser.ul_per_s": found.ul_per_s}

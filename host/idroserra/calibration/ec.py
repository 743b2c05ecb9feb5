"""EC: fits the cell constant from standards, after a check of the dry cell.

The conductivity of a standard at its own temperature is compared with what the node measured; the
temperature coefficient of the nutrient solution has no effect. The node has one cell constant: the
mean of the standards in the range of nutrient solutions, which must agree within 5 %. Above it, at
12880, a two-electrode cell polarises and reads low: it may differ by 10 % and only checks the
others, or counts if it is alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from idroserra.calibration.errors import BadPoint
from idroserra.calibration.reference_solutions import STANDARDS, standard_us_cm

DRY = "dry"
DRY_US_CM = 20.0  # a reading below this is a cell in air
LEAST_CELL, MOST_CELL = 0.5, 1.5
GOOD_CELL = (0.8, 1.25)
NUTRIENT_US_CM = 5_000.0
MOST_APART_PCT = 5.0
MOST_HIGH_APART_PCT = 10.0


@dataclass(frozen=True)
class EcPoint:
    """A measurement in a standard: the conductivity by the node at `temp_c`, and its constant."""

    standard: str
    temp_c: float
    seen_us_cm: float
    cell_milli: int

    @property
    def true_us_cm(self) -> float:
        """The conductivity of the standard at its temperature."""
        return standard_us_cm(self.standard, self.temp_c)

    @property
    def cell(self) -> float:
        """The cell constant that would have given the true value."""
        return self.cell_milli / 1_000 * self.true_us_cm / self.seen_us_cm


@dataclass(frozen=True)
class EcFit:
    """The cell constant, and the spread of the standards about it."""

    cell_milli: int
    apart_pct: float

    @property
    def cell(self) -> float:
        """The cell constant K."""
        return self.cell_milli / 1_000


def check_dry(values: Sequence[float | None], faults: Sequence[str | None]) -> None:
    """Check that the cell is dry, from `values` and `faults` of the newest readings.

    Raises BadPoint."""
    if any(fault not in (None, "in_air") for fault in faults):
        fault = next(fault for fault in faults if fault not in (None, "in_air"))
        raise BadPoint("cell_fault", fault=fault)
    most = max((value for value in values if value is not None), default=0.0)
    if most >= DRY_US_CM:
        raise BadPoint("cell_wet", moved_us_cm=round(most))


def check_point(point: EcPoint, others: Sequence[EcPoint]) -> None:
    """Check that a point is plausible. Raises BadPoint."""
    if any(other.standard == point.standard for other in others):
        raise BadPoint("standard_again", standard=point.standard)
    true_us_cm = point.true_us_cm
    if point.seen_us_cm < DRY_US_CM:
        raise BadPoint("cell_in_air")
    if LEAST_CELL <= point.cell <= MOST_CELL:
        return
    like = [
        name for name in STANDARDS
        if GOOD_CELL[0] <= point.cell * standard_us_cm(name, point.temp_c) / true_us_cm
        <= GOOD_CELL[1]
    ]
    if like:
        raise BadPoint("standard_other", standard=point.standard, like=", ".join(like))
    raise _cell_off(point.cell)


def fit(points: Sequence[EcPoint]) -> EcFit:
    """Return the cell constant of 1 or more standards. Raises BadPoint if they disagree."""
    if not points:
        raise BadPoint("standard_needed")
    counts = [point.cell for point in points if point.true_us_cm < NUTRIENT_US_CM]
    cells = [point.cell for point in points]
    counts = counts or cells
    mean = sum(counts) / len(counts)
    apart_pct = 100.0 * (max(cells) - min(cells)) / mean
    counts_apart_pct = 100.0 * (max(counts) - min(counts)) / mean
    if apart_pct > MOST_HIGH_APART_PCT or counts_apart_pct > MOST_APART_PCT:
        cells_text = ", ".join(f"{p.standard}: K {p.cell:.3f}" for p in points)
        raise BadPoint("standards_apart", apart_pct=round(apart_pct), cells=cells_text)
    if not LEAST_CELL <= mean <= MOST_CELL:
        raise _cell_off(mean)
    return EcFit(round(mean * 1_000), apart_pct)


def _cell_off(cell: float) -> BadPoint:
    return BadPoint("cell_off", cell_milli=round(cell * 1_000),
                    low_milli=round(LEAST_CELL * 1_000), high_milli=round(MOST_CELL * 1_000))


def settings_of(found: EcFit) -> dict[str, int]:
    """Return the settings of a fit."""
    return {"ec.cell_milli": found.cell_milli}

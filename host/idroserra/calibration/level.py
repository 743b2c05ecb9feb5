"""Level: fits the zero and the signal per millimetre from known depths.

One depth corrects the zero only; two give both. A reading of 0 may hide a lower signal, so an
empty tank that reads 0 leaves the zero unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from idroserra.calibration.errors import BadPoint
from idroserra.calibration.raw_signals import Settings, level_signal_uv
from idroserra.core.protocol import SETTINGS

LEAST_APART_MM = 50
LEAST_MOVED_RATIO = 0.02  # of the distance between two depths, however wrong the calibration
MOST_DEPTH_MM = 5_000
MOST_POINTS = 2


@dataclass(frozen=True)
class LevelPoint:
    """The level reported at a depth that was measured with a ruler."""

    depth_mm: int
    reading_mm: float


@dataclass(frozen=True)
class LevelFit:
    """The fitted settings."""

    zero_uv: int
    uv_per_mm: int


def check_point(point: LevelPoint, others: Sequence[LevelPoint]) -> None:
    """Check that a depth adds information. Raises BadPoint."""
    if not 0 <= point.depth_mm <= MOST_DEPTH_MM:
        raise BadPoint("depth", f"a depth of {point.depth_mm} mm: 0 to {MOST_DEPTH_MM} is needed")
    if len(others) >= MOST_POINTS:
        raise BadPoint("enough", "two depths are enough")
    if point.depth_mm > 0 and point.reading_mm < 0.5:
        raise BadPoint("clamped", f"it reads 0 at a depth of {point.depth_mm} mm: the signal is "
                       "below its zero, and how far cannot be seen. Go back to the factory values "
                       "first, or take a greater depth")
    for other in others:
        if abs(other.depth_mm - point.depth_mm) < LEAST_APART_MM:
            raise BadPoint("near", f"{other.depth_mm} and {point.depth_mm} mm are too close: at "
                           f"least {LEAST_APART_MM} mm apart is needed")
        moved_ratio = (point.reading_mm - other.reading_mm) / (point.depth_mm - other.depth_mm)
        if moved_ratio < LEAST_MOVED_RATIO:
            raise BadPoint("unmoved", f"it read {other.reading_mm:.0f} mm at {other.depth_mm} mm "
                           f"and reads {point.reading_mm:.0f} mm at {point.depth_mm} mm: move the "
                           "water and wait; else the depths are swapped, or the transmitter does "
                           "not answer")


def fit(points: Sequence[LevelPoint], settings: Settings) -> LevelFit:
    """Return the settings of one or two depths. Raises BadPoint."""
    if not points:
        raise BadPoint("few", "at least one depth is needed")
    low = min(points, key=lambda point: point.depth_mm)
    high = max(points, key=lambda point: point.depth_mm)
    uv_per_mm = float(settings["level.uv_per_mm"])
    zero_uv = float(settings["level.zero_uv"])
    low_uv, high_uv = (level_signal_uv(point.reading_mm, settings) for point in (low, high))
    if low is not high:
        uv_per_mm = (high_uv - low_uv) / (high.depth_mm - low.depth_mm)
        if uv_per_mm <= 0:
            raise BadPoint("swapped", "the level falls where the water is deeper: the depths are "
                           "swapped, or the transmitter does not answer")
    if low is not high or low.depth_mm > 0 or low.reading_mm >= 0.5:
        zero_uv = low_uv - low.depth_mm * uv_per_mm
    found = LevelFit(round(zero_uv), round(uv_per_mm))
    for key, value in settings_of(found).items():
        row = SETTINGS[key]
        if not row.low <= value <= row.high:
            raise BadPoint("range", f"{key} would be {value} {row.unit}: {row.low} to {row.high} "
                           "is possible. Measure the depths again")
    return found


def settings_of(found: LevelFit) -> dict[str, int]:
    """Return the settings of a fit."""
    return {"level.zero_uv": found.zero_uv, "level.uv_per_mm": found.uv_per_mm}

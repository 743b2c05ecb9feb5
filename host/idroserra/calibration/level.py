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
        raise BadPoint("depth_off", depth_mm=point.depth_mm, high_mm=MOST_DEPTH_MM)
    if len(others) >= MOST_POINTS:
        raise BadPoint("depths_enough")
    if point.depth_mm > 0 and point.reading_mm < 0.5:
        raise BadPoint("depth_unseen", depth_mm=point.depth_mm)
    for other in others:
        if abs(other.depth_mm - point.depth_mm) < LEAST_APART_MM:
            raise BadPoint("depths_near", other_mm=other.depth_mm, depth_mm=point.depth_mm,
                           least_mm=LEAST_APART_MM)
        moved_ratio = (point.reading_mm - other.reading_mm) / (point.depth_mm - other.depth_mm)
        if moved_ratio < LEAST_MOVED_RATIO:
            raise BadPoint("level_unmoved", before_mm=round(other.reading_mm),
                           other_mm=other.depth_mm, level_mm=round(point.reading_mm),
                           depth_mm=point.depth_mm)


def fit(points: Sequence[LevelPoint], settings: Settings) -> LevelFit:
    """Return the settings of one or two depths. Raises BadPoint."""
    if not points:
        raise BadPoint("depths_few")
    low = min(points, key=lambda point: point.depth_mm)
    high = max(points, key=lambda point: point.depth_mm)
    uv_per_mm = float(settings["level.uv_per_mm"])
    zero_uv = float(settings["level.zero_uv"])
    low_uv, high_uv = (level_signal_uv(point.reading_mm, settings) for point in (low, high))
    if low is not high:
        uv_per_mm = (high_uv - low_uv) / (high.depth_mm - low.depth_mm)
        if uv_per_mm <= 0:
            raise BadPoint("depths_swapped")
    if low is not high or low.depth_mm > 0 or low.reading_mm >= 0.5:
        zero_uv = low_uv - low.depth_mm * uv_per_mm
    found = LevelFit(round(zero_uv), round(uv_per_mm))
    for key, value in settings_of(found).items():
        row = SETTINGS[key]
        if not row.low <= value <= row.high:
            raise BadPoint("level_fit_off", setting=key, value=value,
                           range=f"{row.low}..{row.high} {row.unit}")
    return found


def settings_of(found: LevelFit) -> dict[str, int]:
    """Return the settings of a fit."""
    return {"level.zero_uv": found.zero_uv, "level.uv_per_mm": found.uv_per_mm}

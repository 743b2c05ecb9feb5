"""pH: fits the signal at pH 7 and the slope at 25 C from one, two or three buffers.

One buffer corrects the signal at pH 7 only; two give both; three give the least-squares line, from
which each may deviate by 0.05 pH. A new electrode has a slope of 100 % (59.16 mV per pH at 25 C)
and an offset of 0 mV; 85 to 105 % and 30 mV are accepted (H12).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from idroserra.calibration.errors import BadPoint
from idroserra.calibration.raw_signals import (
    PH_GAIN,
    PH_NEUTRAL_UV,
    PH_SLOPE_UV_PER_PH,
    Settings,
    kelvin_ratio,
)
from idroserra.calibration.reference_solutions import BUFFERS, buffer_ph

LEAST_SLOPE_PCT, MOST_SLOPE_PCT = 85.0, 105.0
MOST_OFFSET_MV = 30.0
MOST_RESIDUAL_PH = 0.05
LEAST_APART_PH = 1.5
MOST_POINTS = 3
# Below this share of a new electrode's slope it does not distinguish two buffers.
_DEAD_PCT = 15.0


@dataclass(frozen=True)
class PhPoint:
    """A measurement in a buffer: the front end's signal, and the temperature of the cup."""

    buffer: str
    temp_c: float
    signal_uv: float

    @property
    def ph(self) -> float:
        """The pH of the buffer at its temperature."""
        return buffer_ph(self.buffer, self.temp_c)

    @property
    def neutral_apart(self) -> float:
        """pH relative to 7, referred to 25 C: the factor of the slope."""
        return (self.ph - 7.0) * kelvin_ratio(self.temp_c)


@dataclass(frozen=True)
class PhFit:
    """The fit. residual_ph is the largest deviation of a point from the line."""

    neutral_uv: int
    slope_uv_per_ph: int
    residual_ph: float

    @property
    def slope_pct(self) -> float:
        """The slope in % of a new electrode's."""
        return slope_pct(self.slope_uv_per_ph)

    @property
    def offset_mv(self) -> float:
        """The electrode's voltage at pH 7, in mV."""
        return offset_mv(self.neutral_uv)


def slope_pct(slope_uv_per_ph: float) -> float:
    """Return the slope at 25 C in % of a new electrode's."""
    return 100.0 * slope_uv_per_ph / PH_SLOPE_UV_PER_PH


def offset_mv(neutral_uv: float) -> float:
    """Return the electrode's voltage at pH 7 in mV from the front end's signal."""
    return (neutral_uv - PH_NEUTRAL_UV) / PH_GAIN / 1_000


def check_point(point: PhPoint, others: Sequence[PhPoint]) -> None:
    """Check that a point is plausible, whatever the present calibration.

    Raises BadPoint.
    """
    buffer_ph(point.buffer, point.temp_c)
    if len(others) >= MOST_POINTS:
        raise BadPoint("buffers_enough", count=MOST_POINTS)
    for other in others:
        if other.buffer == point.buffer:
            raise BadPoint("buffer_again", buffer=point.buffer)
        if abs(other.ph - point.ph) < LEAST_APART_PH:
            raise BadPoint("buffers_near", buffer=point.buffer, other=other.buffer)
    if _fits(point, point.buffer):
        return
    like = [name for name in BUFFERS if _fits(point, name)]
    seen_ph = 7.0 + (point.signal_uv - PH_NEUTRAL_UV) / (
        PH_SLOPE_UV_PER_PH * kelvin_ratio(point.temp_c))
    if not like:
        raise BadPoint("buffer_unmatched", signal_mv=round(point.signal_uv / 1_000),
                       milli_ph=round(seen_ph * 1_000))
    if "7.00" in like:
        raise BadPoint("buffer_other_or_dead", buffer=point.buffer, like=", ".join(like))
    raise BadPoint("buffer_other", buffer=point.buffer, like=", ".join(like))


def fit(points: Sequence[PhPoint], settings: Settings) -> PhFit:
    """Return the fit of 1 to 3 points. Raises BadPoint for an unacceptable electrode."""
    if not points:
        raise BadPoint("buffer_needed")
    if len(points) == 1:
        slope = float(settings["ph.slope_uv_per_ph"])
        neutral = points[0].signal_uv - slope * points[0].neutral_apart
    else:
        neutral, slope = _line(points)
    found = PhFit(round(neutral), round(slope), max(
        abs((neutral - point.signal_uv) / slope + point.neutral_apart)
        / kelvin_ratio(point.temp_c) for point in points) if slope else 0.0)
    _check(found, points)
    return found


def settings_of(found: PhFit) -> dict[str, int]:
    """Return the settings of a fit."""
    return {"ph.neutral_uv": found.neutral_uv, "ph.slope_uv_per_ph": found.slope_uv_per_ph}


def _check(found: PhFit, points: Sequence[PhPoint]) -> None:
    pct = found.slope_pct
    if len(points) > 1:
        if abs(pct) < _DEAD_PCT:
            raise BadPoint("electrode_dead")
        if pct < 0:
            raise BadPoint("buffers_swapped")
    if not LEAST_SLOPE_PCT <= pct <= MOST_SLOPE_PCT:
        values = {"slope_deci_pct": round(pct * 10), "low_pct": round(LEAST_SLOPE_PCT),
                  "high_pct": round(MOST_SLOPE_PCT)}
        if len(points) == 1:
            raise BadPoint("slope_off_alone", **values)
        raise BadPoint("slope_off", **values)
    if abs(found.offset_mv) > MOST_OFFSET_MV:
        raise BadPoint("offset_off", offset_deci_mv=round(found.offset_mv * 10),
                       limit_mv=round(MOST_OFFSET_MV), buffer=points[0].buffer)
    if found.residual_ph > MOST_RESIDUAL_PH:
        raise BadPoint("buffers_bent", milli_ph=round(found.residual_ph * 1_000))


def _fits(point: PhPoint, buffer: str) -> bool:
    """Return True if an acceptable electrode could give this signal in `buffer`."""
    apart = (buffer_ph(buffer, point.temp_c) - 7.0) * kelvin_ratio(point.temp_c)
    ends = [
        PH_NEUTRAL_UV + offset * PH_GAIN * 1_000 + apart * PH_SLOPE_UV_PER_PH * pct / 100
        for offset in (-MOST_OFFSET_MV, MOST_OFFSET_MV)
        for pct in (LEAST_SLOPE_PCT, MOST_SLOPE_PCT)
    ]
    return min(ends) <= point.signal_uv <= max(ends)


def _line(points: Sequence[PhPoint]) -> tuple[float, float]:
    """Return (signal at pH 7, slope) of the least-squares line."""
    count = len(points)
    x_mean = sum(point.neutral_apart for point in points) / count
    y_mean = sum(point.signal_uv for point in points) / count
    apart = sum((point.neutral_apart - x_mean) ** 2 for point in points)
    if apart == 0:
        raise BadPoint("buffers_same")
    slope = sum((point.neutral_apart - x_mean) * (point.signal_uv - y_mean)
                for point in points) / apart
    return y_mean - slope * x_mean, slope

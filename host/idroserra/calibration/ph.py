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
        raise BadPoint("enough", f"{MOST_POINTS} buffers are enough")
    for other in others:
        if other.buffer == point.buffer:
            raise BadPoint("twice", f"buffer {point.buffer} was already measured: use another")
        if abs(other.ph - point.ph) < LEAST_APART_PH:
            raise BadPoint("near", f"buffers {other.buffer} and {point.buffer} are too close: "
                           "use 4.01, 9.18 or 10.01 as well")
    if _fits(point, point.buffer):
        return
    like = [name for name in BUFFERS if _fits(point, name)]
    seen_ph = 7.0 + (point.signal_uv - PH_NEUTRAL_UV) / (
        PH_SLOPE_UV_PER_PH * kelvin_ratio(point.temp_c))
    if not like:
        raise BadPoint("electrode", f"the signal of {point.signal_uv / 1_000:.0f} mV (about pH "
                       f"{seen_ph:.1f}) fits no buffer: is the probe in a cup, its cap off and "
                       "its cable dry? If so, the electrode is worn out")
    dead = ""
    if "7.00" in like:
        dead = ". Or the electrode is dead: it then gives this in every buffer"
    raise BadPoint("wrong_buffer", f"this is not buffer {point.buffer}: the signal fits "
                   f"{' or '.join(like)}. Check the cup, rinse, and try again{dead}")


def fit(points: Sequence[PhPoint], settings: Settings) -> PhFit:
    """Return the fit of 1 to 3 points. Raises BadPoint for an unacceptable electrode."""
    if not points:
        raise BadPoint("few", "at least one buffer is needed")
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
            raise BadPoint("dead", "the electrode gives nearly the same signal in both buffers: "
                           "it is dead, broken or shorted. Replace it")
        if pct < 0:
            raise BadPoint("swapped", "the signal moves the wrong way: the buffers are swapped")
    if not LEAST_SLOPE_PCT <= pct <= MOST_SLOPE_PCT:
        way = "Clean the electrode and use fresh buffers; if it stays, replace the electrode"
        if len(points) == 1:
            way = "Take a second buffer: one alone keeps the old slope"
        raise BadPoint("slope", f"a slope of {pct:.1f} %: {LEAST_SLOPE_PCT:.0f} to "
                       f"{MOST_SLOPE_PCT:.0f} % is needed. {way}")
    if abs(found.offset_mv) > MOST_OFFSET_MV:
        raise BadPoint("offset", f"an offset of {found.offset_mv:.1f} mV: at most "
                       f"{MOST_OFFSET_MV:.0f} mV is accepted. Was it buffer "
                       f"{points[0].buffer}? If so, the reference is spent: replace the electrode")
    if found.residual_ph > MOST_RESIDUAL_PH:
        raise BadPoint("bent", f"the buffers do not lie on a line, by {found.residual_ph:.2f} pH: "
                       "one of them is stale or was carried over. Rinse, and use fresh ones")


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
        raise BadPoint("twice", "two different buffers are needed")
    slope = sum((point.neutral_apart - x_mean) * (point.signal_uv - y_mean)
                for point in points) / apart
    return y_mean - slope * x_mean, slope

"""Decides whether a reading has settled: little slope and scatter over enough readings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from idroserra.core.reasons import Reason

MINUTE_MS = 60_000


@dataclass(frozen=True)
class Reading:
    """One record of the calibrated channel: a value or a fault."""

    unix_ms: int
    value: float | None
    fault: str | None = None
    temp_c: float | None = None


@dataclass(frozen=True)
class StableLimits:
    """Limits of a settled reading. `slope` per minute and `scatter` (standard deviation) are in
    the unit of the channel, or relative to the value if `is_relative`. `moves` and `scatters`
    return the reason of a slope and of a scatter."""

    moves: Callable[[float], Reason]
    scatters: Callable[[float], Reason]
    slope: float
    scatter: float
    is_relative: bool = False
    window_ms: int = 45_000
    least_ms: int = 25_000
    least_count: int = 10
    time_out_ms: int = 600_000


# 0.01 pH is 0.6 mV at the electrode.
PH = StableLimits(
    lambda per_minute: Reason("ph_moves", moved_milli_ph=round(per_minute * 1_000)),
    lambda scatter: Reason("ph_noise", moved_milli_ph=round(scatter * 1_000)), 0.012, 0.012)
EC = StableLimits(
    lambda per_minute: Reason("ec_moves", moved_us_cm=round(per_minute)),
    lambda scatter: Reason("ec_noise", moved_us_cm=round(scatter)), 0.01, 0.006, is_relative=True)
LEVEL = StableLimits(
    lambda per_minute: Reason("level_moves", moved_deci_mm=round(per_minute * 10)),
    lambda scatter: Reason("level_noise", moved_deci_mm=round(scatter * 10)), 4.0, 3.0)


@dataclass(frozen=True)
class Settling:
    """The settling of a reading; `reason` is None for a pump. mean, per_minute, scatter: None
    with too few readings.

    progress, 0 to 1: half for enough readings, half for their stability."""

    is_stable: bool
    reason: Reason | None
    count: int
    mean: float | None = None
    per_minute: float | None = None
    is_overdue: bool = False
    progress: float = 0.0


def judge(readings: Sequence[Reading], limits: StableLimits, since_unix_ms: int) -> Settling:
    """Return the settling of the newest readings after `since_unix_ms` (oldest first). A reading
    without a value restarts the window."""
    fresh = [reading for reading in readings if reading.unix_ms >= since_unix_ms]
    if not fresh:
        return Settling(False, Reason("reading_awaited"), 0)
    newest_ms = fresh[-1].unix_ms
    is_overdue = newest_ms - since_unix_ms > limits.time_out_ms
    if fresh[-1].value is None:
        return Settling(False, Reason("reading_fault", fault=fresh[-1].fault), 0,
                        is_overdue=is_overdue)
    window = _window(fresh, newest_ms - limits.window_ms)
    count = len(window)
    spans_ms = newest_ms - window[0][0]
    if count < limits.least_count or spans_ms < limits.least_ms:
        few = Reason("reading_count", count=count, for_ms=spans_ms)
        share = min(1.0, count / limits.least_count, spans_ms / limits.least_ms)
        return Settling(False, few, count, is_overdue=is_overdue, progress=share / 2)
    mean, per_minute, scatter = _line(window)
    scale = abs(mean) if limits.is_relative else 1.0
    moves = limits.moves(abs(per_minute))
    if abs(per_minute) > limits.slope * scale:
        reason, is_stable = Reason("settling", why=moves), False
    elif scatter > limits.scatter * scale:
        reason, is_stable = limits.scatters(scatter), False
    else:
        reason, is_stable = Reason("settled", why=moves), True
    if is_overdue and not is_stable:
        reason = Reason("not_settled_in", why=reason, for_ms=limits.time_out_ms)
    moved = max(abs(per_minute) / limits.slope, scatter / limits.scatter) / (scale or 1.0)
    progress = 0.5 + 0.5 / max(1.0, moved)
    return Settling(is_stable, reason, count, mean, per_minute, is_overdue, progress)


def _window(readings: Sequence[Reading], from_ms: int) -> list[tuple[int, float]]:
    """Return (unix_ms, value) of the newest readings without a gap, none older than from_ms."""
    window: list[tuple[int, float]] = []
    for reading in reversed(readings):
        if reading.value is None or reading.unix_ms < from_ms:
            break
        window.append((reading.unix_ms, reading.value))
    window.reverse()
    return window


def _line(window: Sequence[tuple[int, float]]) -> tuple[float, float, float]:
    """Return the mean, the slope per minute and the scatter about the least-squares line."""
    count = len(window)
    middle_ms = sum(at for at, _ in window) / count
    mean = sum(value for _, value in window) / count
    apart = sum((at - middle_ms) ** 2 for at, _ in window)
    slope = sum((at - middle_ms) * (value - mean) for at, value in window) / apart
    rest = sum((value - mean - slope * (at - middle_ms)) ** 2 for at, value in window)
    return mean, slope * MINUTE_MS, (rest / count) ** 0.5

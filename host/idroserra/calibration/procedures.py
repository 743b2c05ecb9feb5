"""Calibration procedures: for each kind its channel, how a point is taken, and the fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple, Protocol

from idroserra.calibration import ec, level, ph, pump, stability
from idroserra.calibration.errors import BadPoint
from idroserra.calibration.raw_signals import Settings, conductivity_us_cm, ph_signal_uv
from idroserra.calibration.stability import Reading, Settling, StableLimits
from idroserra.core.reasons import Reason

# A cup that differs more from the thermometer has not reached its temperature yet.
MOST_TEMP_APART_C = 10.0
DRY_READINGS = 5


class PointRequest(NamedTuple):
    """The operator's input for a point: buffer or standard, temperature, depth, volume."""

    reference: str = ""
    temp_c: float | None = None
    depth_mm: int | None = None
    measured_ul: int | None = None


class Measurement(NamedTuple):
    """The node's data for a point: newest readings, settling, active settings, and the on-time of
    a pump run."""

    readings: Sequence[Reading]
    settling: Settling
    settings: Settings
    ran_ms: int | None = None


@dataclass(frozen=True)
class Point:
    """One point: for people, and its `data` for the fit, None for a dry cell and in the history.

    true_value and reading are pH, uS/cm at the cup's temperature, mm or ml."""

    reference: str
    true_value: float | None
    reading: float | None
    temp_c: float | None
    data: Any = None

    def to_json(self) -> dict[str, Any]:
        """Return what is for people."""
        return {"reference": self.reference, "true_value": self.true_value,
                "reading": self.reading, "temp_c": self.temp_c}


@dataclass(frozen=True)
class Proposal:
    """The fit: settings, results for people, and notes."""

    settings: Mapping[str, int]
    results: Mapping[str, float]
    notes: Sequence[Reason] = field(default_factory=list)


class Procedure(Protocol):
    """One kind of calibration. `parts` are those that the settings `keys` calibrate."""

    name: str
    channel: str | None  # None for a pump
    limits: StableLimits | None
    parts: tuple[str, ...]
    keys: tuple[str, ...]

    def take(self, asked: PointRequest, measured: Measurement, taken: Sequence[Point]) -> Point:
        """Return the requested point. Raises BadPoint."""

    def propose(self, taken: Sequence[Point], settings: Settings) -> Proposal:
        """Return the fit of the points. Raises BadPoint."""


class PhProcedure:
    """A pH electrode on an analog front end."""

    name = "ph"
    channel: str | None = "reservoir.ph"
    limits: StableLimits | None = stability.PH
    parts: tuple[str, ...] = ("sen0161", "linear_analog")
    keys: tuple[str, ...] = ("ph.neutral_uv", "ph.slope_uv_per_ph")

    def take(self, asked: PointRequest, measured: Measurement, taken: Sequence[Point]) -> Point:
        """Measure the electrode's signal in a buffer."""
        mean = _settled(measured)
        probe_c, cup_c = _temps(asked, measured)
        signal_uv = ph_signal_uv(mean, probe_c, measured.settings)
        point = ph.PhPoint(asked.reference, cup_c, signal_uv)
        ph.check_point(point, _data(taken))
        return Point(asked.reference, point.ph, mean, cup_c, point)

    def propose(self, taken: Sequence[Point], settings: Settings) -> Proposal:
        """Return the signal at pH 7 and the slope."""
        found = ph.fit(_data(taken), settings)
        results = {
            "slope_pct": round(found.slope_pct, 2), "offset_mv": round(found.offset_mv, 2),
            "residual_ph": round(found.residual_ph, 4),
            "old_slope_pct": round(ph.slope_pct(settings["ph.slope_uv_per_ph"]), 2),
            "old_offset_mv": round(ph.offset_mv(settings["ph.neutral_uv"]), 2),
        }
        notes = []
        if len(taken) == 1:
            notes.append(Reason("one_buffer"))
        return Proposal(ph.settings_of(found), results, notes)


class EcProcedure:
    """A conductivity cell on an analog front end."""

    name = "ec"
    channel: str | None = "reservoir.ec_us_cm"
    limits: StableLimits | None = stability.EC
    parts: tuple[str, ...] = ("dfr0300", "linear_analog")
    keys: tuple[str, ...] = ("ec.cell_milli",)

    def take(self, asked: PointRequest, measured: Measurement, taken: Sequence[Point]) -> Point:
        """Check the dry cell, or measure a standard."""
        if asked.reference == ec.DRY:
            return self._dry(measured)
        last = measured.readings[-1] if measured.readings else None
        if last is not None and last.fault == "in_air":
            raise BadPoint("cell_in_air")
        mean = _settled(measured)
        probe_c, cup_c = _temps(asked, measured)
        seen_us_cm = conductivity_us_cm(mean, probe_c, measured.settings)
        point = ec.EcPoint(asked.reference, cup_c, seen_us_cm, measured.settings["ec.cell_milli"])
        ec.check_point(point, _data(taken))
        return Point(asked.reference, point.true_us_cm, seen_us_cm, cup_c, point)

    def _dry(self, measured: Measurement) -> Point:
        newest = measured.readings[-DRY_READINGS:]
        if len(newest) < DRY_READINGS:
            raise BadPoint("dry_count", count=len(newest), of=DRY_READINGS)
        ec.check_dry([one.value for one in newest], [one.fault for one in newest])
        return Point(ec.DRY, 0.0, max((one.value or 0.0) for one in newest), None)

    def propose(self, taken: Sequence[Point], settings: Settings) -> Proposal:
        """Return the cell constant."""
        found = ec.fit(_data(taken))
        results = {"cell": found.cell, "apart_pct": round(found.apart_pct, 2),
                   "old_cell": settings["ec.cell_milli"] / 1_000}
        notes = []
        if not ec.GOOD_CELL[0] <= found.cell <= ec.GOOD_CELL[1]:
            notes.append(Reason("cell_far", cell_milli=found.cell_milli))
        if not any(one.data and one.data.true_us_cm < ec.NUTRIENT_US_CM for one in taken):
            notes.append(Reason("standard_high_only"))
        if all(one.data is not None for one in taken):
            notes.append(Reason("dry_unchecked"))
        return Proposal(ec.settings_of(found), results, notes)


class LevelProcedure:
    """A level transmitter on an analog front end."""

    name = "level"
    channel: str | None = "reservoir.level_mm"
    limits: StableLimits | None = stability.LEVEL
    parts: tuple[str, ...] = ("hydrostatic", "linear_analog")
    keys: tuple[str, ...] = ("level.zero_uv", "level.uv_per_mm")

    def take(self, asked: PointRequest, measured: Measurement, taken: Sequence[Point]) -> Point:
        """Measure the level at a known depth."""
        if asked.depth_mm is None:
            raise BadPoint("depth_needed")
        mean = _settled(measured)
        point = level.LevelPoint(asked.depth_mm, mean)
        level.check_point(point, _data(taken))
        return Point(f"{asked.depth_mm} mm", float(asked.depth_mm), mean, None, point)

    def propose(self, taken: Sequence[Point], settings: Settings) -> Proposal:
        """Return the zero and the signal per millimetre."""
        found = level.fit(_data(taken), settings)
        notes = []
        if any(one.true_value == 0 and (one.reading or 0) < 0.5 for one in taken):
            notes.append(Reason("zero_unseen"))
        if len(taken) == 1:
            notes.append(Reason("one_depth"))
        results = {"zero_uv": float(found.zero_uv), "uv_per_mm": float(found.uv_per_mm),
                   "old_zero_uv": float(settings["level.zero_uv"]),
                   "old_uv_per_mm": float(settings["level.uv_per_mm"])}
        return Proposal(level.settings_of(found), results, notes)


class PumpProcedure:
    """A dosing pump, by the measured volumes of timed runs."""

    name = "pump"
    channel: str | None = None
    limits: StableLimits | None = None
    parts: tuple[str, ...] = ()
    keys: tuple[str, ...] = ("doser.ul_per_s",)

    def take(self, asked: PointRequest, measured: Measurement, taken: Sequence[Point]) -> Point:
        """Take the measured volume of the last run."""
        if measured.ran_ms is None:
            raise BadPoint("run_needed")
        if asked.measured_ul is None:
            raise BadPoint("volume_needed")
        flow_ul_per_s = measured.settings["doser.ul_per_s"]
        run = pump.PumpRun(measured.ran_ms, asked.measured_ul)
        pump.check_run(run, flow_ul_per_s)
        expected_ml = measured.ran_ms * flow_ul_per_s / 1e6
        return Point(f"{measured.ran_ms / 1_000:.1f} s", asked.measured_ul / 1_000, expected_ml,
                     None, run)

    def propose(self, taken: Sequence[Point], settings: Settings) -> Proposal:
        """Return the flow."""
        found = pump.fit(_data(taken))
        results = {"ul_per_s": float(found.ul_per_s), "apart_pct": round(found.apart_pct, 2),
                   "old_ul_per_s": float(settings["doser.ul_per_s"])}
        notes = [Reason("one_flow")]
        if len(taken) == 1:
            notes.append(Reason("one_run"))
        return Proposal(pump.settings_of(found), results, notes)


PROCEDURES: Mapping[str, Procedure] = {kind.name: kind for kind in (
    PhProcedure(), EcProcedure(), LevelProcedure(), PumpProcedure())}


def _data(taken: Sequence[Point]) -> list[Any]:
    return [one.data for one in taken if one.data is not None]


def _settled(measured: Measurement) -> float:
    """Return the mean of settled readings. Raises BadPoint."""
    settling = measured.settling
    if not settling.is_stable or settling.mean is None:
        if settling.is_overdue:
            raise BadPoint("not_settled_old", why=settling.reason)
        raise BadPoint("not_settled", why=settling.reason)
    return settling.mean


def _temps(asked: PointRequest, measured: Measurement) -> tuple[float, float]:
    """Return the thermometer's temperature and that of the cup. Raises BadPoint."""
    count = max(1, measured.settling.count)
    temps = [one.temp_c for one in measured.readings[-count:] if one.temp_c is not None]
    if not temps:
        raise BadPoint("thermometer_missing")
    probe_c = median(temps)
    cup_c = probe_c if asked.temp_c is None else asked.temp_c
    if abs(cup_c - probe_c) > MOST_TEMP_APART_C:
        raise BadPoint("cup_apart", cup_deci_c=round(cup_c * 10), deci_c=round(probe_c * 10))
    return probe_c, cup_c

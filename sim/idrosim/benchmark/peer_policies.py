"""Dosing policies of other projects, from their sources and manuals: readings in, ml out.

Each class names its source. All have the same target and dead band, which a grower sets; periods,
sizes and rules are the defaults of each project. A timed dose assumes a pump of 1 ml/s per 100
litres of tank, so that no policy suffers from a small pump. CPython only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Doses = Mapping[str, float]  # nominal ml by doser, to start now
NOTHING: Doses = {}

TIMED_ML_S_L = 0.01
DEADBAND_PH = 0.1
DEADBAND_US_CM = 50.0


class Readings(NamedTuple):
    """Readings of the probes at a time."""

    at_s: float
    ph: float
    ec_us_cm: float
    level_mm: float


@dataclass(frozen=True)
class PolicySetup:
    """Configuration of a policy: targets, tank volume and results of commissioning."""

    volume_l: float
    target_ph: float
    target_us_cm: float
    acid_ml_per_ph: float
    base_ml_per_ph: float
    nutrient_ml_per_100_us_cm: float
    deadband_ph: float = DEADBAND_PH
    deadband_us_cm: float = DEADBAND_US_CM

    def timed_ml(self, seconds: float) -> float:
        """Return the volume of a pump sized for the tank in `seconds`, ml."""
        return seconds * TIMED_ML_S_L * self.volume_l


class Policy(Protocol):
    """Decides doses from readings, every control step."""

    def act(self, readings: Readings) -> Doses:
        """Return the doses to start now."""
        ...


def _ph_side(setup: PolicySetup, ph: float) -> str | None:
    """Return the doser that corrects a pH outside the dead band, or None inside it."""
    if ph > setup.target_ph + setup.deadband_ph:
        return "ph_down"
    return "ph_up" if ph < setup.target_ph - setup.deadband_ph else None


class _Interval:
    """A timer that is due once per period."""

    def __init__(self, period_s: float) -> None:
        self._period_s, self._due_s = period_s, 0.0

    def is_due(self, at_s: float) -> bool:
        if at_s < self._due_s:
            return False
        self._due_s = at_s + self._period_s
        return True


class MycodoFixed:
    """Mycodo regulate_ph_ec.py: every 300 s one fixed dose of 2.0 s; dangerous pH, EC, then pH.

    All nutrients start together. Dangerous is below pH 5.0 and above 7.0. No limits, no wait for
    an effect.
    """

    def __init__(self, setup: PolicySetup) -> None:
        self._setup, self._dose_ml, self._period = setup, setup.timed_ml(2.0), _Interval(300.0)

    def act(self, readings: Readings) -> Doses:
        setup = self._setup
        if not self._period.is_due(readings.at_s):
            return NOTHING
        if not 5.0 <= readings.ph <= 7.0:
            return {"ph_down" if readings.ph > 7.0 else "ph_up": self._dose_ml}
        if readings.ec_us_cm < setup.target_us_cm - setup.deadband_us_cm:
            return {"nutrient_a": self._dose_ml, "nutrient_b": self._dose_ml}
        side = _ph_side(setup, readings.ph)
        return {side: self._dose_ml} if side else NOTHING


class MycodoPid:
    """PID of Mycodo with its default parameters: every 30 s, P 1, I 0, D 0, band 0.

    The output of the PID is the run time in seconds, at most the period. EC is in mS/cm.
    """

    _PERIOD_S, _P = 30.0, 1.0

    def __init__(self, setup: PolicySetup) -> None:
        self._setup, self._period = setup, _Interval(self._PERIOD_S)

    def act(self, readings: Readings) -> Doses:
        setup = self._setup
        if not self._period.is_due(readings.at_s):
            return NOTHING
        off_ph = self._P * (readings.ph - setup.target_ph)
        off_ms = self._P * (setup.target_us_cm - readings.ec_us_cm) * 1e-3
        doses = {"ph_down" if off_ph > 0.0 else "ph_up": self._ml(abs(off_ph))}
        if off_ms > 0.0:
            doses["nutrient_a"] = doses["nutrient_b"] = self._ml(off_ms)
        return doses

    def _ml(self, seconds: float) -> float:
        return self._setup.timed_ml(min(seconds, self._PERIOD_S))


class ReefPiBand:
    """Homeostasis of reef-pi: above max the downer runs until max less hysteresis, each 60 s.

    The equipment is a macro, as users configure for pumps: one pulse of 1 s per check. EC is a
    second probe of the same kind with a nutrient macro.
    """

    _PULSE_S, _HYSTERESIS = 1.0, 0.5  # of the dead band

    def __init__(self, setup: PolicySetup) -> None:
        self._setup, self._period = setup, _Interval(60.0)
        self._side: str | None = None
        self._is_feeding = False

    def act(self, readings: Readings) -> Doses:
        setup, pulse_ml = self._setup, self._setup.timed_ml(self._PULSE_S)
        if not self._period.is_due(readings.at_s):
            return NOTHING
        inner = setup.deadband_ph * (1.0 - self._HYSTERESIS)
        off = readings.ph - setup.target_ph
        self._side = _ph_side(setup, readings.ph) or (
            self._side if (off > inner and self._side == "ph_down")
            or (off < -inner and self._side == "ph_up") else None)
        low_us_cm = setup.target_us_cm - setup.deadband_us_cm
        inner_us_cm = setup.target_us_cm - setup.deadband_us_cm * (1.0 - self._HYSTERESIS)
        self._is_feeding = readings.ec_us_cm < (inner_us_cm if self._is_feeding else low_us_cm)
        doses = {self._side: pulse_ml} if self._side else {}
        if self._is_feeding:
            doses["nutrient_a"] = doses["nutrient_b"] = pulse_ml
        return doses


class HydroponicOnePulse:
    """HydroponicOne EnvironmentManager.cpp: a pulse of 2 s outside the band, then 300 s lockout.

    pH and nutrients are independent; B follows A after 5 s.
    """

    def __init__(self, setup: PolicySetup) -> None:
        self._setup, self._pulse_ml = setup, setup.timed_ml(2.0)
        self._ph_lockout, self._ec_lockout = _Interval(300.0), _Interval(300.0)

    def act(self, readings: Readings) -> Doses:
        setup, doses = self._setup, {}
        side = _ph_side(setup, readings.ph)
        if side and self._ph_lockout.is_due(readings.at_s):
            doses[side] = self._pulse_ml
        is_low = readings.ec_us_cm < setup.target_us_cm - setup.deadband_us_cm
        if is_low and self._ec_lockout.is_due(readings.at_s):
            doses["nutrient_a"] = doses["nutrient_b"] = self._pulse_ml
        return doses


class HydruinoTimed:
    """Hydruino HydroTimedDosingBalancer: a base time by volume, scaled by the last response.

    0.5 s at 5 gal to 3 s at 30 gal, 10 min of mixing at 30 gal to 30 min at 200 gal, extrapolated
    linearly; the next dose follows from the last response, within 0.5 to 1.5 of the base. As
    intended: the source multiplies by the response instead of dividing. pH and EC are independent.
    The base times are for a pump of 1 ml/s in any tank.
    """

    def __init__(self, setup: PolicySetup) -> None:
        gallons = setup.volume_l / 3.785
        base_ml = 0.5 + 2.5 * (gallons - 5.0) / 25.0
        mix_s = max(60.0, 600.0 + 1_200.0 * (gallons - 30.0) / 170.0)
        self._setup = setup
        self._ph, self._ec = _AdaptiveDose(base_ml, mix_s), _AdaptiveDose(base_ml, mix_s)

    def act(self, readings: Readings) -> Doses:
        setup, doses = self._setup, {}
        side = _ph_side(setup, readings.ph)
        dose_ml = self._ph.dose_ml(readings.at_s, readings.ph, setup.target_ph, side)
        if side and dose_ml:
            doses[side] = dose_ml
        is_low = readings.ec_us_cm < setup.target_us_cm - setup.deadband_us_cm
        dose_ml = self._ec.dose_ml(
            readings.at_s, readings.ec_us_cm, setup.target_us_cm, "nutrient" if is_low else None)
        if dose_ml:
            doses["nutrient_a"] = doses["nutrient_b"] = dose_ml
        return doses


class _AdaptiveDose:
    """One balancer of HydruinoTimed."""

    def __init__(self, base_ml: float, mix_s: float) -> None:
        self._base_ml, self._mix_s = base_ml, mix_s
        self._last: tuple[float, float, str, float] | None = None  # at_s, value, side, ml

    def dose_ml(self, at_s: float, value: float, target: float, side: str | None) -> float:
        """Return the volume to dose now, ml, 0 for none."""
        last = self._last
        if side is None or (last is not None and at_s <= last[0] + self._mix_s):
            return 0.0
        ml = self._base_ml
        if last is not None and last[2] == side:
            moved_per_ml = (value - last[1]) / last[3]
            wanted_ml = (target - value) / moved_per_ml if moved_per_ml else 0.0
            ml = min(max(wanted_ml, 0.5 * self._base_ml), 1.5 * self._base_ml)
        self._last = (at_s, value, side, ml)
        return ml


class BluelabProportional:
    """Bluelab: a dose of one on-time every 10 min, proportional near the set point, with lockouts.

    The on-time comes from a trial dose: it moves the reading by 0.1 pH or 0.1 mS/cm, here by the
    titration. Within twice that of the set point it shrinks in proportion, to at least a quarter.
    15 consecutive doses without 0.1 in the right direction lock that loop, a reading in band
    resets the count; below 0.2 mS/cm both stop until 60 s after. (Bluelab support articles
    360000117416 and 360000118415, manuals.)
    """

    _OFF_S, _STEP_PH, _STEP_US_CM = 600.0, 0.1, 100.0

    def __init__(self, setup: PolicySetup) -> None:
        self._setup = setup
        self._ph_off, self._ec_off = _Interval(self._OFF_S), _Interval(self._OFF_S)
        self._ph, self._ec = _Lockout(self._STEP_PH), _Lockout(self._STEP_US_CM)
        self._clear_s = 0.0

    def act(self, readings: Readings) -> Doses:
        setup, doses = self._setup, {}
        if readings.ec_us_cm < 200.0:
            self._clear_s = readings.at_s + 60.0
        if readings.at_s < self._clear_s:
            return NOTHING
        side = _ph_side(setup, readings.ph)
        off_ph = abs(readings.ph - setup.target_ph)
        if side is None:
            self._ph.arrived()
        if (side and self._ph_off.is_due(readings.at_s)
                and self._ph.may(readings.ph, side == "ph_up")):
            per_ph = setup.acid_ml_per_ph if side == "ph_down" else setup.base_ml_per_ph
            doses[side] = self._STEP_PH * per_ph * _proportion(off_ph / self._STEP_PH)
        low_us_cm = setup.target_us_cm - readings.ec_us_cm
        if low_us_cm <= setup.deadband_us_cm:
            self._ec.arrived()
        if (low_us_cm > setup.deadband_us_cm and self._ec_off.is_due(readings.at_s)
                and self._ec.may(readings.ec_us_cm, True)):
            ml = setup.nutrient_ml_per_100_us_cm * _proportion(low_us_cm / self._STEP_US_CM)
            doses["nutrient_a"] = doses["nutrient_b"] = ml
        return doses


def _proportion(steps_off: float) -> float:
    return min(1.0, max(0.25, 0.5 * steps_off))


class _Lockout:
    """Counts consecutive doses without effect."""

    def __init__(self, step: float, most: int = 15) -> None:
        self._step, self._most = step, most
        self._count, self._from, self._is_up = 0, 0.0, False

    def arrived(self) -> None:
        """Reset the count on a reading in band, unless locked."""
        if self._count < self._most:
            self._count = 0

    def may(self, value: float, is_up: bool) -> bool:
        """Count a dose at `value`; return False once locked."""
        if self._count >= self._most:
            return False
        moved = (value - self._from) if is_up else (self._from - value)
        if self._count == 0 or self._is_up != is_up or moved >= self._step:
            self._count, self._from, self._is_up = 0, value, is_up
        self._count += 1
        return True


PEERS: Mapping[str, Callable[[PolicySetup], Policy]] = {
    "mycodo-fixed": MycodoFixed,
    "mycodo-pid": MycodoPid,
    "reef-pi": ReefPiBand,
    "hydroponicone": HydroponicOnePulse,
    "hydruino": HydruinoTimed,
    "bluelab": BluelabProportional,
}

"""What fan, heater and humidifier do for the air: by temperature, humidity and VPD, day and night.

Without a temperature nothing heats, nothing is misted, and the fan changes the air blindly for
some minutes of each hour. Heater and fan never run together: what would cool ends what warms.
"""

import math
from collections import namedtuple

from idro.protocol.types import Decision, hold

FAN, HEATER, HUMIDIFIER = "fan", "heater", "humidifier"
TEMP, HUMIDITY = "air.temp_c", "air.rh_pct"

FAN_LEASE_MS = 300_000
# Short, so that a program that dies heats and mists no longer: the gate grants no more.
LEASE_MS = 120_000

# Contacts that make and break mains wear out: a relay keeps each state for so long, except where
# it has to be off at once.
FAN_KEEP_MS = 60_000
HEATER_ON_MS = 60_000
HEATER_OFF_MS = 180_000
HUMIDIFIER_ON_MS = 30_000
HUMIDIFIER_OFF_MS = 60_000

# Heated to, cooled to, the lowest and the highest VPD.
_BY_DAY = (
    "climate.heat_day_c", "climate.cool_day_c", "climate.vpd_low_day_pa",
    "climate.vpd_high_day_pa",
)
_BY_NIGHT = (
    "climate.heat_night_c", "climate.cool_night_c", "climate.vpd_low_night_pa",
    "climate.vpd_high_night_pa",
)

_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000
_DAY_S = 86_400
_HUMIDITY_DEADBAND_PCT = 5

# What is known of the air: two Readings, and the VPD in Pa, None where one of them is missing.
Air = namedtuple("Air", ("thermometer", "hygrometer", "vpd_pa"))
# What is wanted of it now.
Points = namedtuple("Points", ("heat_c", "cool_c", "vpd_low_pa", "vpd_high_pa"))
# How an output stands: on or not, and for how long.
Run = namedtuple("Run", ("is_on", "for_ms"))


def vpd_pa(temp_c, rh_pct):
    """Return the vapour pressure deficit of air, Pa: what it could take up less what it holds.

    Saturation over water by Buck's equation of 1996 (Buck Research CR-1A manual, appendix): within
    0.1 % of IAPWS from 0 to 50 C, in single precision too.
    """
    saturated_pa = 611.21 * math.exp((18.678 - temp_c / 234.5) * temp_c / (257.14 + temp_c))
    return int(saturated_pa * (100 - rh_pct) * 0.01 + 0.5)


def look(thermometer, hygrometer):
    """Return the Air of two Readings, of temp_c and of rh_pct."""
    temp_c, rh_pct = thermometer.value, hygrometer.value
    is_known = temp_c is not None and rh_pct is not None
    return Air(thermometer, hygrometer, vpd_pa(temp_c, rh_pct) if is_known else None)


def is_day(second_of_day, values):
    """Return True in the photoperiod of the light, whether this board drives it or not."""
    since_s = (second_of_day - values["light.on_minute"] * 60) % _DAY_S
    return since_s < values["light.on_minutes"] * 60


def points(values, by_day):
    """Return the Points of the day or of the night."""
    heat, cool, low, high = _BY_DAY if by_day else _BY_NIGHT
    return Points(values[heat], values[cool], values[low], values[high])


class AirReadings:
    """What the air is, each with its hysteresis: it ends a deadband inside of where it began."""

    def __init__(self):
        self.is_cold = False
        self.is_warm = False
        self.is_humid = False  # relative humidity is high
        self.is_close = False  # VPD is low: leaves cannot transpire
        self.is_dry = False  # VPD is high: they lose too much

    def look(self, air, wanted, values):
        """Take in the Air against the Points. What is not known is nothing."""
        temp_c, rh_pct, deficit_pa = air.thermometer.value, air.hygrometer.value, air.vpd_pa
        deadband_c = values["climate.deadband_c"]
        deadband_pa = values["climate.vpd_deadband_pa"]
        known = temp_c is not None
        self.is_cold = known and _below(temp_c, wanted.heat_c, deadband_c, self.is_cold)
        self.is_warm = known and _above(temp_c, wanted.cool_c, deadband_c, self.is_warm)
        self.is_humid = rh_pct is not None and _above(
            rh_pct, values["climate.rh_max_pct"], _HUMIDITY_DEADBAND_PCT, self.is_humid
        )
        known = deficit_pa is not None
        self.is_close = known and _below(
            deficit_pa, wanted.vpd_low_pa, deadband_pa, self.is_close
        )
        self.is_dry = known and _above(deficit_pa, wanted.vpd_high_pa, deadband_pa, self.is_dry)


def _below(value, limit, deadband, was_below):
    return value < limit + (deadband if was_below else 0)


def _above(value, limit, deadband, was_above):
    return value > limit - (deadband if was_above else 0)


def fan(air, senses, wanted, warms, values, run, now_ms):
    """Return the Decision for the fan, that takes air in from outside.

    `warms`: it does so though the heater is off. Cold air is warmed first, moist or not.
    """
    reason = _fan_reason(air, senses, wanted, warms, values, now_ms)
    is_wanted = reason.startswith("on")
    if is_wanted != run.is_on and run.for_ms < FAN_KEEP_MS:
        if run.is_on:
            return Decision(FAN, None, FAN_LEASE_MS, None, "on: its relay is not switched so soon")
        return hold("off: its relay is not switched so soon")
    return Decision(FAN, None, FAN_LEASE_MS, None, reason) if is_wanted else hold(reason)


def _fan_reason(air, senses, wanted, warms, values, now_ms):
    temp_c = air.thermometer.value
    minute = now_ms % _HOUR_MS // _MINUTE_MS
    if temp_c is None:
        if minute < values["climate.blind_vent_minutes"]:
            return f"on: blindly, no air temperature ({air.thermometer.fault})"
        return f"off: rests of blind ventilation, no air temperature ({air.thermometer.fault})"
    if senses.is_warm:
        return f"on: air is warm, {temp_c:.1f} of {wanted.cool_c:.1f} C"
    if warms:
        return "on: it warms though the heater is off"
    if not senses.is_cold:
        if senses.is_humid:
            most_pct = values["climate.rh_max_pct"]
            return f"on: air is humid, {air.hygrometer.value:.0f} of {most_pct} %"
        if senses.is_close:
            return f"on: VPD is low, {air.vpd_pa} of {wanted.vpd_low_pa} Pa"
        if minute < values["climate.vent_minutes"]:
            return "on: fresh air of the hour"
    if air.vpd_pa is None:
        return f"off: no humidity to go by ({air.hygrometer.fault})"
    return "off: air is well"


def heater(air, senses, wanted, is_suspect, is_fan_on, values, run):
    """Return the Decision for the heater of the air. Off at once without a fresh temperature.

    `is_suspect`: it warmed though the heater was off, which may be stuck.
    """
    temp_c = air.thermometer.value
    if temp_c is None:
        return hold(f"off: no air temperature ({air.thermometer.fault})")
    if temp_c >= values["climate.max_c"]:
        return hold(f"off: air is too hot, {temp_c:.1f} of {values['climate.max_c']:.1f} C")
    if is_suspect:
        return hold("off: the air warmed by itself")
    if is_fan_on:
        return hold("off: the fan runs")
    if not senses.is_cold:
        if run.is_on and run.for_ms < HEATER_ON_MS:
            return Decision(
                HEATER, None, LEASE_MS, None, "on: its relay is not switched so soon"
            )
        return hold(f"off: warm enough, {temp_c:.1f} of {wanted.heat_c:.1f} C")
    if not run.is_on and run.for_ms < HEATER_OFF_MS:
        return hold("off: its relay is not switched so soon")
    reason = f"on: air is cold, {temp_c:.1f} of {wanted.heat_c:.1f} C"
    return Decision(HEATER, None, LEASE_MS, None, reason)


def humidifier(air, senses, wanted, run):
    """Return the Decision for the humidifier. Off at once where VPD is not known."""
    if air.vpd_pa is None:
        return hold(f"off: no VPD ({air.thermometer.fault or air.hygrometer.fault})")
    if senses.is_humid:
        return hold(f"off: air is humid, {air.hygrometer.value:.0f} %")
    if not senses.is_dry:
        if run.is_on and run.for_ms < HUMIDIFIER_ON_MS:
            return Decision(
                HUMIDIFIER, None, LEASE_MS, None, "on: its relay is not switched so soon"
            )
        return hold(f"off: moist enough, {air.vpd_pa} of {wanted.vpd_high_pa} Pa")
    if not run.is_on and run.for_ms < HUMIDIFIER_OFF_MS:
        return hold("off: its relay is not switched so soon")
    reason = f"on: VPD is high, {air.vpd_pa} of {wanted.vpd_high_pa} Pa"
    return Decision(HUMIDIFIER, None, LEASE_MS, None, reason)

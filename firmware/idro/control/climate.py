"""Controls fan, heater and humidifier by temperature, humidity and VPD, by day and by night.

Without a temperature, heater and humidifier stay off and the fan ventilates for some minutes of
each hour. Heater and fan never run together; the fan takes precedence.
"""

import math
from collections import namedtuple

from idro.control.filters import deci
from idro.protocol.reason import Reason
from idro.protocol.types import Decision, hold

FAN, HEATER, HUMIDIFIER = "fan", "heater", "humidifier"
TEMP, HUMIDITY = "air.temp_c", "air.rh_pct"

FAN_LEASE_MS = 300_000
# Short, so that heater and humidifier end soon if the program dies; the gate grants no more.
LEASE_MS = 120_000

# Minimum times in one state, to spare relay contacts, except if an output must go off at once.
FAN_MIN_MS = 60_000
HEATER_ON_MS = 60_000
HEATER_OFF_MS = 180_000
HUMIDIFIER_ON_MS = 30_000
HUMIDIFIER_OFF_MS = 60_000

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

_STAYS_ON, _STAYS_OFF = Reason("stays_on"), Reason("stays_off")
_FRESH_AIR = Reason("fresh_air")
_AIR_WELL = Reason("air_well")
_FAN_RUNS = Reason("fan_runs")

# Two Readings, and the VPD in Pa, None if one of them has no value.
Air = namedtuple("Air", ("thermometer", "hygrometer", "vpd_pa"))
Setpoints = namedtuple("Setpoints", ("heat_c", "cool_c", "vpd_low_pa", "vpd_high_pa"))
# The state of an output, and for how long it has had it.
OutputState = namedtuple("OutputState", ("is_on", "for_ms"))


def vpd_pa(temp_c, rh_pct):
    """Return the vapour pressure deficit of air in Pa: saturation minus actual vapour pressure.

    Saturation over water by Buck's equation of 1996 (Buck Research CR-1A manual, appendix): within
    0.1 % of IAPWS from 0 to 50 C, in single precision too.
    """
    saturated_pa = 611.21 * math.exp((18.678 - temp_c / 234.5) * temp_c / (257.14 + temp_c))
    return int(saturated_pa * (100 - rh_pct) * 0.01 + 0.5)


def combine(thermometer, hygrometer):
    """Return the Air of the Readings of temp_c and rh_pct."""
    temp_c, rh_pct = thermometer.value, hygrometer.value
    is_known = temp_c is not None and rh_pct is not None
    return Air(thermometer, hygrometer, vpd_pa(temp_c, rh_pct) if is_known else None)


def is_day(second_of_day, values):
    """True in the photoperiod, whether or not this board drives a light."""
    since_s = (second_of_day - values["light.on_minute"] * 60) % _DAY_S
    return since_s < values["light.on_minutes"] * 60


def setpoints(values, by_day):
    """Return the Setpoints of day or night."""
    heat, cool, low, high = _BY_DAY if by_day else _BY_NIGHT
    return Setpoints(values[heat], values[cool], values[low], values[high])


class AirConditions:
    """Conditions of the air, each with hysteresis: it ends one deadband inside its limit."""

    def __init__(self):
        self.is_cold = False
        self.is_warm = False
        self.is_humid = False  # relative humidity is high
        self.is_vpd_low = False  # leaves cannot transpire
        self.is_vpd_high = False  # leaves lose too much water

    def update(self, air, targets, values):
        """Compare the Air with the Setpoints. An unknown value meets no condition."""
        temp_c, rh_pct, deficit_pa = air.thermometer.value, air.hygrometer.value, air.vpd_pa
        deadband_c = values["climate.deadband_c"]
        deadband_pa = values["climate.vpd_deadband_pa"]
        is_known = temp_c is not None
        self.is_cold = is_known and _below(temp_c, targets.heat_c, deadband_c, self.is_cold)
        self.is_warm = is_known and _above(temp_c, targets.cool_c, deadband_c, self.is_warm)
        self.is_humid = rh_pct is not None and _above(
            rh_pct, values["climate.rh_max_pct"], _HUMIDITY_DEADBAND_PCT, self.is_humid)
        is_known = deficit_pa is not None
        self.is_vpd_low = is_known and _below(
            deficit_pa, targets.vpd_low_pa, deadband_pa, self.is_vpd_low)
        self.is_vpd_high = is_known and _above(
            deficit_pa, targets.vpd_high_pa, deadband_pa, self.is_vpd_high)


def _below(value, limit, deadband, was_below):
    return value < limit + (deadband if was_below else 0)


def _above(value, limit, deadband, was_above):
    return value > limit - (deadband if was_above else 0)


def fan(air, conditions, targets, must_cool, values, output, now_ms):
    """Return the Decision for the exhaust fan.

    `must_cool`: the air warms though the heater is off. Cold air is heated before it is dried.
    """
    is_wanted, reason = _fan_wanted(air, conditions, targets, must_cool, values, now_ms)
    if is_wanted != output.is_on and output.for_ms < FAN_MIN_MS:
        is_wanted, reason = output.is_on, _STAYS_ON if output.is_on else _STAYS_OFF
    return Decision(FAN, None, FAN_LEASE_MS, None, reason) if is_wanted else hold(reason)


def _fan_wanted(air, conditions, targets, must_cool, values, now_ms):
    """Return (True if the fan is wanted, its Reason)."""
    temp_c = air.thermometer.value
    minute = now_ms % _HOUR_MS // _MINUTE_MS
    if temp_c is None:
        if minute < values["climate.blind_vent_minutes"]:
            return True, Reason("blind_vent", fault=air.thermometer.fault)
        return False, Reason("blind_rest", fault=air.thermometer.fault)
    if conditions.is_warm:
        return True, Reason(
            "air_warm", deci_c=deci(temp_c), target_deci_c=deci(targets.cool_c))
    if must_cool:
        return True, Reason("heater_off_warms")
    if not conditions.is_cold:
        if conditions.is_humid:
            return True, Reason(
                "air_humid", rh_pct=_whole(air.hygrometer.value),
                limit_pct=values["climate.rh_max_pct"])
        if conditions.is_vpd_low:
            return True, Reason("vpd_low", vpd_pa=air.vpd_pa, target_pa=targets.vpd_low_pa)
        if minute < values["climate.vent_minutes"]:
            return True, _FRESH_AIR
    if air.vpd_pa is None:
        return False, Reason("no_humidity", fault=air.hygrometer.fault)
    return False, _AIR_WELL


def _whole(rh_pct):
    return int(round(rh_pct))


def heater(air, conditions, targets, is_suspect, is_fan_on, values, output):
    """Return the Decision for the heater. Off at once without a fresh temperature.

    `is_suspect`: the air warmed though the heater was off, so its relay may be stuck.
    """
    temp_c = air.thermometer.value
    if temp_c is None:
        return hold(Reason("no_air_temp", fault=air.thermometer.fault))
    if temp_c >= values["climate.max_c"]:
        return hold(Reason(
            "air_too_hot", deci_c=deci(temp_c), limit_deci_c=deci(values["climate.max_c"])))
    if is_suspect:
        return hold(Reason("heater_suspect"))
    if is_fan_on:
        return hold(_FAN_RUNS)
    temp_deci_c, target_deci_c = deci(temp_c), deci(targets.heat_c)
    if not conditions.is_cold:
        if output.is_on and output.for_ms < HEATER_ON_MS:
            return Decision(HEATER, None, LEASE_MS, None, _STAYS_ON)
        return hold(Reason("warm_enough", deci_c=temp_deci_c, target_deci_c=target_deci_c))
    if not output.is_on and output.for_ms < HEATER_OFF_MS:
        return hold(_STAYS_OFF)
    reason = Reason("air_cold", deci_c=temp_deci_c, target_deci_c=target_deci_c)
    return Decision(HEATER, None, LEASE_MS, None, reason)


def humidifier(air, conditions, targets, output):
    """Return the Decision for the humidifier. Off at once if the VPD is unknown."""
    if air.vpd_pa is None:
        return hold(Reason("no_vpd", fault=air.thermometer.fault or air.hygrometer.fault))
    if conditions.is_humid:
        return hold(Reason("air_moist", rh_pct=_whole(air.hygrometer.value)))
    if not conditions.is_vpd_high:
        if output.is_on and output.for_ms < HUMIDIFIER_ON_MS:
            return Decision(HUMIDIFIER, None, LEASE_MS, None, _STAYS_ON)
        return hold(Reason("moist_enough", vpd_pa=air.vpd_pa, target_pa=targets.vpd_high_pa))
    if not output.is_on and output.for_ms < HUMIDIFIER_OFF_MS:
        return hold(_STAYS_OFF)
    reason = Reason("vpd_high", vpd_pa=air.vpd_pa, target_pa=targets.vpd_high_pa)
    return Decision(HUMIDIFIER, None, LEASE_MS, None, reason)

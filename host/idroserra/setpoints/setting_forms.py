"""Form fields of a node's settings: group, label, and the unit in which people read and enter it.

The table has a row for each key of `protocol.SETTINGS`. The page converts with the same formulas
as `SettingField`: static/js/setting_value.js.
"""

from __future__ import annotations

from math import floor
from typing import Any, NamedTuple

from idro.protocol.descriptions import SETTING_TEXTS
from idroserra.core import protocol
from idroserra.i18n.marker import N_
from idroserra.i18n.reasons import capitalized
from idroserra.i18n.translate import current_units, format_short, localize_decimal
from idroserra.i18n.translate import gettext as _
from idroserra.i18n.units import Unit

FLOAT_DECIMALS = 4  # of a stored setting of kind float

GROUPS = {
    "dosing": N_("Dosing and safety"), "ph": "pH", "ec": "EC", "water": N_("Tank and top-off"),
    "mixing": N_("Mixing and circulation"), "irrigation": N_("Irrigation"),
    "climate": N_("Climate"), "light": N_("Light"), "node": N_("Clock and sampling"),
    "calibration": N_("Calibration constants"),
}


class _Row(NamedTuple):
    """unit: of _UNITS, or one that the user chooses; parts: the board needs one of these channels,
    outputs or kinds of output, () for every board; help: instead of SETTING_TEXTS."""

    group: str
    label: str
    unit: str
    parts: tuple[str, ...] = ()
    help: str = ""


class _Unit(NamedTuple):
    """A fixed unit: shown = stored * factor, with `decimals`; `step` is the stored step."""

    text: str
    factor: float = 1
    decimals: int = 0
    step: int = 1


_UNITS = {
    "%": _Unit("%"), "mm": _Unit("mm"), "min": _Unit(N_("min")), "pH": _Unit("", 1, 2),
    "ms in min": _Unit(N_("min"), 1 / 60_000, 2, 1_000), "s in min": _Unit(N_("min"), 1 / 60, 2),
    "ms in s": _Unit(N_("s"), 0.001, 3), "min in h": _Unit(N_("h"), 1 / 60, 2),
    "m2": _Unit("m²", 0.0001, 4), "kPa": _Unit("kPa", 0.001, 3),
    "ml/pH": _Unit("ml/pH", 0.001, 3), "ml/min": _Unit("ml/min", 0.06, 2),
    "mV": _Unit("mV", 0.001, 3), "mV/pH": _Unit("mV/pH", 0.001, 3),
    "mV/mm": _Unit("mV/mm", 0.001, 3), "%/°C": _Unit("%/°C", 0.0001, 4),
    "thousandth": _Unit("", 0.001, 3), "switch": _Unit(""), "time": _Unit(""), "date": _Unit(""),
}
_WIDGETS = ("switch", "time", "date")
_DOSER, _PH, _EC, _LEVEL = ("doser",), ("reservoir.ph",), ("reservoir.ec_us_cm",), (
    "reservoir.level_mm",)
_AIR = ("fan", "heater", "humidifier")

_ROWS = {
    "dosing.enabled": _Row("dosing", N_("Automatic dosing"), "switch", _DOSER),
    "dosing.authority_pct": _Row("dosing", N_("Dosing authority"), "%", _DOSER),
    "ph.target": _Row(
        "ph", N_("pH target"), "pH", _PH, N_("the pH that dosing aims at")),
    "ph.deadband": _Row("ph", N_("pH deadband (±)"), "pH", _PH),
    "ph.down_ul_per_ph": _Row("ph", N_("pH down for 1 pH"), "ml/pH", ("ph_down",)),
    "ph.up_ul_per_ph": _Row("ph", N_("pH up for 1 pH"), "ml/pH", ("ph_up",)),
    "ec.target_us_cm": _Row(
        "ec", N_("EC target"), "ec", _EC, N_("the EC that dosing aims at")),
    "ec.deadband_us_cm": _Row("ec", N_("EC deadband (±)"), "ec", _EC),
    "ec.ul_per_100_us_cm": _Row(
        "ec", N_("Nutrients A and B, each"), "ml by ec", ("nutrient_a", "nutrient_b"),
        N_("volume of each of nutrients A and B that raises the whole reservoir by one step")),
    "ec.alpha_ppm_c": _Row("ec", N_("Temperature coefficient"), "%/°C", _EC),
    "reservoir.area_cm2": _Row("water", N_("Surface of the tank"), "m2", _LEVEL),
    "level.low_mm": _Row("water", N_("Lowest level"), "mm", _LEVEL),
    "level.target_mm": _Row("water", N_("Top-off level"), "mm", _LEVEL),
    "level.full_mm": _Row("water", N_("Highest level"), "mm", _LEVEL),
    "topoff.max_ms_day": _Row("water", N_("Longest top-off a day"), "ms in min", ("top_off",)),
    "mixing.wait_ms": _Row("mixing", N_("Wait after a dose"), "ms in min", _DOSER),
    "circulation.on_ms": _Row("mixing", N_("Circulation on"), "ms in min", ("circulation",)),
    "circulation.off_ms": _Row("mixing", N_("Circulation off"), "ms in min", ("circulation",)),
    "irrigation.on_s": _Row("irrigation", N_("Watering time"), "s in min", ("irrigation",)),
    "irrigation.off_s": _Row(
        "irrigation", N_("Rest between waterings"), "s in min", ("irrigation",)),
    "irrigation.night_off_s": _Row(
        "irrigation", N_("Rest at night"), "s in min", ("irrigation",)),
    "irrigation.drain_s": _Row("irrigation", N_("Time to drain"), "s in min", ("irrigation",)),
    "irrigation.low_ml_per_min": _Row(
        "irrigation", N_("Minimum flow"), "flow", ("irrigation.flow_ml_per_min",)),
    "light.on_minute": _Row(
        "light", N_("Light on at"), "time", ("light", "irrigation", *_AIR),
        N_("local time at which the light turns on and the day of irrigation and climate begins")),
    "light.on_minutes": _Row(
        "light", N_("Photoperiod"), "min in h", ("light", "irrigation", *_AIR)),
    "light.ramp_minutes": _Row("light", N_("Sunrise and sunset"), "min", ("light",)),
    "light.duty_pct": _Row("light", N_("Light level"), "%", ("light",)),
    "climate.heat_day_c": _Row(
        "climate", N_("Heating below, by day"), "temperature", ("heater",)),
    "climate.heat_night_c": _Row(
        "climate", N_("Heating below, at night"), "temperature", ("heater",)),
    "climate.cool_day_c": _Row("climate", N_("Cooling above, by day"), "temperature", ("fan",)),
    "climate.cool_night_c": _Row(
        "climate", N_("Cooling above, at night"), "temperature", ("fan",)),
    "climate.deadband_c": _Row(
        "climate", N_("Hysteresis of the temperature"), "difference", ("fan", "heater")),
    "climate.max_c": _Row("climate", N_("Heater locked above"), "temperature", ("heater",)),
    "climate.rh_max_pct": _Row("climate", N_("Maximum humidity"), "%", ("fan",)),
    "climate.vpd_low_day_pa": _Row("climate", N_("Minimum VPD, by day"), "kPa", ("fan",)),
    "climate.vpd_high_day_pa": _Row("climate", N_("Maximum VPD, by day"), "kPa", ("humidifier",)),
    "climate.vpd_low_night_pa": _Row("climate", N_("Minimum VPD, at night"), "kPa", ("fan",)),
    "climate.vpd_high_night_pa": _Row(
        "climate", N_("Maximum VPD, at night"), "kPa", ("humidifier",)),
    "climate.vpd_deadband_pa": _Row(
        "climate", N_("Hysteresis of the VPD"), "kPa", ("fan", "humidifier")),
    "climate.vent_minutes": _Row("climate", N_("Ventilation each hour"), "min", ("fan",)),
    "climate.blind_vent_minutes": _Row(
        "climate", N_("Ventilation without a thermometer"), "min", ("fan",)),
    "clock.utc_offset_min": _Row("node", N_("Local time from UTC"), "min in h"),
    "sample.every_ms": _Row("node", N_("Sampling interval"), "ms in s"),
    "ph.neutral_uv": _Row("calibration", N_("Signal at pH 7"), "mV", _PH),
    "ph.slope_uv_per_ph": _Row("calibration", N_("Slope of the pH probe"), "mV/pH", _PH),
    "ph.calibrated_day": _Row(
        "calibration", N_("pH calibrated on"), "date", _PH,
        N_("day of the last calibration of the pH probe")),
    "ec.cell_milli": _Row("calibration", N_("Cell constant K"), "thousandth", _EC),
    "level.zero_uv": _Row("calibration", N_("Level signal of an empty tank"), "mV", _LEVEL),
    "level.uv_per_mm": _Row("calibration", N_("Level signal per millimetre"), "mV/mm", _LEVEL),
    "doser.ul_per_s": _Row("calibration", N_("Flow of the dosing pumps"), "ml/min", _DOSER),
}


class SettingField(NamedTuple):
    """A setting as a form field. `low`, `high`: stored bounds; `step`: of stored integers;
    is_calibrated: a calibration sets it; is_present: the board has a part that uses it."""

    key: str
    group: str
    label: str
    help: str
    widget: str  # number, switch, time or date
    unit: str
    factor: float
    offset: float
    decimals: int
    step: int
    kind: str
    default: Any
    low: Any
    high: Any
    is_calibrated: bool
    is_present: bool

    def shown(self, value: float) -> float:
        """Return a stored number in the unit of the field."""
        return round(value * self.factor + self.offset, self.decimals)

    def text(self, value: float) -> str:
        """Return a stored number as it is entered, without trailing zeros."""
        number = f"{self.shown(value):.{self.decimals}f}"
        return localize_decimal(number.rstrip("0").rstrip(".") if "." in number else number)

    def stored(self, shown: float) -> float:
        """Return an entered number in the unit of the setting."""
        value = (shown - self.offset) / self.factor
        if self.kind == "float":
            return round(value, FLOAT_DECIMALS)
        return floor(value / self.step + 0.5) * self.step


def setting_fields(info: protocol.Info | None) -> list[SettingField]:
    """Return a field for each setting, by group, for a node with this info. Without one, every
    part counts as present."""
    return sorted((_field(key, row, info) for key, row in _ROWS.items()),
                  key=lambda field: list(GROUPS).index(field.group))


def setting_label(key: str) -> str:
    """Return the label of a setting; an unknown one as it is."""
    row = _ROWS.get(key)
    return key if row is None else _(row.label)


def setting_text(key: str, value: Any) -> str:
    """Return a stored value with its unit: "30 min". An unknown one as it is."""
    row = _ROWS.get(key)
    if row is None or not isinstance(value, int | float):
        return str(value)
    field = _field(key, row, None)
    if field.widget == "switch":
        return _("on") if value else _("off")
    if field.widget == "time":
        return f"{int(value) // 60:02}:{int(value) % 60:02}"
    if field.widget == "date":
        return _date_text(int(value))
    return f"{field.text(value)} {field.unit}".rstrip()


def _field(key: str, row: _Row, info: protocol.Info | None) -> SettingField:
    setting = protocol.SETTINGS[key]
    text, factor, offset, decimals, step = _unit(row.unit)
    help_text = _(row.help or SETTING_TEXTS[key])
    return SettingField(
        key, row.group, _(row.label), capitalized(help_text),
        row.unit if row.unit in _WIDGETS else "number", text, factor, offset, decimals, step,
        setting.kind, setting.default, setting.low, setting.high, row.group == "calibration",
        info is None or not row.parts or any(_has(info, part) for part in row.parts))


def _unit(name: str) -> tuple[str, float, float, int, int]:
    """Return (text, factor, offset, decimals, step) of a unit, as the user chose it."""
    units = current_units()
    if name in _UNITS:
        fixed = _UNITS[name]
        return _(fixed.text), fixed.factor, 0, fixed.decimals, fixed.step
    if name == "ec":
        return units.ec.text, units.ec.factor, 0, _ec_decimals(units.ec), 1
    if name == "ml by ec":
        step = format_short(100 * units.ec.factor)
        text = _("ml for {step} {unit}").format(step=step, unit=units.ec.text)
        return text, 0.001, 0, 3, 1
    if name == "flow":
        return f"{units.volume.text}/min", units.volume.factor, 0, 4, 1
    degrees = units.temperature
    offset = degrees.offset if name == "temperature" else 0
    return degrees.text, degrees.factor, offset, 1 if degrees.factor == 1 else 2, 1


def _ec_decimals(unit: Unit) -> int:
    """Return the decimals that tell apart two values of 1 µS/cm difference."""
    return 3 if unit.factor < 0.1 else 0 if unit.factor == 1 else 1


def _has(info: protocol.Info, part: str) -> bool:
    return part in info.channels or part in info.outputs or part in info.outputs.values()


def _date_text(day: int) -> str:
    from datetime import date, timedelta

    return (date(2000, 1, 1) + timedelta(day)).isoformat() if day else _("never")

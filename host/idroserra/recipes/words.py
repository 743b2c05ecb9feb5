"""Setpoints as people read them: one line for each thing a recipe has to do with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Values = Mapping[str, Any]


class Line(NamedTuple):
    """One thing and its setpoint in words, such as EC and "1.50 ± 0.10 mS/cm"."""

    name: str
    label: str
    text: str
    keys: tuple[str, ...]


def lines(values: Values) -> list[Line]:
    """Return the setpoints in `values`, the water first; what is not among them is left out."""
    found = []
    for name, label, keys, write in _LINES:
        said = tuple(key for key in keys if key in values)
        if said:
            found.append(Line(name, label, write(values), said))
    return found


def clock_text(minute: int) -> str:
    """Return a minute of the day as 06:00."""
    return f"{minute // 60 % 24:02}:{minute % 60:02}"


def _with(value: str, more: str, unit: str) -> str:
    return " ".join(part for part in (value, more, unit) if part)


def _ph(values: Values) -> str:
    deadband = values.get("ph.deadband")
    target = values.get("ph.target")
    return _with("as it is" if target is None else f"{target:.2f}",
                 "" if deadband is None else f"± {deadband:.2f}", "")


def _ec(values: Values) -> str:
    deadband = values.get("ec.deadband_us_cm")
    target = values.get("ec.target_us_cm")
    return _with("as it is" if target is None else f"{target / 1_000:.2f}",
                 "" if deadband is None else f"± {deadband / 1_000:.2f}", "mS/cm")


def _light(values: Values) -> str:
    minutes, duty_pct = values.get("light.on_minutes"), values.get("light.duty_pct")
    if minutes == 0 or duty_pct == 0:
        return "off"
    parts = [] if minutes is None else [f"{minutes / 60:g} h"]
    if "light.on_minute" in values:
        parts.append(f"from {clock_text(values['light.on_minute'])}")
    if duty_pct is not None:
        parts.append(f"at {duty_pct} %")
    if "light.ramp_minutes" in values:
        parts.append(f"with {values['light.ramp_minutes']} min of dawn")
    return " ".join(parts)


def _circulation(values: Values) -> str:
    if values.get("circulation.off_ms") == 0:
        return "all the time"
    parts = []
    if "circulation.on_ms" in values:
        parts.append(f"{values['circulation.on_ms'] / 60_000:g} min on")
    if "circulation.off_ms" in values:
        parts.append(f"{values['circulation.off_ms'] / 60_000:g} min off")
    return ", ".join(parts)


def _range(values: Values, low_key: str, high_key: str, factor: float, unit: str) -> str:
    low, high = (f"{values[key] * factor:g}" if key in values else ""
                 for key in (low_key, high_key))
    if low and high:
        return f"{low} to {high} {unit}"
    return f"at least {low} {unit}" if low else f"at most {high} {unit}" if high else ""


def _by_day_and_night(values: Values, low: str, high: str, factor: float, unit: str) -> str:
    parts = [
        f"{text} {when}" for when, part in (("by day", "day"), ("at night", "night"))
        if (text := _range(values, low.format(part), high.format(part), factor, unit))]
    return ", ".join(parts)


def _air(values: Values) -> str:
    return _by_day_and_night(values, "climate.heat_{}_c", "climate.cool_{}_c", 1, "°C")


def _vpd(values: Values) -> str:
    return _by_day_and_night(values, "climate.vpd_low_{}_pa", "climate.vpd_high_{}_pa", 0.001,
                             "kPa")


def _humidity(values: Values) -> str:
    return f"at most {values['climate.rh_max_pct']} %"


def _irrigation(values: Values) -> str:
    if values.get("irrigation.on_s") == 0:
        return "never"
    parts = [
        f"{values[key] / 60:g} min {name}" for key, name in (
            ("irrigation.on_s", "on"), ("irrigation.off_s", "off"),
            ("irrigation.night_off_s", "off at night")) if values.get(key)]
    return ", ".join(parts) or "all the time"


def _level(values: Values) -> str:
    return f"{values['level.target_mm']} mm"


_LINES: tuple[tuple[str, str, tuple[str, ...], Callable[[Values], str]], ...] = (
    ("ph", "pH", ("ph.target", "ph.deadband"), _ph),
    ("ec", "EC", ("ec.target_us_cm", "ec.deadband_us_cm"), _ec),
    ("light", "Light",
     ("light.on_minute", "light.on_minutes", "light.duty_pct", "light.ramp_minutes"), _light),
    ("circulation", "Circulation", ("circulation.on_ms", "circulation.off_ms"), _circulation),
    ("irrigation", "Irrigation",
     ("irrigation.on_s", "irrigation.off_s", "irrigation.night_off_s"), _irrigation),
    ("air", "Air",
     ("climate.heat_day_c", "climate.cool_day_c", "climate.heat_night_c", "climate.cool_night_c"),
     _air),
    ("humidity", "Humidity", ("climate.rh_max_pct",), _humidity),
    ("vpd", "VPD", ("climate.vpd_low_day_pa", "climate.vpd_high_day_pa",
                    "climate.vpd_low_night_pa", "climate.vpd_high_night_pa"), _vpd),
    ("level", "Water level", ("level.target_mm",), _level),
)

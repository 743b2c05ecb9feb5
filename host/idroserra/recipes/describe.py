"""Describes setpoints in words, one line for each quantity that a recipe sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from idroserra.i18n.marker import N_
from idroserra.i18n.translate import current_units, format_number, format_short
from idroserra.i18n.translate import gettext as _
from idroserra.i18n.units import Unit

Values = Mapping[str, Any]


class SetpointText(NamedTuple):
    """One quantity and its setpoint, such as EC and "1.50 ± 0.10 mS/cm"."""

    name: str
    label: str
    text: str
    keys: tuple[str, ...]


def lines(values: Values) -> list[SetpointText]:
    """Return the setpoints in `values`, water first; quantities without one are left out."""
    found = []
    for name, label, keys, write in _LINES:
        present = tuple(key for key in keys if key in values)
        if present:
            found.append(SetpointText(name, _(label), write(values), present))
    return found


def clock_text(minute: int) -> str:
    """Return a minute of the day as 06:00."""
    return f"{minute // 60 % 24:02}:{minute % 60:02}"


def _with(value: str, more: str, unit: str) -> str:
    return " ".join(part for part in (value, more, unit) if part)


def _ph(values: Values) -> str:
    deadband = values.get("ph.deadband")
    target = values.get("ph.target")
    return _with(_("unchanged") if target is None else format_number(target, 2),
                 "" if deadband is None else f"± {format_number(deadband, 2)}", "")


def _ec(values: Values) -> str:
    deadband = values.get("ec.deadband_us_cm")
    target = values.get("ec.target_us_cm")
    unit = current_units().ec
    value, more = ("" if one is None else format_number(one * unit.factor, unit.decimals)
                   for one in (target, deadband))
    return _with(value or _("unchanged"), f"± {more}" if more else "", unit.text)


def _light(values: Values) -> str:
    minutes, duty_pct = values.get("light.on_minutes"), values.get("light.duty_pct")
    if minutes == 0 or duty_pct == 0:
        return _("off")
    parts = [] if minutes is None else [_("{count} h").format(count=format_short(minutes / 60))]
    if "light.on_minute" in values:
        parts.append(_("from {time}").format(time=clock_text(values["light.on_minute"])))
    if duty_pct is not None:
        parts.append(_("at {percent} %").format(percent=duty_pct))
    if "light.ramp_minutes" in values:
        parts.append(_("with {count} min of dawn").format(count=values["light.ramp_minutes"]))
    return " ".join(parts)


def _circulation(values: Values) -> str:
    if values.get("circulation.off_ms") == 0:
        return _("all the time")
    parts = []
    if "circulation.on_ms" in values:
        parts.append(_("{count} min on").format(
            count=format_short(values["circulation.on_ms"] / 60_000)))
    if "circulation.off_ms" in values:
        parts.append(_("{count} min off").format(
            count=format_short(values["circulation.off_ms"] / 60_000)))
    return ", ".join(parts)


def _range(values: Values, low_key: str, high_key: str, unit: Unit) -> str:
    low, high = (
        format_short(round(values[key] * unit.factor + unit.offset, 3)) if key in values else ""
        for key in (low_key, high_key))
    if low and high:
        return _("{low} to {high} {unit}").format(low=low, high=high, unit=unit.text)
    if low:
        return _("at least {low} {unit}").format(low=low, unit=unit.text)
    return _("at most {high} {unit}").format(high=high, unit=unit.text) if high else ""


def _by_day_and_night(values: Values, low: str, high: str, unit: Unit) -> str:
    parts = [
        _(sentence).format(range=text)
        for sentence, part in ((N_("{range} by day"), "day"), (N_("{range} at night"), "night"))
        if (text := _range(values, low.format(part), high.format(part), unit))]
    return ", ".join(parts)


def _air(values: Values) -> str:
    return _by_day_and_night(values, "climate.heat_{}_c", "climate.cool_{}_c",
                             current_units().temperature)


def _vpd(values: Values) -> str:
    return _by_day_and_night(values, "climate.vpd_low_{}_pa", "climate.vpd_high_{}_pa",
                             Unit("kPa", 0.001, 0, 2))


def _humidity(values: Values) -> str:
    return _("at most {high} {unit}").format(high=values["climate.rh_max_pct"], unit="%")


def _irrigation(values: Values) -> str:
    if values.get("irrigation.on_s") == 0:
        return _("never")
    parts = [
        _(sentence).format(count=format_short(values[key] / 60)) for key, sentence in (
            ("irrigation.on_s", N_("{count} min on")),
            ("irrigation.off_s", N_("{count} min off")),
            ("irrigation.night_off_s", N_("{count} min off at night"))) if values.get(key)]
    return ", ".join(parts) or _("all the time")


def _level(values: Values) -> str:
    return f"{values['level.target_mm']} mm"


_LINES: tuple[tuple[str, str, tuple[str, ...], Callable[[Values], str]], ...] = (
    ("ph", "pH", ("ph.target", "ph.deadband"), _ph),
    ("ec", "EC", ("ec.target_us_cm", "ec.deadband_us_cm"), _ec),
    ("light", N_("Light"),
     ("light.on_minute", "light.on_minutes", "light.duty_pct", "light.ramp_minutes"), _light),
    ("circulation", N_("Circulation"), ("circulation.on_ms", "circulation.off_ms"), _circulation),
    ("irrigation", N_("Irrigation"),
     ("irrigation.on_s", "irrigation.off_s", "irrigation.night_off_s"), _irrigation),
    ("air", N_("Air"),
     ("climate.heat_day_c", "climate.cool_day_c", "climate.heat_night_c", "climate.cool_night_c"),
     _air),
    ("humidity", N_("Humidity"), ("climate.rh_max_pct",), _humidity),
    ("vpd", "VPD", ("climate.vpd_low_day_pa", "climate.vpd_high_day_pa",
                    "climate.vpd_low_night_pa", "climate.vpd_high_night_pa"), _vpd),
    ("level", N_("Water level"), ("level.target_mm",), _level),
)

"""The settings of a recipe as fields of a form: label, unit and bounds of the reader."""

from __future__ import annotations

import re
from typing import NamedTuple

from idroserra.core import protocol
from idroserra.core.errors import RecipeError
from idroserra.i18n.errors import error_text
from idroserra.i18n.marker import N_
from idroserra.i18n.translate import current_units, format_short, gettext, translate
from idroserra.i18n.units import Unit
from idroserra.recipes.describe import clock_text

_PLAIN = Unit("", 1, 0, 2)
_MINUTES, _HOURS = N_("min"), N_("hours")


class Field(NamedTuple):
    """One setting in a form: shown = stored * `factor` + `offset`. `low`, `high`: as shown.

    kind: int, float or time (a minute of the day). group: water, light or more."""

    key: str
    label: str
    unit: str
    factor: float
    offset: float
    decimals: int
    kind: str
    low: float
    high: float
    group: str

    @property
    def bounds(self) -> str:
        """The bounds in words, such as "0 to 5 mS/cm"."""
        low, high = ((clock_text(int(value)) if self.kind == "time" else format_short(value))
                     for value in (self.low, self.high))
        text = gettext("{low} to {high}").format(low=low, high=high)
        return f"{text} {self.unit}" if self.unit else text


# key: label, unit (None: the reader's), group
_ROWS: tuple[tuple[str, str, Unit | str, str], ...] = (
    ("ph.target", "pH", _PLAIN, "water"),
    ("ph.deadband", N_("pH deadband (±)"), _PLAIN, "water"),
    ("ec.target_us_cm", "EC", "ec", "water"),
    ("ec.deadband_us_cm", N_("EC deadband (±)"), "ec", "water"),
    ("light.on_minute", N_("Light on at"), "time", "light"),
    ("light.on_minutes", N_("Photoperiod"), Unit(_HOURS, 1 / 60, 0, 4), "light"),
    ("light.duty_pct", N_("Light level"), Unit("%", 1, 0, 0), "light"),
    ("light.ramp_minutes", N_("Dawn and dusk"), Unit(_MINUTES, 1, 0, 0), "light"),
    ("level.target_mm", N_("Water level"), Unit("mm", 1, 0, 0), "more"),
    ("circulation.on_ms", N_("Circulation on"), Unit(_MINUTES, 1 / 60_000, 0, 2), "more"),
    ("circulation.off_ms", N_("Circulation off"), Unit(_MINUTES, 1 / 60_000, 0, 2), "more"),
    ("irrigation.on_s", N_("Irrigation on"), Unit(_MINUTES, 1 / 60, 0, 2), "more"),
    ("irrigation.off_s", N_("Irrigation off"), Unit(_MINUTES, 1 / 60, 0, 2), "more"),
    ("irrigation.night_off_s", N_("Irrigation off at night"), Unit(_MINUTES, 1 / 60, 0, 2),
     "more"),
    ("climate.heat_day_c", N_("Heat below, by day"), "temperature", "more"),
    ("climate.cool_day_c", N_("Cool above, by day"), "temperature", "more"),
    ("climate.heat_night_c", N_("Heat below, at night"), "temperature", "more"),
    ("climate.cool_night_c", N_("Cool above, at night"), "temperature", "more"),
    ("climate.rh_max_pct", N_("Humidity, maximum"), Unit("%", 1, 0, 0), "more"),
    ("climate.vpd_low_day_pa", N_("VPD from, by day"), Unit("kPa", 0.001, 0, 3), "more"),
    ("climate.vpd_high_day_pa", N_("VPD to, by day"), Unit("kPa", 0.001, 0, 3), "more"),
    ("climate.vpd_low_night_pa", N_("VPD from, at night"), Unit("kPa", 0.001, 0, 3), "more"),
    ("climate.vpd_high_night_pa", N_("VPD to, at night"), Unit("kPa", 0.001, 0, 3), "more"),
)
_LABELS = {key: label for key, label, _unit, _group in _ROWS}
# Other fields of a recipe's file, by the last part of their key.
_OTHERS = {
    "name": N_("Name"), "text": N_("Description"), "crop": N_("Crop"), "source": N_("Source"),
    "ppfd_umol_m2_s": N_("Light of the lamps at full level, µmol/m²/s"), "days": N_("Days"),
    "ramp_days": N_("Ramp, days"), "settings": N_("Setpoints"),
}
_STAGE = re.compile(r"stage\[(\d+)\](?:\.settings)?(?:\.(.+))?")


def fields() -> list[Field]:
    """Return the fields of every setting that a recipe may set, in the order of the form."""
    return [_field(*row) for row in _ROWS]


def recipe_error_text(error: RecipeError) -> str:
    """Return an error of an own recipe in words: the stage, the field, and what is needed."""
    stage = _STAGE.fullmatch(error.key)
    key = error.key if stage is None else stage[2] or ""
    label = _LABELS.get(key) or _OTHERS.get(key.rpartition(".")[2], "")
    why = translate(error.why)
    if stage is not None and key in _LABELS:
        field = next(one for one in fields() if one.key == key)
        if error.is_setting:
            why = gettext("enter {bounds}").format(bounds=field.bounds)
    if stage is None:
        return f"{gettext(label)}: {why}" if label else error_text(error)
    number = int(stage[1]) + 1
    if not label:
        return gettext("Stage {number}: {why}").format(number=number, why=why)
    return gettext("Stage {number}, {field}: {why}").format(
        number=number, field=gettext(label), why=why)


def _field(key: str, label: str, unit: Unit | str, group: str) -> Field:
    row = protocol.SETTINGS[key]
    kind = "time" if unit == "time" else row.kind
    found = _unit(key, unit)
    low, high = (round(value * found.factor + found.offset, 6) for value in (row.low, row.high))
    return Field(key, gettext(label), gettext(found.text), found.factor, found.offset,
                 found.decimals, kind, low, high, group)


def _unit(key: str, unit: Unit | str) -> Unit:
    if isinstance(unit, Unit):
        return unit
    if unit == "time":
        return Unit("", 1, 0, 0)
    found: Unit = getattr(current_units(), unit)
    # Three decimals of mS/cm keep each stored µS/cm.
    return found._replace(decimals=3) if key.startswith("ec.") and found.decimals else found

"""The settings of a recipe as fields of a form, and errors of a recipe in the form's words."""

from __future__ import annotations

import re

from idroserra.core.errors import RecipeError
from idroserra.i18n.errors import error_text
from idroserra.i18n.marker import N_
from idroserra.i18n.translate import gettext, translate
from idroserra.recipes.model import KEYS
from idroserra.setpoints.setting_forms import SettingField, setting_fields, setting_label

# Parts of the form: the groups of settings in each; the last part has all others.
_PARTS = {"water": ("ph", "ec"), "light": ("light",)}
# Fields of a recipe's file that are no settings, by the last part of their key.
_OTHERS = {
    "name": N_("Name"), "text": N_("Description"), "crop": N_("Crop"), "source": N_("Source"),
    "ppfd_umol_m2_s": N_("Light of the lamps at full level, µmol/m²/s"), "days": N_("Days"),
    "ramp_days": N_("Ramp, days"), "settings": N_("Setpoints"),
}
_STAGE = re.compile(r"stage\[(\d+)\](?:\.settings)?(?:\.(.+))?")


def fields() -> dict[str, list[SettingField]]:
    """Return the fields of the settings that a recipe may set: water, light and more."""
    found: dict[str, list[SettingField]] = {"water": [], "light": [], "more": []}
    for field in setting_fields(None):
        if field.key in KEYS:
            part = next((name for name, groups in _PARTS.items() if field.group in groups), "more")
            found[part].append(field)
    return found


def bounds_text(field: SettingField) -> str:
    """Return the bounds of a field in words, such as "0 to 5 mS/cm"."""
    if field.widget == "time":
        return gettext("{low} to {high}").format(low="00:00", high="23:59")
    text = gettext("{low} to {high}").format(
        low=field.text(field.low), high=field.text(field.high))
    return f"{text} {field.unit}".rstrip()


def recipe_error_text(error: RecipeError) -> str:
    """Return an error of an own recipe in words: the stage, the field, and what is needed."""
    stage = _STAGE.fullmatch(error.key)
    key = error.key if stage is None else stage[2] or ""
    other = _OTHERS.get(key.rpartition(".")[2], "")
    label = setting_label(key) if key in KEYS else gettext(other)
    why = translate(error.why)
    if stage is None:
        return f"{label}: {why}" if label else error_text(error)
    if error.is_setting and key in KEYS:
        field = next(one for one in setting_fields(None) if one.key == key)
        why = gettext("enter {bounds}").format(bounds=bounds_text(field))
    number = int(stage[1]) + 1
    if not label:
        return gettext("Stage {number}: {why}").format(number=number, why=why)
    return gettext("Stage {number}, {field}: {why}").format(number=number, field=label, why=why)

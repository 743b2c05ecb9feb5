"""The timeline of a recipe: its stages over days, with pH, EC and light as bars."""

from __future__ import annotations

from typing import Any

from idroserra.core import protocol
from idroserra.i18n.translate import current_units, format_number
from idroserra.i18n.translate import gettext as _
from idroserra.recipes.model import Recipe

_PH, _EC, _LIGHT = "ph.target", "ec.target_us_cm", "light.on_minutes"


def timeline(recipe: Recipe) -> list[dict[str, Any]]:
    """Return the stages with their bars; `ratio` is the height of a bar from 0 to 1.

    pH is drawn on the range of its setting, EC and light from zero to the recipe's maximum. The
    light is the daily light integral at the end of the stage.
    """
    lights = [recipe.dli_mol_m2(index) for index in range(len(recipe.stages))]
    most_ec = max((stage.settings.get(_EC, 0) for stage in recipe.stages), default=0)
    most_light = max(lights, default=0)
    found = []
    for stage, light in zip(recipe.stages, lights, strict=True):
        bars = []
        if _PH in stage.settings:
            row, ph = protocol.SETTINGS[_PH], stage.settings[_PH]
            bars.append(_bar("ph", "pH", format_number(ph, 2), ph - row.low, row.high - row.low))
        if _EC in stage.settings:
            unit, ec = current_units().ec, stage.settings[_EC]
            text = f"{format_number(ec * unit.factor, unit.decimals)} {unit.text}"
            bars.append(_bar("ec", "EC", text, ec, most_ec))
        if _LIGHT in stage.settings:
            text = f"{format_number(light, 1)} mol/m²"
            bars.append(_bar("light", _("Light a day"), text, light, most_light))
        found.append({"name": _(stage.name), "text": _(stage.text),
                      "first_day": stage.first_day + 1, "days": stage.days, "bars": bars})
    return found


def _bar(name: str, label: str, text: str, value: float, most: float) -> dict[str, Any]:
    return {"name": name, "label": label, "text": text,
            "ratio": round(value / most, 3) if most else 0.0}

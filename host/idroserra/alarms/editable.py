"""The keys of an alarm rule that people change on the page, with their units and bounds."""

from __future__ import annotations

from typing import Any, NamedTuple

from idroserra.alarms.rules import CHANNEL, DOSER, NODE, PRIORITIES, Rule
from idroserra.core import protocol
from idroserra.i18n.channels import display_of
from idroserra.i18n.marker import N_
from idroserra.i18n.translate import format_short
from idroserra.i18n.translate import gettext as _

OF_NODES = (*NODE, *CHANNEL, *DOSER)  # watches whose rules may differ by node
DAY_S = 86_400
LARGEST_SHOWN = 1e300


class Field(NamedTuple):
    """One key: its label, bounds in the stored unit, and how it is shown: value * factor + offset.
    Without bounds it is a choice."""

    key: str
    label: str
    low: float = 0
    high: float = 0
    unit: str = ""
    factor: float = 1.0
    offset: float = 0.0
    decimals: int = 0
    step: float = 0  # whole numbers only, if 1


_BANDS = {"above_band": N_("Above the band by"), "below_band": N_("Below the band by"),
          "above": N_("Above"), "below": N_("Below")}
# Limits of other watches: label, low, high, unit, factor, decimals.
_LIMITS = {
    "disk_low": (N_("Free space below"), 50, 1_000_000, "MB", 1.0, 0),
    "rejected": (N_("Rejected messages"), 1, 1_000, "", 1.0, 0),
    "site_silent": (N_("Silent nodes of the site"), 1, 100, "%", 1.0, 0),
    "silent": (N_("No message for"), 30, DAY_S, "min", 1 / 60, 1),
    "reset_loop": (N_("Starts of the board"), 2, 100, "", 1.0, 0),
    "clock_off": (N_("Clock wrong by"), 10, DAY_S, "min", 1 / 60, 1),
    "bottle": (N_("Left in the bottle"), 0, 100, "%", 1.0, 0),
    "calibration": (N_("Age of the calibration"), 1, 365, N_("days"), 1.0, 0),
}


def fields_of(rule: Rule) -> list[Field]:
    """Return the fields of a rule, in the reader's units and language."""
    found = [Field("enabled", _("In use")), Field("priority", _("Priority"))]
    limit = _limit(rule)
    if limit is not None:
        found.append(limit)
        if rule.deadband and rule.watch in (*_BANDS, "disk_low", "clock_off"):
            found.append(limit._replace(
                key="deadband", label=_("Ends after coming back by"), low=0, offset=0.0,
                high=(limit.high - limit.low) / 4))
    return [*found, _minutes("on_delay_s", _("Raised after")),
            _minutes("off_delay_s", _("Ends after")),
            Field("respond_min", _("Remind after"), 1, 10_080, "min", step=1)]


def _minutes(key: str, label: str) -> Field:
    return Field(key, label, 0, DAY_S, "min", 1 / 60, decimals=1, step=1)


def _limit(rule: Rule) -> Field | None:
    if rule.watch in _LIMITS:
        label, low, high, unit, factor, decimals = _LIMITS[rule.watch]
        return Field("limit", _(label), low, high, _(unit) if unit else "", factor, 0.0, decimals)
    if rule.watch not in _BANDS or "float_up" in rule.quantities:
        return None
    quantity = protocol.QUANTITIES[rule.quantities[0]]
    display = display_of(f"reservoir.{quantity.key}")
    is_band = rule.watch.endswith("_band")
    lowest, highest = (0.0, (quantity.high - quantity.low) / 4) if is_band else (
        quantity.low, quantity.high)
    return Field("limit", _(_BANDS[rule.watch]), lowest, highest, display.unit or quantity.unit,
                 display.factor, 0.0 if is_band else display.offset, display.decimals)


def problem_of(field: Field, value: Any) -> str:
    """Return why a value is refused, "" if it is taken."""
    if field.key == "priority":
        return "" if value in PRIORITIES else _("must be one of {choices}").format(
            choices=", ".join(PRIORITIES))
    if field.key == "enabled":
        return "" if isinstance(value, bool) else _("must be on or off")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _("must be a number")
    margin = 1e-9 * (field.high - field.low)
    if not field.low - margin <= value <= field.high + margin:
        bounded = max(-LARGEST_SHOWN, min(value, LARGEST_SHOWN))  # an int may exceed every float
        return _("{value} is outside {low} to {high}").format(
            value=shown(field, bounded), low=shown(field, field.low),
            high=shown(field, field.high))
    return ""


def stored(field: Field, value: Any) -> Any:
    """Return a value as a rule stores it."""
    return round(value) if field.step and isinstance(value, float) else value


def shown(field: Field, value: Any) -> str:
    """Return a value in words, with its unit."""
    if field.key == "enabled":
        return _("on") if value else _("off")
    if field.key == "priority":
        return _(str(value))
    number = format_short(round(value * field.factor + field.offset, field.decimals))
    return f"{number} {field.unit}".strip()

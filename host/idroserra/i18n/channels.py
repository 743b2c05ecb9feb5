"""Display of channels: name, unit, scale, decimals and place on the page.

Stored EC is integer uS/cm and volume is ml; page and terminal show mS/cm and litres, or the units
the user chose. No other module converts units for display.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from idroserra.core import computed, protocol
from idroserra.i18n.marker import N_
from idroserra.i18n.translate import Locale, current_locale, current_units, format_number
from idroserra.i18n.translate import gettext as _
from idroserra.i18n.units import Unit

# Display order: solution, air, light.
_ORDER = (
    "ph", "ec_us_cm", "temp_c", "do_mg_l", "moisture_pct", "level_mm", "volume_ml", "float_up",
    "flow_ml_per_min", "rh_pct", "vpd_pa", "co2_ppm", "illuminance_lx", "ppfd_umol_m2_s",
    "duty_pct", "dli_mol_per_m2", "on_pct", "supply_mv", "current_ma", "outbox_count", "rssi_dbm",
    "heap_free_b", "power_w", "leak",
)
# quantity: (name, unit, factor, decimals, place, notable)
_QUANTITIES = {
    "ph": ("pH", "", 1.0, 2, "tile", 0.04),
    "ec_us_cm": ("EC", "mS/cm", 0.001, 2, "tile", 15),
    "temp_c": (N_("temperature"), "°C", 1.0, 1, "tile", 0.3),
    "rh_pct": (N_("humidity"), "%", 1.0, 0, "tile", 2),
    "vpd_pa": ("VPD", "kPa", 0.001, 2, "tile", 100),
    "co2_ppm": ("CO₂", "ppm", 1.0, 0, "tile", 60),
    "illuminance_lx": (N_("brightness"), "klx", 0.001, 1, "tile", 0),
    "ppfd_umol_m2_s": ("PPFD", "µmol/m²/s", 1.0, 0, "tile", 0),
    "do_mg_l": (N_("dissolved oxygen"), "mg/L", 1.0, 1, "tile", 0.3),
    "moisture_pct": (N_("moisture"), "%", 1.0, 0, "tile", 2),
    "level_mm": (N_("level"), "mm", 1.0, 0, "tile", 2),
    "volume_ml": (N_("volume"), "L", 0.001, 1, "small", 400),
    "float_up": (N_("float up"), "", 1.0, 0, "small", 0),
    "flow_ml_per_min": (N_("flow"), "L/min", 0.001, 2, "small", 0),
    "supply_mv": (N_("supply"), "V", 0.001, 1, "small", 0),
    "current_ma": (N_("current"), "A", 0.001, 2, "small", 0),
    "duty_pct": ("", "%", 1.0, 0, "tile", 0),
    "on_pct": ("", "%", 1.0, 0, "small", 0),
    "heap_free_b": (N_("memory"), "kB", 0.001, 0, "small", 0),
    "outbox_count": (N_("waiting records"), "", 1.0, 0, "small", 0),
    "rssi_dbm": (N_("Wi-Fi signal"), "dBm", 1.0, 0, "small", 0),
    # Of foreign readings only.
    "power_w": (N_("power"), "W", 1.0, 0, "small", 0),
    "leak": (N_("leak"), "", 1.0, 0, "small", 0),
}
_SOURCES = {"reservoir": N_("water"), "node": "", "foreign": ""}
# Results of plain_name() for actuators, sources and loops; the page's JavaScript uses them too.
NAMES = (
    N_("pH down"), N_("pH up"), N_("nutrient A"), N_("nutrient B"),
    N_("nutrient C"), N_("nutrient D"), N_("circulation"), N_("irrigation"),
    N_("top off"), N_("light"), N_("fan"), N_("heater"), N_("humidifier"),
    N_("climate"), N_("air"), N_("outside"), N_("roof"), N_("room"),
    N_("leak"), N_("pumps"), N_("reservoir"), N_("acid"), N_("base"),
    N_("topoff"), N_("an output"),
)
# Tasks and parts of a node's program, in its events.
PROGRAM_NAMES = (
    N_("control"), N_("dosing"), N_("correction"), N_("update"), N_("wifi"), N_("link"),
    N_("events"), N_("records"), N_("line"), N_("outbox"), N_("ledger"), N_("settings"),
    N_("space"), N_("files"),
)
# Priorities of alarms; only the page's JavaScript uses them.
PRIORITY_NAMES = (N_("low"), N_("medium"), N_("high"), N_("urgent"))
# Labels that differ from the rule in _label().
_LABELS = {
    "reservoir.ph": "pH",
    "reservoir.ec_us_cm": "EC",
    "reservoir.temp_c": N_("Water temperature"),
    "air.temp_c": N_("Air temperature"),
    "reservoir.level_mm": N_("Water level"),
    "reservoir.volume_ml": N_("Water volume"),
    "air.rh_pct": N_("Air humidity"),
    "irrigation.flow_ml_per_min": N_("Root flow"),
    "leak.float_up": N_("Floor wet"),
}


_DLI = (N_("Light of 24 hours (DLI)"), "mol/m²", 1.0, 1, "tile", 0.0)


class Display(NamedTuple):
    """Display of a channel: shown value = stored value * `factor` + `offset`, with `decimals`.

    place: "tile" or "small".
    notable: the change within 15 minutes, in the stored unit, that shows an arrow; 0: no arrow.
    """

    label: str
    unit: str
    factor: float
    decimals: int
    place: str
    notable: float
    offset: float = 0


def display_of(channel: str) -> Display:
    """Return the display of `channel`. Raises ProtocolError for an invalid channel."""
    return _display(channel, current_locale())


@lru_cache(maxsize=16_384)
def _display(channel: str, _locale: Locale) -> Display:
    if channel == computed.DLI:
        return Display(_(_DLI[0]), *_DLI[1:])
    source, quantity = protocol.split_channel(channel)
    name, unit, factor, decimals, place, notable = _QUANTITIES[quantity.key]
    display = Display(_label(channel, source, name), unit, factor, decimals, place, notable)
    chosen = _chosen(quantity.key)
    if chosen is None:
        return display
    return display._replace(unit=chosen.text, factor=chosen.factor, offset=chosen.offset,
                            decimals=chosen.decimals)


def _chosen(quantity: str) -> Unit | None:
    """Return the user's unit for a quantity, or None if its unit is fixed."""
    units = current_units()
    if quantity == "flow_ml_per_min":
        return units.volume._replace(text=f"{units.volume.text}/min", decimals=2)
    return {"ec_us_cm": units.ec, "temp_c": units.temperature,
            "volume_ml": units.volume}.get(quantity)


def _label(channel: str, source: str, name: str) -> str:
    if channel in _LABELS:
        return _(_LABELS[channel])
    where = _SOURCES.get(source, plain_name(source))
    if not name or not where:
        words = where or _(name)
    else:  # i18n: a place and a quantity, such as "Canopy temperature"
        words = _("{place} {quantity}").format(place=_(where), quantity=_(name))
    return words[:1].upper() + words[1:]


def format_value(channel: str, value: float) -> str:
    """Return a stored value with its display unit: "1.83 mS/cm"."""
    display = display_of(channel)
    number = format_number(value * display.factor + display.offset, display.decimals)
    return f"{number} {display.unit}".rstrip()


def screen_order(channel: str) -> tuple[int, str]:
    """Return the sort key of a channel for display."""
    if channel == computed.DLI:
        return _ORDER.index("dli_mol_per_m2"), ""
    source, quantity = protocol.split_channel(channel)
    return _ORDER.index(quantity.key), "" if source == "reservoir" else source


def unit_of(channel: str) -> tuple[str, int]:
    """Return the stored unit of a channel and its decimals. Raises ProtocolError."""
    if channel == computed.DLI:
        return "mol/m2", 1
    quantity = protocol.split_channel(channel)[1]
    return str(quantity.unit), int(quantity.decimals)


def plain_name(key: str) -> str:
    """Return the name of an actuator, source or loop in words: "pH down", "nutrient A", "EC"."""
    spelled = {"ph": "pH", "ec": "EC"}
    words = [spelled.get(word, word) for word in key.split("_")]
    name = " ".join(word.upper() if len(word) == 1 else word for word in words)
    return _(name)


def duration_text(duration_ms: int) -> str:
    """Return a duration in one or two units: "850 ms", "12 s", "2 h 10 min", "2 d 3 h"."""
    if duration_ms < 1_000:
        return f"{duration_ms} ms"
    seconds = round(duration_ms / 1_000)
    if seconds < 120:
        return _("{count} s").format(count=seconds)
    minutes = round(seconds / 60)
    if minutes < 60:
        return _("{count} min").format(count=minutes)
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return _two(_("{count} h").format(count=hours), _("{count} min"), rest)
    days, rest = divmod(round(minutes / 60), 24)
    return _two(_("{count} d").format(count=days), _("{count} h"), rest)


def _two(most: str, more: str, rest: int) -> str:
    return f"{most} {more.format(count=rest)}" if rest else most


def volume_text(volume_ul: int) -> str:
    """Return a dosed volume in ml: "2.00 ml"."""
    return f"{format_number(volume_ul / 1000, 2 if volume_ul < 10_000 else 1)} ml"


def quantity_name(key: str) -> str:
    """Return the name of a quantity: "EC", "Temperature"; its key if it has none."""
    name = _(_QUANTITIES[key][0] or key) if key in _QUANTITIES else key
    return name if name[1:2].isupper() else name[:1].upper() + name[1:]

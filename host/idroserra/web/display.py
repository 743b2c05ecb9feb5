"""How a channel looks to people: its name, unit, scale, decimals and place on the page.

Inside, EC is integer uS/cm and volume millilitres; on every screen, page and terminal alike,
they are mS/cm and litres. This is the one place that says so.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from idroserra import contract

# Order on screens: the solution first, then the air, then the light.
_ORDER = (
    "ph", "ec_us_cm", "temp_c", "level_mm", "volume_ml", "float_up", "flow_ml_per_min", "rh_pct",
    "vpd_pa", "co2_ppm", "illuminance_lx", "duty_pct", "on_pct", "supply_mv", "current_ma",
    "outbox_count", "rssi_dbm", "heap_free_b",
)
# quantity: (name, unit, factor, decimals, place, notable)
_QUANTITIES = {
    "ph": ("pH", "", 1.0, 2, "tile", 0.04),
    "ec_us_cm": ("EC", "mS/cm", 0.001, 2, "tile", 15),
    "temp_c": ("temperature", "°C", 1.0, 1, "tile", 0.3),
    "rh_pct": ("humidity", "%", 1.0, 0, "tile", 2),
    "vpd_pa": ("VPD", "kPa", 0.001, 2, "tile", 100),
    "co2_ppm": ("CO₂", "ppm", 1.0, 0, "tile", 60),
    "illuminance_lx": ("brightness", "klx", 0.001, 1, "tile", 0),
    "level_mm": ("level", "mm", 1.0, 0, "tile", 2),
    "volume_ml": ("volume", "L", 0.001, 1, "small", 400),
    "float_up": ("float up", "", 1.0, 0, "small", 0),
    "flow_ml_per_min": ("flow", "L/min", 0.001, 2, "small", 0),
    "supply_mv": ("supply", "V", 0.001, 1, "small", 0),
    "current_ma": ("current", "A", 0.001, 2, "small", 0),
    "duty_pct": ("", "%", 1.0, 0, "tile", 0),
    "on_pct": ("", "%", 1.0, 0, "small", 0),
    "heap_free_b": ("memory", "kB", 0.001, 0, "small", 0),
    "outbox_count": ("waiting records", "", 1.0, 0, "small", 0),
    "rssi_dbm": ("radio", "dBm", 1.0, 0, "small", 0),
}
_SOURCES = {"reservoir": "Water", "node": ""}
# Where the plain rule reads badly.
_LABELS = {
    "reservoir.ph": "pH",
    "reservoir.ec_us_cm": "EC",
    "reservoir.level_mm": "Water level",
    "reservoir.volume_ml": "Water volume",
    "air.rh_pct": "Air humidity",
    "irrigation.flow_ml_per_min": "Root flow",
    "leak.float_up": "Floor wet",
}


class Display(NamedTuple):
    """Multiply a stored value by `factor` and print `decimals`. place: "tile" or "small".

    notable: the change within 15 minutes that is worth an arrow, as stored; 0 for no arrow ever.
    """

    label: str
    unit: str
    factor: float
    decimals: int
    place: str
    notable: float


@lru_cache(maxsize=4_096)
def display_of(channel: str) -> Display:
    """Return how `channel` looks. Raises ProtocolError for a channel that is none."""
    source, quantity = contract.split_channel(channel)
    name, unit, factor, decimals, place, notable = _QUANTITIES[quantity.key]
    words = f"{_SOURCES.get(source, plain_name(source))} {name}".strip()
    label = _LABELS.get(channel, words[:1].upper() + words[1:])
    return Display(label, unit, factor, decimals, place, notable)


def shown(channel: str, value: float) -> str:
    """Return a stored value as people read it, with its unit: "1.83 mS/cm"."""
    look = display_of(channel)
    return f"{value * look.factor:.{look.decimals}f} {look.unit}".rstrip()


def screen_order(channel: str) -> tuple[int, str]:
    """Sort key: the order in which channels appear on screens."""
    source, quantity = contract.split_channel(channel)
    return _ORDER.index(quantity.key), "" if source == "reservoir" else source


def plain_name(name: str) -> str:
    """Return an actuator's, source's or loop's name as words: "pH down", "nutrient A", "EC"."""
    spelled = {"ph": "pH", "ec": "EC"}
    words = [spelled.get(word, word) for word in name.split("_")]
    return " ".join(word.upper() if len(word) == 1 else word for word in words)


def duration_text(duration_ms: int) -> str:
    """Return a duration in one or two units: "850 ms", "12 s", "2 h 10 min", "2 d 3 h"."""
    if duration_ms < 1_000:
        return f"{duration_ms} ms"
    seconds = round(duration_ms / 1_000)
    if seconds < 120:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days, rest = divmod(round(minutes / 60), 24)
    return f"{days} d {rest} h" if rest else f"{days} d"


def volume_text(volume_ul: int) -> str:
    """Return a volume of stock: "2.00 ml"."""
    return f"{volume_ul / 1000:.2f} ml" if volume_ul < 10_000 else f"{volume_ul / 1000:.1f} ml"

"""What each quantity is to Home Assistant: its device class, and the unit that class allows.

The classes are those of homeassistant.components.sensor.const; its table of classes and units is
strict, and a device with one wrong pair is refused whole.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from idroserra.core import protocol
from idroserra.i18n.channels import display_of


class Reading(NamedTuple):
    """device_class "" for none. is_diagnostic: about the node, not the crop. is_hidden: off at
    first, because few want it."""

    device_class: str
    is_diagnostic: bool = False
    is_hidden: bool = False


READINGS = {
    "ph": Reading("ph"),
    "ec_us_cm": Reading("conductivity"),
    "temp_c": Reading("temperature"),
    "rh_pct": Reading("humidity"),
    "vpd_pa": Reading("pressure"),
    "co2_ppm": Reading("carbon_dioxide"),
    "illuminance_lx": Reading("illuminance"),
    "level_mm": Reading("distance"),
    "volume_ml": Reading("volume_storage"),
    "flow_ml_per_min": Reading("volume_flow_rate"),
    "supply_mv": Reading("voltage", is_diagnostic=True),
    "current_ma": Reading("current", is_diagnostic=True),
    "duty_pct": Reading(""),
    "on_pct": Reading(""),
    "heap_free_b": Reading("data_size", is_diagnostic=True, is_hidden=True),
    "outbox_count": Reading("", is_diagnostic=True),
    "rssi_dbm": Reading("signal_strength", is_diagnostic=True, is_hidden=True),
}
# On other scales than on our screens, because the class has no such unit.
_SCALES = {"illuminance_lx": ("lx", 1.0, 0)}


def reading_entity(channel: str, expire_after_s: int) -> dict[str, Any]:
    """Return the entity of a channel, without its names. Raises ProtocolError for no channel.

    A channel with a fault is null in the telemetry, which Home Assistant shows as unknown; one
    that is no longer told at all becomes unavailable after `expire_after_s`.
    """
    source, quantity = protocol.split_channel(channel)
    if quantity.key == "float_up":
        return _float_switch(channel, source, expire_after_s)
    reading, look = READINGS[quantity.key], display_of(channel)
    unit, factor, decimals = _SCALES.get(quantity.key, (look.unit, look.factor, look.decimals))
    entity: dict[str, Any] = {
        "p": "sensor", "name": look.label, "val_tpl": _number(channel, factor, decimals),
        "stat_cla": "measurement", "sug_dsp_prc": decimals, "exp_aft": expire_after_s,
    }
    if unit:
        entity["unit_of_meas"] = unit
    if reading.device_class:
        entity["dev_cla"] = reading.device_class
    if reading.is_diagnostic:
        entity["ent_cat"] = "diagnostic"
    if reading.is_hidden:
        entity["en"] = False
    return entity


def _float_switch(channel: str, source: str, expire_after_s: int) -> dict[str, Any]:
    entity = {
        "p": "binary_sensor", "name": display_of(channel).label, "exp_aft": expire_after_s,
        "val_tpl": f"{{% set v = value_json['{channel}'] %}}"
                   "{{ none if v is not number else 'ON' if v else 'OFF' }}",
    }
    return entity | ({"dev_cla": "moisture"} if source == "leak" else {})


def _number(channel: str, factor: float, decimals: int) -> str:
    """Return the template that shows a channel: none where it is null."""
    value = "v" if factor == 1 else f"(v * {factor}) | round({decimals + 1})"
    return (f"{{% set v = value_json['{channel}'] %}}"
            f"{{{{ {value} if v is number else none }}}}")

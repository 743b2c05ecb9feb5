"""Home Assistant device classes and units of the quantities.

The classes are those of homeassistant.components.sensor.const, whose table of classes and units is
strict: a device with one wrong pair is rejected as a whole.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from idroserra.core import protocol
from idroserra.i18n.channels import display_of


class DeviceClass(NamedTuple):
    """device_class: "" for none. is_diagnostic: about the node, not the crop. is_hidden: disabled
    by default."""

    device_class: str
    is_diagnostic: bool = False
    is_hidden: bool = False


READINGS = {
    "ph": DeviceClass("ph"),
    "ec_us_cm": DeviceClass("conductivity"),
    "temp_c": DeviceClass("temperature"),
    "rh_pct": DeviceClass("humidity"),
    "vpd_pa": DeviceClass("pressure"),
    "co2_ppm": DeviceClass("carbon_dioxide"),
    "illuminance_lx": DeviceClass("illuminance"),
    "ppfd_umol_m2_s": DeviceClass(""),
    "do_mg_l": DeviceClass(""),
    "moisture_pct": DeviceClass("moisture"),
    "level_mm": DeviceClass("distance"),
    "volume_ml": DeviceClass("volume_storage"),
    "flow_ml_per_min": DeviceClass("volume_flow_rate"),
    "supply_mv": DeviceClass("voltage", is_diagnostic=True),
    "current_ma": DeviceClass("current", is_diagnostic=True),
    "duty_pct": DeviceClass(""),
    "on_pct": DeviceClass(""),
    "heap_free_b": DeviceClass("data_size", is_diagnostic=True, is_hidden=True),
    "outbox_count": DeviceClass("", is_diagnostic=True),
    "rssi_dbm": DeviceClass("signal_strength", is_diagnostic=True, is_hidden=True),
}
# Units that differ from our screens, because the class does not allow those.
_SCALES = {"illuminance_lx": ("lx", 1.0, 0)}


def reading_entity(channel: str, expire_after_s: int) -> dict[str, Any]:
    """Return the entity of a channel, without its names. Raises ProtocolError.

    A channel with a fault is null in the telemetry, which Home Assistant shows as unknown; one
    without updates becomes unavailable after `expire_after_s`.
    """
    source, quantity = protocol.split_channel(channel)
    if quantity.key == "float_up":
        return _float_switch(channel, source, expire_after_s)
    reading, display = READINGS[quantity.key], display_of(channel)
    unit, factor, decimals = _SCALES.get(
        quantity.key, (display.unit, display.factor, display.decimals))
    entity: dict[str, Any] = {
        "p": "sensor", "name": display.label, "val_tpl": _number(channel, factor, decimals),
        "stat_cla": "measurement", "sug_dsp_prc": decimals, "exp_aft": expire_after_s}
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
    """Return the template of a channel's value: none if it is null."""
    value = "v" if factor == 1 else f"(v * {factor}) | round({decimals + 1})"
    return (f"{{% set v = value_json['{channel}'] %}}"
            f"{{{{ {value} if v is number else none }}}}")

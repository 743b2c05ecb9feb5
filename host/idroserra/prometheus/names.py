"""The Prometheus name of every quantity, and how its number becomes the base unit of the name.

Prometheus wants base units and the unit at the end of the name, so EC is in siemens per metre and
a level in metres: https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from typing import NamedTuple

PREFIX = "idroserra"


class Series(NamedTuple):
    """The series of a quantity; its value is the quantity's number divided by `divisor`."""

    name: str
    divisor: int
    text: str


SERIES = {
    "ph": Series("ph", 1, "pH."),
    "ec_us_cm": Series(
        "conductivity_siemens_per_meter", 10_000, "EC at 25 C; 0.1 is 1 mS/cm."),
    "temp_c": Series("temperature_celsius", 1, "Temperature of water or air."),
    "rh_pct": Series("relative_humidity_ratio", 100, "Relative humidity, 0 to 1."),
    "vpd_pa": Series("vapour_pressure_deficit_pascals", 1, "Vapour pressure deficit of the air."),
    "co2_ppm": Series("co2_ratio", 1_000_000, "CO2 in air, parts of one; 0.0004 is 400 ppm."),
    "illuminance_lx": Series("illuminance_lux", 1, "Illuminance."),
    "level_mm": Series("level_meters", 1_000, "Height of the water."),
    "volume_ml": Series("volume_liters", 1_000, "Volume of water."),
    "float_up": Series("float_up", 1, "1 while the float switch floats."),
    "flow_ml_per_min": Series("flow_liters_per_second", 60_000, "Flow of water."),
    "supply_mv": Series("supply_volts", 1_000, "Supply voltage."),
    "current_ma": Series("current_amperes", 1_000, "Current."),
    "duty_pct": Series("duty_ratio", 100, "Level of a dimmer, 0 to 1."),
    "on_pct": Series("on_ratio", 100, "Share of the last interval an output was on, 0 to 1."),
    "heap_free_b": Series("heap_free_bytes", 1, "Free heap of the node."),
    "outbox_count": Series("outbox_records", 1, "Records the node keeps until the host has them."),
    "rssi_dbm": Series("rssi_dbm", 1, "Strength of the Wi-Fi signal at the node."),
}

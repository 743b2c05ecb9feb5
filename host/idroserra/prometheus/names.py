"""Maps each quantity to its Prometheus metric name and base unit.

Prometheus names end in the base unit, so EC is in siemens per metre and a level in metres:
https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from typing import NamedTuple

PREFIX = "idroserra"


class Series(NamedTuple):
    """The metric of a quantity; its value is the quantity divided by `divisor`."""

    name: str
    divisor: int
    text: str


SERIES = {
    "ph": Series("ph", 1, "pH."),
    "ec_us_cm": Series("conductivity_siemens_per_meter", 10_000, "EC at 25 C; 0.1 is 1 mS/cm."),
    "temp_c": Series("temperature_celsius", 1, "Temperature of water or air."),
    "rh_pct": Series("relative_humidity_ratio", 100, "Relative humidity, 0 to 1."),
    "vpd_pa": Series("vapour_pressure_deficit_pascals", 1, "Vapour pressure deficit of the air."),
    "co2_ppm": Series("co2_ratio", 1_000_000, "CO2 fraction in air; 0.0004 is 400 ppm."),
    "illuminance_lx": Series("illuminance_lux", 1, "Illuminance."),
    "ppfd_umol_m2_s": Series(
        "photon_flux_density_umol_per_m2_per_second", 1, "Photosynthetic photon flux density."),
    "do_mg_l": Series("dissolved_oxygen_milligrams_per_liter", 1, "Dissolved oxygen."),
    "moisture_pct": Series("moisture_ratio", 100, "Water content of the substrate, 0 to 1."),
    "level_mm": Series("level_meters", 1_000, "Water level."),
    "volume_ml": Series("volume_liters", 1_000, "Water volume."),
    "float_up": Series("float_up", 1, "1 while the float switch is up."),
    "flow_ml_per_min": Series("flow_liters_per_second", 60_000, "Water flow."),
    "supply_mv": Series("supply_volts", 1_000, "Supply voltage."),
    "current_ma": Series("current_amperes", 1_000, "Current."),
    "duty_pct": Series("duty_ratio", 100, "Duty cycle of a dimmer, 0 to 1."),
    "on_pct": Series("on_ratio", 100, "Fraction of the last interval that an output was on."),
    "heap_free_b": Series("heap_free_bytes", 1, "Free heap of the node."),
    "outbox_count": Series("outbox_records", 1, "Records in the outbox of the node."),
    "rssi_dbm": Series("rssi_dbm", 1, "Wi-Fi signal strength at the node."),
}

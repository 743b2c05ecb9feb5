"""The probe behind each quantity, for parts that measure any of them."""

from idrosim.probes import field_probes, water_probes


def signal_of(key, source):
    """Return (kind of the probe, its class, the property it reads) of a quantity."""
    if key == "temp_c" and source == "air":
        return "air", water_probes.AirProbe, "temp_c"
    return _SIGNALS[key]


_SIGNALS = {
    "ph": ("ph", water_probes.PhProbe, "electrode_mv"),
    "ec_us_cm": ("ec", water_probes.EcProbe, "kappa_us_cm"),
    "temp_c": ("temp", water_probes.TempProbe, "temp_c"),
    "level_mm": ("level", water_probes.LevelProbe, "level_mm"),
    "rh_pct": ("air", water_probes.AirProbe, "rh_pct"),
    "co2_ppm": ("co2", field_probes.GasProbe, "co2_ppm"),
    "illuminance_lx": ("light", field_probes.LightProbe, "illuminance_lx"),
    "ppfd_umol_m2_s": ("par", field_probes.QuantumProbe, "ppfd_umol_m2_s"),
    "do_mg_l": ("do", field_probes.OxygenProbe, "do_mg_l"),
    "moisture_pct": ("moisture", field_probes.MoistureProbe, "moisture_pct"),
}

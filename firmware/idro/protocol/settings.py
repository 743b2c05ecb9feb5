"""Settings of a node: unit, default and range. Node and host read this table.

A setting can tighten the limits of the safety gate, never loosen them: the frozen ceilings are
code in idro.safety.limits.
"""

from idro.errors import SettingsError
from idro.protocol.reason import Reason
from idro.protocol.validation import is_integer, is_number

# (key, kind, unit, default, low, high). Plain tuples need less heap; `settings_table` has names.
ROWS = (
    ("dosing.enabled", "bool", "", False, None, None),
    ("dosing.authority_pct", "int", "%", 100, 0, 100),
    ("ph.target", "float", "pH", 5.8, 4.5, 7.5),
    ("ph.deadband", "float", "pH", 0.2, 0.05, 1.0),
    ("ph.down_ul_per_ph", "int", "ul/pH", 40_000, 500, 2_000_000),
    ("ph.up_ul_per_ph", "int", "ul/pH", 40_000, 500, 2_000_000),
    ("ec.target_us_cm", "int", "uS/cm", 1_600, 0, 5_000),
    ("ec.deadband_us_cm", "int", "uS/cm", 80, 20, 1_000),
    ("ec.ul_per_100_us_cm", "int", "ul/100uS/cm", 20_000, 500, 2_000_000),
    ("reservoir.area_cm2", "int", "cm2", 2_000, 100, 100_000),
    ("level.low_mm", "int", "mm", 120, 20, 5_000),
    ("level.target_mm", "int", "mm", 200, 20, 5_000),
    ("level.full_mm", "int", "mm", 240, 20, 5_000),
    ("topoff.max_ms_day", "int", "ms", 1_800_000, 0, 1_800_000),
    ("mixing.wait_ms", "int", "ms", 900_000, 120_000, 14_400_000),
    ("circulation.on_ms", "int", "ms", 900_000, 10_000, 86_400_000),
    ("circulation.off_ms", "int", "ms", 0, 0, 3_600_000),
    ("irrigation.on_s", "int", "s", 900, 0, 43_200),
    ("irrigation.off_s", "int", "s", 900, 0, 86_400),
    ("irrigation.night_off_s", "int", "s", 0, 0, 86_400),
    ("irrigation.drain_s", "int", "s", 300, 0, 7_200),
    ("irrigation.low_ml_per_min", "int", "ml/min", 100, 0, 60_000),
    ("light.on_minute", "int", "min", 360, 0, 1_439),
    ("light.on_minutes", "int", "min", 960, 0, 1_440),
    ("light.ramp_minutes", "int", "min", 15, 0, 120),
    ("light.duty_pct", "int", "%", 80, 0, 100),
    ("climate.heat_day_c", "float", "C", 18.0, 0, 30),
    ("climate.heat_night_c", "float", "C", 16.0, 0, 30),
    ("climate.cool_day_c", "float", "C", 24.0, 5, 40),
    ("climate.cool_night_c", "float", "C", 22.0, 5, 40),
    ("climate.deadband_c", "float", "C", 1.0, 0.3, 5),
    ("climate.max_c", "float", "C", 35.0, 20, 40),
    ("climate.rh_max_pct", "int", "%", 85, 40, 95),
    ("climate.vpd_low_day_pa", "int", "Pa", 400, 0, 3_000),
    ("climate.vpd_high_day_pa", "int", "Pa", 1_200, 100, 5_000),
    ("climate.vpd_low_night_pa", "int", "Pa", 200, 0, 3_000),
    ("climate.vpd_high_night_pa", "int", "Pa", 1_000, 100, 5_000),
    ("climate.vpd_deadband_pa", "int", "Pa", 100, 20, 500),
    ("climate.vent_minutes", "int", "min", 5, 0, 60),
    ("climate.blind_vent_minutes", "int", "min", 20, 5, 60),
    ("clock.utc_offset_min", "int", "min", 0, -720, 840),
    ("sample.every_ms", "int", "ms", 10_000, 1_000, 60_000),
    ("ph.neutral_uv", "int", "uV", 1_500_000, 1_000_000, 2_000_000),
    ("ph.slope_uv_per_ph", "int", "uV/pH", -177_480, -210_000, -130_000),
    ("ph.calibrated_day", "int", "d", 0, 0, 36_524),
    ("ec.cell_milli", "int", "1/1000", 1_000, 500, 1_500),
    ("ec.alpha_ppm_c", "int", "ppm/C", 20_000, 15_000, 25_000),
    ("level.zero_uv", "int", "uV", 600_000, 0, 2_000_000),
    ("level.uv_per_mm", "int", "uV/mm", 2_400, 100, 50_000),
    ("doser.ul_per_s", "int", "ul/s", 1_000, 20, 20_000),
)

# Rest of irrigation that must remain for top-off once the water has drained back.
_FILL_S = 120


def defaults():
    """Return a new dict of every setting at its default."""
    return {row[0]: row[3] for row in ROWS}


def _row(key):
    for row in ROWS:
        if row[0] == key:
            return row
    return None


def check_value(key, value):
    """Return `value` if valid. Raises SettingsError with the key and its range."""
    row = _row(key)
    if row is None:
        raise SettingsError(Reason("setting_unknown", setting=str(key)[:60]))
    _, kind, unit, _, low, high = row
    if kind == "bool":
        if value is not True and value is not False:
            raise SettingsError(Reason("setting_bool", setting=key))
        return value
    is_whole = kind != "int" or is_integer(value)
    if not is_whole or not is_number(value) or not low <= value <= high:
        code = "setting_range" if is_whole else "setting_int"
        raise SettingsError(Reason(code, setting=key, range=f"{low}..{high} {unit}"))
    return value


def check(values):
    """Return a complete settings dict: defaults overlaid with `values`.

    Raises SettingsError if a key is unknown, a value is out of range, or values contradict each
    other.
    """
    merged = defaults()
    for key in values:
        merged[key] = check_value(key, values[key])
    if not merged["level.low_mm"] < merged["level.target_mm"] < merged["level.full_mm"]:
        raise SettingsError(Reason("level_order", setting="level.target_mm"))
    drain_s = merged["irrigation.drain_s"]
    for key in ("irrigation.off_s", "irrigation.night_off_s"):
        if drain_s and 0 < merged[key] < drain_s + _FILL_S:
            raise SettingsError(Reason("drain_rest", setting=key, least_s=drain_s + _FILL_S))
    if any([key.startswith("climate.") for key in values]):
        from idro.protocol.climate_settings import check as check_climate

        check_climate(merged)
    return merged

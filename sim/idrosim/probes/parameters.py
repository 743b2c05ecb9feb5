"""Parameters of the simulated probes: defaults by kind, unit in the name.

docs/scenarios.md describes each.
"""

DEFAULTS = {
    "ph": {
        "slope_ratio": 0.985, "offset_mv": 3.0, "tau_s": 8.0, "glass_tau_s": 45.0,
        "noise_mv": 0.2, "hum_mv": 0.0, "age_months": 0.0, "slope_loss_per_month": 0.007,
        "tau_growth_s_per_month": 2.0, "offset_walk_mv": 2.0, "drift_mv_per_h": 10.0,
        "inlet_ratio": 0.0, "dead_time_s": 0.0, "ground_loop_mv": 0.0,
        "ec_coupling_mv_per_ms_cm": 0.0, "floating_mv": 700.0, "in_buffer_ph": 0.0,
    },
    "ec": {
        "cell_ratio": 1.01, "age_months": 0.0, "fouling_per_month": 0.0075, "tau_s": 5.0,
        "noise_ratio": 0.001, "drift_per_h": -0.02, "polarisation_per_ms_cm": 0.01,
        "bubble_ratio": 0.0, "bubbles_per_day": 0.0, "inlet_ratio": 0.0, "dead_time_s": 0.0,
        "ground_loop_ratio": 0.0, "shorted_us_cm": 100_000.0, "in_standard_us_cm": 0.0,
    },
    "temp": {"offset_c": 0.1, "tau_s": 15.0, "noise_c": 0.01, "drift_c_per_h": 1.0},
    "level": {
        "offset_mm": 0.0, "tau_s": 2.0, "noise_mm": 0.3, "drift_mm_per_h": 5.0,
        "unplugged_mm": -250.0, "shorted_mm": 1_250.0, "at_depth_mm": -1.0},
    "air": {
        "offset_c": 0.1, "offset_rh_pct": 1.0, "tau_s": 8.0, "noise_c": 0.02,
        "noise_rh_pct": 0.05, "drift_c_per_h": 1.0, "drift_rh_pct_per_h": 2.0},
    "range": {"offset_mm": 0.0, "tau_s": 1.0, "noise_mm": 0.8, "drift_mm_per_h": 5.0},
    "float": {"lift_mm": 120.0, "gap_mm": 8.0, "tau_s": 2.0, "drift_mm_per_h": -5.0},
    "flow": {"slip_ratio": 1.0, "tau_s": 1.0, "noise_ratio": 0.005, "drift_per_h": -0.02},
    "co2": {"offset_ppm": 15.0, "tau_s": 60.0, "noise_ppm": 4.0, "drift_ppm_per_h": 50.0},
    "light": {
        "lx_per_umol_m2_s": 60.0, "clear_ratio": 1.0, "tau_s": 0.2, "noise_lx": 5.0,
        "drift_per_h": -0.02},
    "par": {"tau_s": 0.2, "noise_umol_m2_s": 0.5, "drift_per_h": -0.02},
    "do": {"offset_mg_l": 0.05, "tau_s": 40.0, "noise_mg_l": 0.01, "drift_mg_l_per_h": -0.2},
    "moisture": {"offset_pct": 0.5, "tau_s": 10.0, "noise_pct": 0.1, "drift_pct_per_h": 2.0},
    "supply": {
        "supply_mv": 12_000.0, "current_ma": 180.0, "tau_s": 1.0, "noise_mv": 8.0,
        "drift_mv_per_h": -200.0},
}


def check(key, value):
    """Return `value` of `probe.<kind>.<name>` as a float. Raises ValueError that names the key.

    A time constant must be above 0; other numbers have no limits.
    """
    parts = key.split(".")
    if len(parts) != 3 or parts[0] != "probe" or parts[2] not in DEFAULTS.get(parts[1], ()):
        raise ValueError(f"unknown probe parameter {key!r}")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:
        raise ValueError(f"{key}: expected a number, got {value!r}")
    if parts[2].endswith("tau_s") and value <= 0.0:
        raise ValueError(f"{key}: {value!r} must be above 0")
    return float(value)


def settings(kind, params):
    """Return the parameters of a probe: the defaults of `kind` overridden by `params`.

    Keys are `probe.<kind>.<name>`, such as `probe.ph.offset_mv`; other kinds are ignored. Raises
    ValueError that names an unknown key.
    """
    merged = dict(DEFAULTS[kind])
    for key in params:
        value = check(key, params[key])
        parts = key.split(".")
        if parts[1] == kind:
            merged[parts[2]] = value
    return merged

"""Every parameter of the simulated probes: default by kind, unit in the name."""

# The parameters of each kind of probe, units in their names.
DEFAULTS = {
    "ph": {
        "slope_ratio": 0.985, "offset_mv": 3.0, "tau_s": 8.0, "noise_mv": 0.2,
        "slope_loss_per_month": 0.007, "offset_walk_mv": 2.0, "drift_mv_per_h": 10.0,
        "ground_loop_mv": 0.0, "floating_mv": 700.0,
    },
    "ec": {
        "cell_ratio": 1.01, "fouling_per_month": 0.0075, "tau_s": 5.0, "noise_ratio": 0.001,
        "drift_per_h": -0.02, "shorted_us_cm": 100_000.0,
    },
    "temp": {"offset_c": 0.1, "tau_s": 15.0, "noise_c": 0.01, "drift_c_per_h": 1.0},
    "level": {
        "offset_mm": 0.0, "tau_s": 2.0, "noise_mm": 0.3, "drift_mm_per_h": 5.0,
        "unplugged_mm": -250.0, "shorted_mm": 1_250.0,
    },
    "air": {
        "offset_c": 0.1, "offset_rh_pct": 1.0, "tau_s": 8.0, "noise_c": 0.02,
        "noise_rh_pct": 0.05, "drift_c_per_h": 1.0, "drift_rh_pct_per_h": 2.0,
    },
    "range": {"offset_mm": 0.0, "tau_s": 1.0, "noise_mm": 0.8, "drift_mm_per_h": 5.0},
    "float": {"lift_mm": 120.0, "gap_mm": 8.0, "tau_s": 2.0},
    "flow": {"slip_ratio": 1.0},
    "co2": {"offset_ppm": 15.0, "tau_s": 60.0, "noise_ppm": 4.0, "drift_ppm_per_h": 50.0},
    "light": {
        "lx_per_umol_m2_s": 60.0, "clear_ratio": 1.0, "tau_s": 0.2, "noise_lx": 5.0,
        "drift_per_h": -0.02,
    },
    "supply": {
        "supply_mv": 12_000.0, "current_ma": 180.0, "noise_mv": 8.0, "drift_mv_per_h": -200.0,
    },
}


def settings(kind, params):
    """Return a probe's parameters: its defaults overlaid with `params`.

    Keys are `probe.<kind>.<name>`, such as `probe.ph.offset_mv`; those of other kinds are left
    to them. Raises ValueError naming a key that no probe has.
    """
    merged = dict(DEFAULTS[kind])
    for key in params:
        parts = key.split(".")
        if len(parts) != 3 or parts[0] != "probe" or parts[2] not in DEFAULTS.get(parts[1], ()):
            raise ValueError(f"unknown probe parameter {key!r}")
        if parts[1] == kind:
            merged[parts[2]] = float(params[key])
    return merged

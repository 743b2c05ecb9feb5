"""Every code of a reason, for the host, the page and the docs; a node never loads this module.

A code is short, stable and never used again with another meaning: RETIRED lists those that are
gone. The host puts each into words (`idroserra.i18n.reason_texts`).
"""

from collections import namedtuple

# values: the names of its values, each with a unit of VALUES. severity: "ok" (as intended),
# "wait" (ends by itself), "check" (look at it), "act" (a person is needed now). mender: who ends
# it, one of MENDERS.
Row = namedtuple("Row", ("values", "severity", "mender"))

SEVERITIES = ("ok", "wait", "check", "act")
# node: it ends by itself; grower: at the tank or on the page; technician: wiring, parts, settings
# of the board, files.
MENDERS = ("node", "grower", "technician")

# {value: unit}. "name" is an actuator, "channel" a channel, "fault" a code of FAULTS, "reason"
# another reason, "setting" a key, "text" a technical text that is not translated.
VALUES = {
    "left_ms": "ms", "on_ms": "ms", "every_ms": "ms", "for_ms": "ms", "late_ms": "ms",
    "volume_ul": "ul", "ul_per_ph": "ul/pH", "drift_milli_ph_per_h": "mpH/h",
    "milli_ph": "mpH", "target_milli_ph": "mpH", "other_milli_ph": "mpH",
    "ec_us_cm": "uS/cm", "target_us_cm": "uS/cm", "limit_us_cm": "uS/cm",
    "level_mm": "mm", "low_mm": "mm", "target_mm": "mm", "moved_mm": "mm", "mm_per_h": "mm/h",
    "deci_c": "dC", "target_deci_c": "dC", "limit_deci_c": "dC", "rise_deci_c": "dC difference",
    "vpd_pa": "Pa", "target_pa": "Pa", "rh_pct": "%", "limit_pct": "%", "duty_pct": "%",
    "share_pct": "%", "count": "", "of": "", "days": "d", "rev": "", "current_rev": "",
    "needed_kb": "kB", "free_kb": "kB", "kernel": "", "current_kernel": "", "counter": "",
    "current_counter": "", "least_s": "s",
    "actuator": "name", "kind": "kind", "channel": "channel", "fault": "fault", "why": "reason",
    "setting": "setting", "range": "text", "detail": "text", "by": "text", "version": "text",
    "path": "text", "task": "text", "board_class": "text", "this_class": "text",
}


def rows_of(*parts):
    """Return {code: Row} of parts (severity, mender, "code value value...", ...)."""
    found = {}
    for severity, mender, *entries in parts:
        for entry in entries:
            code, *values = entry.split()
            found[code] = Row(tuple(values), severity, mender)
    return found


# Decisions of control: pH and EC.
DOSING = rows_of(
    ("ok", "node", "ec_in_band ec_us_cm target_us_cm", "ph_in_band milli_ph target_milli_ph",
     "ec_dose ec_us_cm target_us_cm", "b_dose volume_ul",
     "ph_high_dose actuator milli_ph target_milli_ph ul_per_ph drift_milli_ph_per_h",
     "ph_low_dose actuator milli_ph target_milli_ph ul_per_ph drift_milli_ph_per_h"),
    ("wait", "node", "mixing left_ms", "filling", "b_first", "b_after left_ms", "ec_first",
     "ph_turn", "ph_high_returns milli_ph", "ph_low_returns milli_ph",
     "ph_watched left_ms", "effect_watched left_ms", "beds_wet"),
    ("wait", "grower", "calibration left_ms", "correction_open"),
    ("check", "grower", "dosing_off", "b_waits why", "ec_low_blocked why",
     "ph_high_blocked why", "ph_low_blocked why", "small_dose volume_ul",
     "ec_high ec_us_cm target_us_cm", "b_missing why volume_ul", "b_timeout", "b_power_cut",
     "b_reset"),
    ("act", "grower", "advice actuator volume_ul why", "water_low level_mm low_mm",
     "ec_in_air limit_us_cm", "ph_incredible milli_ph", "ph_calibration_old days",
     "doser_no_effect actuator", "doser_wrong_way actuator", "water_rises moved_mm",
     "water_falls mm_per_h", "no_level fault", "no_ec fault", "no_ph fault"),
)
# Decisions of control: circulation, light, top-off and irrigation.
OUTPUTS = rows_of(
    ("ok", "node", "circulating", "circulation_rest", "light_night", "light_day",
     "light_sunrise", "light_sunset", "light_spent", "full_enough",
     "fill_low level_mm target_mm", "irrigation_always", "irrigation_turns on_ms every_ms",
     "watering left_ms", "irrigation_rest left_ms"),
    ("ok", "grower", "by_hand", "irrigation_off"),
    ("act", "grower", "tank_leaks", "fill_timeout left_ms", "flow_retry left_ms",
     "flow_missing why"),
)
# Decisions of control: fan, heater and humidifier.
CLIMATE = rows_of(
    ("ok", "node", "stays_on", "stays_off", "fresh_air", "air_well", "fan_runs",
     "air_cold deci_c target_deci_c", "air_warm deci_c target_deci_c",
     "warm_enough deci_c target_deci_c", "air_humid rh_pct limit_pct",
     "air_moist rh_pct", "vpd_high vpd_pa target_pa", "vpd_low vpd_pa target_pa",
     "moist_enough vpd_pa target_pa", "air_cooled deci_c"),
    ("wait", "node", "hot_lock left_ms", "hot_lock_warm", "air_wet rh_pct limit_pct"),
    ("act", "grower", "heater_off_warms", "heater_suspect", "air_warmed rise_deci_c deci_c",
     "air_too_hot deci_c limit_deci_c"),
    ("act", "technician", "blind_vent fault", "blind_rest fault", "no_humidity fault",
     "no_air_temp fault", "no_vpd fault"),
)
# Refusals and cuts of the safety gate.
GATE = rows_of(
    ("wait", "node", "gap actuator left_ms", "apart actuator left_ms",
     "arming channel count of", "power_failed left_ms", "busy actuator", "trial",
     "hour_spent volume_ul share_pct", "day_spent volume_ul share_pct", "correction_spent",
     "fill_spent", "tank_full level_mm", "circulation_off"),
    ("check", "grower", "too_small", "max_dose volume_ul", "advice_only"),
    ("act", "grower", "no_reading channel", "channel_fault channel fault",
     "channel_stale channel", "in_air", "leak"),
    ("check", "technician", "no_output actuator", "wrong_kind actuator kind",
     "no_circulation"),
    ("act", "technician", "all_off", "ledger_failed detail", "ledger_full",
     "actuator_failed detail"),
)
# Why dosing is latched, in the order of safety.ledger.LATCHES.
LATCHED = rows_of(
    ("act", "grower", "stopped", "latch_no_effect", "latch_wrong_way"),
    ("act", "technician", "latch_resets", "latch_ledger"),
)
# Corrections of a fresh fill.
CORRECTION = rows_of(
    ("ok", "node", "correction_volume volume_ul", "step_given volume_ul", "all_given",
     "target_reached", "correction_step"),
    ("ok", "grower", "ended_by by"),
    ("act", "grower", "press_button"),
    ("check", "grower", "too_long", "not_pressed", "not_correctable actuator", "no_button",
     "correction_already", "correction_first", "calibrating", "board_reset"),
)
# Answers to commands.
COMMANDS = rows_of(
    ("ok", "node", "dose_given actuator volume_ul", "run_begun actuator duty_pct for_ms",
     "hold_begun for_ms", "hold_over", "correction_opened", "correction_over",
     "no_correction", "all_stopped", "dosing_resumed", "update_fetching version",
     "update_cancelled", "no_update", "certificate_in_use"),
    ("wait", "node", "certificate_on_trial"),
    ("check", "technician", "certificate_given_back", "certificate_malformed", "no_tls"),
    ("check", "grower", "not_a_run actuator", "dose_failed", "old_boot", "repeated",
     "too_far", "too_late late_ms", "not_recorded detail", "memory_check",
     "memory_send_again", "message_ignored detail", "unsigned"),
)
# Why settings were refused, or which are in force.
SETTINGS = rows_of((
    "check", "grower", "old_rev rev current_rev", "setting_unknown setting",
    "setting_bool setting", "setting_int setting range", "setting_range setting range",
    "level_order setting", "drain_rest setting least_s", "vent_order setting", "heat_cool setting",
    "cool_max setting", "vpd_order setting", "settings_not_written detail", "settings_damaged",
    "settings_unreadable detail"))
# Changes of the dosing authority.
AUTHORITY = rows_of(
    ("ok", "node", "authority_earned", "authority_latched", "authority_set"),
    ("act", "grower", "authority_pair"))
# Why one of two probes that differ is likelier wrong: `channel`, which reads `milli_ph`.
PAIRS = rows_of((
    "act", "grower", "pair_moved channel milli_ph other_milli_ph",
    "pair_drifts channel milli_ph other_milli_ph", "pair_deaf channel milli_ph other_milli_ph",
    "pair_doses channel milli_ph other_milli_ph",
    "pair_faults channel milli_ph other_milli_ph",
    "pair_near_7 channel milli_ph other_milli_ph"))
# Why a release is not taken, or was rolled back.
UPDATES = rows_of(
    ("wait", "node", "update_busy", "dose_running", "never_idle", "memory_low free_kb",
     "host_silent"),
    ("ok", "grower", "cancelled by"),
    ("check", "technician", "no_update_key", "unknown_key", "bad_signature",
     "other_manifest", "manifest_malformed", "manifest_unreadable", "path_forbidden path",
     "path_missing path", "path_extra path", "path_mismatch path", "path_short path",
     "other_board board_class this_class", "other_kernel kernel current_kernel",
     "counter_low counter current_counter", "flash_needed needed_kb free_kb",
     "rolled_back_before", "runs_already", "flash_failed detail", "flash_refuses",
     "three_boots", "ten_minutes", "channel_missing channel", "task_failed task",
     "ledger_unreadable", "nothing_stored"),
    ("check", "grower", "water_unsteady"),
)
# A task that does not end by itself, and what earlier versions reported as a sentence.
OTHER = rows_of(("check", "technician", "task_silent for_ms", "sentence detail"))

GROUPS = (
    DOSING, OUTPUTS, CLIMATE, GATE, LATCHED, CORRECTION, COMMANDS, SETTINGS, AUTHORITY, PAIRS,
    UPDATES, OTHER)
REASONS = {code: row for group in GROUPS for code, row in group.items()}
# Codes that are gone. They are not used again.
RETIRED = ()

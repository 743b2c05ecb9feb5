"""Reasons as the host reads and makes them: those of `idro.protocol.reasons`, and its own.

A reason is a code with values. It is stored and sent as {"code": ..., "values": {...}} and put
into words only where a person reads it (`i18n.reasons`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from idro.protocol import reasons as contract
from idro.protocol.reason import Reason
from idro.protocol.reasons import Row, rows_of

__all__ = [
    "HOST_REASONS", "REASONS", "VALUES", "Reason", "is_of_its_type", "pack_reason",
    "reason_from_json", "sentence", "unpack_reason",
]

# Values that only reasons of the host have, with their unit (see `contract.VALUES`).
# "word" is a text that the catalogs translate, such as the name of a stage; "scaled" a reading of
# `channel`, an integer with the decimals of its quantity; "decimal" a text with decimal numbers.
HOST_VALUES: dict[str, str] = {
    # Recipes
    "stage": "word", "node": "text", "recipe": "text", "stage_days": "d", "day_ul": "ul",
    "rise_us_cm": "uS/cm", "fall_us_cm": "uS/cm", "step_milli_ph": "mpH difference",
    # Calibrations
    "buffer": "decimal", "standard": "decimal", "other": "decimal", "like": "decimal",
    "known": "decimal",
    "cells": "text",
    "moved_us_cm": "uS/cm difference", "moved_deci_mm": "dmm", "moved_milli_ph": "mpH fine",
    "signal_mv": "mV", "offset_deci_mv": "dmV", "limit_mv": "mV", "slope_deci_pct": "d%",
    "low_pct": "%", "high_pct": "%", "apart_pct": "%", "ratio_pct": "%", "authority_pct": "%",
    "cell_milli": "milli", "low_milli": "milli", "high_milli": "milli",
    "cup_deci_c": "dC", "low_deci_c": "dC", "high_deci_c": "dC",
    "depth_mm": "mm", "other_mm": "mm", "before_mm": "mm", "high_mm": "mm", "least_mm": "mm",
    "least_ms": "ms", "ul_per_s": "ul/s", "score": "", "value": "",
    # Roll-outs
    "alarm": "word",
    # Previews
    "water": "water", "crop": "word", "area_cm2": "cm2", "light_umol_m2_s": "umol/m2/s",
    # The balance
    "when": "text", "moved_ml": "ml difference",
    # States of nodes
    "title": "word",
    # Alarms
    # A reading or a limit, as an integer in the decimals of the `channel` beside it.
    "scaled": "scaled", "limit_scaled": "scaled",
    "age_ms": "ms", "off_ms": "ms", "flow_ml_per_min": "ml/min", "left_pct": "%",
    "free_mb": "MB", "status": "", "reset": "reset", "bus": "bus", "channels": "channels",
    "oldest": "text", "newest": "text", "cpu_mhz": "MHz", "highest_mhz": "MHz",
    "site": "text", "part": "name", "target": "text", "targets": "text", "service": "text",
    "sensor": "text",
}
VALUES: dict[str, str] = {**contract.VALUES, **HOST_VALUES}
# The units whose values are texts.
_TEXTS = frozenset({"name", "kind", "channel", "channels", "fault", "setting", "text", "word",
                    "decimal", "water", "reset", "bus"})


# Why a command was not sent, or not answered.
COMMANDS_OF_HOST = rows_of(
    ("wait", "node", "boot_unknown"),
    ("check", "grower", "reached_late", "dosing_changed"),
    ("check", "technician", "not_adopted", "unanswered"),
    ("act", "grower", "stop_waits why"),
    ("act", "technician", "broker_unreachable", "node_offline"),
)
# What the state of a node names beside the reasons of the node.
STATES = rows_of(
    ("ok", "node", "all_well", "dosing_automatically"),
    ("wait", "node", "no_message", "first_reading", "dosing_unknown", "not_armed",
     "settings_waiting rev", "settings_unreported"),
    ("wait", "grower", "correction_ready actuator volume_ul", "correction_waits why"),
    ("check", "grower", "dosing_stopped by", "calibration_due days", "recipe_paused why",
     "last_settings_refused why", "alarm_raised title", "alarm_returned title",
     "backup_differs count", "backup_restored"),
    ("act", "grower", "dosing_locked why"),
    ("act", "technician", "no_contact", "no_new_reading"),
)
# Why an alarm is active or no longer active, and why a notification was not delivered. Others are
# the node's own.
ALARMS = rows_of(
    ("ok", "node", "broker_works", "database_works", "spool_works", "feed_works",
     "never_heard", "dosing_free", "water_normal", "calibration_unknown", "flow_normal",
     "pump_off", "air_not_hot", "air_steady", "reading_normal channel", "system_supported",
     "foreign_dry sensor", "foreign_fresh sensor", "foreign_received", "standby_follows"),
    ("check", "technician", "micropython_old version oldest",
     "micropython_untested version newest", "psram_missing", "cpu_slow cpu_mhz highest_mhz",
     "messages_rejected count for_ms", "readings_thinned count",
     "rollout_stopped board_class why", "foreign_implausible sensor channel scaled"),
    ("act", "technician", "broker_down detail", "database_down detail", "spool_down detail",
     "feed_down target detail", "standby_down detail", "host_taken_over age_ms",
     "part_failed task detail", "disk_free free_mb",
     "clock_before_release", "undelivered target why", "site_silent count of site",
     "last_heard age_ms",
     "restarts count for_ms", "restarts_after count for_ms reset",
     "restarts_error count for_ms reset detail",
     "node_flash_failed part detail", "clock_ahead off_ms", "clock_behind off_ms",
     "bus_silent bus channels", "foreign_old sensor age_ms", "foreign_silent sensor age_ms",
     "foreign_offline sensor", "foreign_down detail", "foreign_paused"),
    ("act", "grower", "no_reason", "pump_without_flow on_ms",
     "flow_with_pump_off flow_ml_per_min", "bottle_left actuator left_pct",
     "reading_old channel age_ms", "reading_above channel scaled limit_scaled",
     "reading_below channel scaled limit_scaled", "foreign_leak sensor"),
    ("check", "technician", "target_removed", "not_accepted service", "beat_not_evaluated",
     "beat_not_delivered targets", "answered_with status", "no_answer detail"),
)
# Why the state of another host is not known.
OTHER_HOSTS = rows_of(
    ("act", "technician", "other_name_unknown service", "other_unreachable detail",
     "other_silent for_ms", "other_certificate detail", "other_token_unread detail",
     "other_token_refused", "other_too_old", "other_unread detail"),
)
# What is against a dose by hand.
DOSES_BY_HAND = rows_of(
    ("check", "grower", "dose_wrong_way actuator channel scaled limit_scaled",
     "dose_overshoots actuator channel scaled limit_scaled"),
)
# Why a recipe waits or is paused, and what is against it on a node.
RECIPES = rows_of(
    ("wait", "node", "setpoints_not_saved detail"),
    ("act", "grower", "setpoints_refused why", "setpoints_not_sent why"),
    ("act", "technician", "recipe_unreadable detail"),
    ("check", "grower", "recipe_impossible node recipe stage why",
     "stage_too_short why stage_days",
     "ec_rise_days rise_us_cm days volume_ul day_ul", "ec_rise_blocked rise_us_cm",
     "ph_step_days step_milli_ph days volume_ul day_ul", "ph_step_blocked step_milli_ph",
     "ec_fall fall_us_cm share_pct", "ph_and_ec_stay", "doses_by_hand"),
    ("check", "technician", "litres_unknown"),
)
# What a calibration sees and refuses, and why it ended.
CALIBRATIONS = rows_of(
    ("ok", "node", "settled why"),
    ("wait", "node", "reading_awaited", "reading_count count for_ms", "settling why",
     "ph_moves moved_milli_ph", "ec_moves moved_us_cm", "level_moves moved_deci_mm",
     "dry_count count of", "hold_unanswered"),
    ("check", "grower", "reading_fault fault", "ph_noise moved_milli_ph", "ec_noise moved_us_cm",
     "level_noise moved_deci_mm", "not_settled_in why for_ms", "not_settled why",
     "not_settled_old why", "dosing_not_held why", "thermometer_missing",
     "cup_apart cup_deci_c deci_c", "calibration_implausible"),
    ("check", "grower", "buffer_unknown buffer known", "standard_unknown standard known",
     "buffer_temperature deci_c low_deci_c high_deci_c",
     "standard_temperature deci_c low_deci_c high_deci_c", "buffers_enough count",
     "buffer_again buffer", "buffers_near buffer other", "buffer_unmatched signal_mv milli_ph",
     "buffer_other buffer like", "buffer_other_or_dead buffer like", "buffer_needed",
     "buffers_same", "electrode_dead", "buffers_swapped",
     "slope_off slope_deci_pct low_pct high_pct",
     "slope_off_alone slope_deci_pct low_pct high_pct",
     "offset_off offset_deci_mv limit_mv buffer", "buffers_bent milli_ph"),
    ("check", "grower", "cell_fault fault", "cell_wet moved_us_cm", "cell_in_air",
     "standard_again standard", "standard_other standard like",
     "cell_off cell_milli low_milli high_milli", "standard_needed",
     "standards_apart apart_pct cells"),
    ("check", "grower", "depth_needed", "depth_off depth_mm high_mm", "depths_enough",
     "depth_unseen depth_mm", "depths_near other_mm depth_mm least_mm",
     "level_unmoved before_mm other_mm level_mm depth_mm", "depths_few", "depths_swapped",
     "level_fit_off setting value range"),
    ("check", "grower", "run_needed", "volume_needed", "run_short on_ms least_ms", "run_empty",
     "run_odd volume_ul on_ms ratio_pct", "runs_few", "runs_apart apart_pct",
     "flow_off ul_per_s range"),
    ("ok", "grower", "one_buffer", "one_depth", "one_run", "one_flow", "zero_unseen",
     "dry_unchecked", "standard_high_only"),
    ("check", "grower", "cell_far cell_milli", "probe_poor score authority_pct"),
    ("check", "grower", "calibration_idle for_ms", "settings_refused why", "settings_changed",
     "settings_unconfirmed", "dose_unreported"),
)
# Why a roll-out waits or ended, and why a node gets no release.
ROLLOUTS = rows_of(
    ("wait", "node", "of_node node why", "release_offered", "release_downloading",
     "release_downloaded", "release_on_trial", "release_watched left_ms", "offered_again",
     "node_away", "last_dose_unknown", "dose_pending", "dosed_recently", "offer_unanswered",
     "download_stalled"),
    ("wait", "grower", "alarm_active alarm", "alarm_new"),
    ("ok", "grower", "replaced version"),
    ("act", "technician", "node_reverted node", "node_reverted_by node why", "trial_lost",
     "trial_lost_node node", "runs_previous", "not_installed why", "no_node_left",
     "release_missing", "release_damaged detail", "version_failed version why"),
    ("check", "technician", "not_offered node why count", "no_nodes", "board_unreported",
     "no_kernel"),
)
# What a preview assumed, and why it failed.
PREVIEWS = rows_of(
    ("ok", "node", "starts_ph milli_ph", "starts_ec ec_us_cm", "starts_temp deci_c",
     "starts_level level_mm", "water_strong water ec_us_cm target_us_cm",
     "water_acid water milli_ph target_milli_ph", "stocks_titrated",
     "greenhouse_assumed area_cm2 light_umol_m2_s deci_c",
     "crop_not_simulated crop area_cm2 light_umol_m2_s deci_c"),
    ("check", "grower", "stock_unfit setting value", "water_unfit water detail"),
    ("check", "technician", "preview_not_started detail", "preview_failed detail",
     "preview_ended", "simulator_missing detail"),
)
# What the balance of a tank does not know.
BALANCE = rows_of(
    ("ok", "node", "history_begins when", "level_gap for_ms moved_ml"),
    ("check", "grower", "surface_unknown", "strength_unknown actuator"),
    ("check", "technician", "level_unmeasured"),
)
HOST_REASONS: dict[str, Row] = {
    **COMMANDS_OF_HOST, **STATES, **ALARMS, **DOSES_BY_HAND, **RECIPES, **CALIBRATIONS,
    **ROLLOUTS, **PREVIEWS, **BALANCE, **OTHER_HOSTS,
}
REASONS: dict[str, Row] = {**contract.REASONS, **HOST_REASONS}


def sentence(text: str) -> Reason:
    """Return the reason of a text from outside, such as an error of the system."""
    return Reason("sentence", detail=text)


def is_of_its_type(name: str, value: object) -> bool:
    """Return whether a value of a reason is what its name says: a text, a number or a reason. One
    that this host does not know, as of newer firmware, may be any of them."""
    unit = VALUES.get(name)
    if unit in _TEXTS:
        return isinstance(value, str)
    if unit == "reason":
        return isinstance(value, Reason | Mapping)
    return unit is None or (isinstance(value, int | float) and not isinstance(value, bool))


def reason_from_json(obj: object) -> Reason | None:
    """Return the Reason of a stored or received object, None for None.

    A text, as versions before codes stored it, becomes a `sentence`. A value that is not of its
    type, which earlier versions stored too, is left out.
    """
    if obj is None or obj == "":
        return None
    if isinstance(obj, Reason):
        return obj
    if not isinstance(obj, Mapping):
        return sentence(str(obj))
    values: Mapping[str, Any] = obj.get("values") or {}
    return Reason(str(obj.get("code")), **{
        name: reason_from_json(value) if isinstance(value, Mapping) else value
        for name, value in values.items() if is_of_its_type(name, value)})


def pack_reason(reason: Reason | None) -> str:
    """Return a reason as the text of a database column, "" for None."""
    return "" if reason is None else json.dumps(reason.as_json(), ensure_ascii=False)


def unpack_reason(text: str) -> Reason | None:
    """Return the reason in a text of pack_reason().

    A sentence, which an earlier version writes after a downgrade, stays readable."""
    if not text:
        return None
    try:
        return reason_from_json(json.loads(text))
    except ValueError:
        return sentence(text)


def sentences_to_json(table: str, column: str) -> str:
    """Return the SQL that converts the sentences of earlier versions in a column, for Upgrades."""
    return (f"UPDATE {table} SET {column} = json_object('code', 'sentence', 'values',"
            f" json_object('detail', {column})) WHERE {column} <> ''")

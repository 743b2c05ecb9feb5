"""The English text of each code of a reason of the host, as node_reason_texts has for nodes."""

from __future__ import annotations

from idroserra.i18n.marker import N_, Plural
from idroserra.i18n.node_reason_texts import Table

# Reasons of the host (core.reasons.HOST_REASONS), one table a feature.
COMMANDS_OF_HOST: Table = {
    "boot_unknown": N_("the node has not reported yet which boot it runs"),
    "reached_late": N_("it reached the host too late"),
    "dosing_changed": N_("its dosing was stopped again, locked or resumed meanwhile"),
    "not_adopted": N_("the node is not adopted"),
    "unanswered": N_("the node did not answer"),
    "broker_unreachable": N_("the broker is not reachable"),
    "node_offline": N_("the node is offline"),
    "stop_waits": N_("{why}; a stop still waits for the node: resume after it"),
}
STATES: Table = {
    "all_well": N_("all is well: readings are fresh and in their bands"),
    "dosing_automatically": N_("all is well: dosing is automatic, readings are fresh and in "
                               "their bands"),
    "no_message": N_("no message of the node has arrived yet"),
    "first_reading": N_("the node is connected, its first reading has not arrived yet"),
    "dosing_unknown": N_("it is not known yet whether dosing is allowed"),
    "not_armed": N_("readings are checked before the first dose"),
    "settings_waiting": N_("settings revision {rev} is not confirmed yet"),
    "settings_unreported": N_("the node has not reported its settings since a backup was "
                              "restored: wait until it has connected once"),
    "backup_differs": Plural(
        "{count} setting of the node differs from the restored backup: choose which to use",
        "{count} settings of the node differ from the restored backup: choose which to use",
        "count"),
    "backup_restored": N_("a backup was restored"),
    "correction_ready": N_("a correction waits for the button on the board: {volume_ul} of "
                           "{actuator}"),
    "correction_waits": N_("a correction waits: {why}"),
    "dosing_stopped": N_("all dosing is stopped, by {by}"),
    "dosing_locked": N_("dosing is locked until a person resumes it: {why}"),
    "calibration_due": Plural(
        "the pH probe was last calibrated {days} day ago: calibrate it soon",
        "the pH probe was last calibrated {days} days ago: calibrate it soon", "days"),
    "recipe_paused": N_("the recipe is paused: {why}"),
    "last_settings_refused": N_("the node refused the last settings: {why}"),
    "alarm_raised": N_("alarm: {title}"),
    "alarm_returned": N_("alarm over, not acknowledged: {title}"),
    "no_contact": N_("no contact: the node sends no messages, it continues to run"),
    "no_new_reading": N_("the node is connected, but no reading arrives"),
}
DOSES_BY_HAND: Table = {
    "dose_wrong_way": N_("{actuator} moves {channel} away from its target: it is {scaled}, the "
                         "target is {limit_scaled}"),
    "dose_overshoots": N_("{actuator} moves {channel} past its band: to about {scaled}, the band "
                          "ends at {limit_scaled}"),
}
ALARMS: Table = {
    "broker_works": N_("the broker answers"),
    "database_works": N_("the database answers"),
    "spool_works": N_("readings are stored"),
    "feed_works": N_("the feed receives what the store has"),
    "never_heard": N_("no message yet"),
    "dosing_free": N_("dosing is not locked"),
    "water_normal": N_("the water level is normal"),
    "calibration_unknown": N_("no pH calibration is known"),
    "flow_normal": N_("water flows to the roots"),
    "pump_off": N_("the pump is off and nothing flows"),
    "air_not_hot": N_("the air is not too hot"),
    "air_steady": N_("the air does not warm by itself"),
    "reading_normal": N_("{channel} is normal"),
    "system_supported": N_("the board and its MicroPython are supported"),
    "micropython_old": N_("its MicroPython {version} is older than {oldest}: it cannot count the "
                          "pulses of flow meters"),
    "micropython_untested": N_("its MicroPython {version} is newer than {newest}, the newest "
                               "release that was tested"),
    "psram_missing": N_("no PSRAM is found, so the node may run out of memory"),
    "cpu_slow": N_("the CPU runs at {cpu_mhz} instead of {highest_mhz}, so the node reacts late"),
    "messages_rejected": Plural("{count} message within {for_ms}",
                                "{count} messages within {for_ms}", "count"),
    "readings_thinned": Plural("{count} reading was thinned out",
                               "{count} readings were thinned out", "count"),
    "rollout_stopped": N_("the roll-out to {board_class}: {why}"),
    "broker_down": N_("{detail}"),
    "database_down": N_("{detail}"),
    "spool_down": N_("{detail}"),
    "feed_down": N_("{target}: {detail}"),
    "standby_down": N_("{detail}"),
    "standby_follows": N_("the standby follows"),
    "host_taken_over": N_("changes of the last {age_ms} before, such as notes, may be missing"),
    "part_failed": N_("{task}: {detail}"),
    "disk_free": N_("{free_mb} are free"),
    "clock_before_release": N_("the clock shows a date before this software was released"),
    "undelivered": N_("to {target}: {why}"),
    "site_silent": N_("{count} of {of} nodes of {site} are silent"),
    "last_heard": N_("last heard {age_ms} ago"),
    "restarts": Plural("{count} start within {for_ms}", "{count} starts within {for_ms}", "count"),
    "restarts_after": Plural("{count} start within {for_ms}, the last one after: {reset}",
                             "{count} starts within {for_ms}, the last one after: {reset}",
                             "count"),
    "restarts_error": Plural(
        "{count} start within {for_ms}, the last one after: {reset}. The previous boot ended "
        "with: {detail}",
        "{count} starts within {for_ms}, the last one after: {reset}. The previous boot ended "
        "with: {detail}", "count"),
    "node_flash_failed": N_("{part} could not be written: {detail}"),
    "clock_ahead": N_("the host's clock is {off_ms} ahead of this node's time"),
    "clock_behind": N_("the host's clock is {off_ms} behind this node's time"),
    "bus_silent": N_("{bus}: {channels} do not answer"),
    "no_reason": N_("the node gives no reason"),
    "pump_without_flow": N_("the irrigation pump has run for {on_ms} without flow"),
    "flow_with_pump_off": N_("{flow_ml_per_min} with the irrigation pump off"),
    "bottle_left": N_("{actuator}: {left_pct} left"),
    "reading_old": N_("{channel}: the newest reading is {age_ms} old"),
    "reading_above": N_("{channel} is {scaled}, above {limit_scaled}"),
    "reading_below": N_("{channel} is {scaled}, below {limit_scaled}"),
    "foreign_leak": N_("{sensor} reports water"),
    "foreign_dry": N_("{sensor} reports no water any more"),
    "foreign_fresh": N_("{sensor} reports again"),
    "foreign_old": N_("{sensor}: the newest value is {age_ms} old"),
    "foreign_silent": N_("{sensor}: no value for {age_ms}, since the host started"),
    "foreign_offline": N_("{sensor}: its device is offline, as its hub says"),
    "foreign_received": N_("foreign readings are received"),
    "foreign_down": N_("no foreign reading is received: {detail}"),
    "foreign_paused": N_("too many foreign messages: none is received for a minute"),
    "foreign_implausible": N_("{sensor}: {channel} is {scaled}, outside its plausible range"),
    "target_removed": N_("no such address any more"),
    "not_accepted": N_("{service} did not accept it"),
    "beat_not_evaluated": N_("withheld: alarms are not being evaluated"),
    "beat_not_delivered": N_("withheld: notifications to {targets} fail"),
    "answered_with": N_("the server answered {status}"),
    "no_answer": N_("no answer: {detail}"),
}
RECIPES: Table = {
    "setpoints_not_saved": N_("the host cannot store them ({detail}); it tries again"),
    "setpoints_refused": N_("the node refused the setpoints: {why}"),
    "setpoints_not_sent": N_("not sent: {why}"),
    "recipe_unreadable": N_("this host cannot read the recipe: {detail}"),
    "recipe_impossible": N_("{node} cannot run {recipe}: {stage}: {why}"),
    "stage_too_short": Plural("{why}, and the stage has {stage_days} day",
                              "{why}, and the stage has {stage_days} days", "stage_days"),
    "ec_rise_days": Plural(
        "EC has to rise by {rise_us_cm}: {days} day of the budget, {volume_ul} at {day_ul} a day",
        "EC has to rise by {rise_us_cm}: {days} days of the budget, {volume_ul} at {day_ul} a day",
        "days"),
    "ec_rise_blocked": N_("EC has to rise by {rise_us_cm}: the node may give nothing"),
    "ph_step_days": Plural(
        "pH has to change by {step_milli_ph}: {days} day of the budget, {volume_ul} at {day_ul} "
        "a day",
        "pH has to change by {step_milli_ph}: {days} days of the budget, {volume_ul} at {day_ul} "
        "a day", "days"),
    "ph_step_blocked": N_("pH has to change by {step_milli_ph}: the node may give nothing"),
    "ec_fall": N_("EC has to fall by {fall_us_cm}: only water lowers it, change about {share_pct} "
                  "of the reservoir"),
    "ph_and_ec_stay": N_("automatic dosing is off: pH and EC stay as they are"),
    "doses_by_hand": N_("the node gives advice only: a person has to dose"),
    "litres_unknown": N_("the host does not know this board: its limits of acid and base per "
                         "litre are not considered"),
}
CALIBRATIONS: Table = {
    "settled": N_("stable: {why}"),
    "reading_awaited": N_("waiting for a reading"),
    "reading_count": Plural("{count} reading within {for_ms}", "{count} readings within {for_ms}",
                            "count"),
    "reading_fault": N_("no reading: {fault}"),
    "settling": N_("settling: {why}"),
    "ph_moves": N_("moves {moved_milli_ph} a minute"),
    "ec_moves": N_("moves {moved_us_cm} a minute"),
    "level_moves": N_("moves {moved_deci_mm} a minute"),
    "ph_noise": N_("noisy: scatters by {moved_milli_ph}"),
    "ec_noise": N_("noisy: scatters by {moved_us_cm}"),
    "level_noise": N_("noisy: scatters by {moved_deci_mm}"),
    "not_settled_in": N_("{why}; not settled within {for_ms}"),
    "not_settled": N_("not stable yet: {why}"),
    "not_settled_old": N_("not stable yet: {why}. Clean the probe and check its cable; if this "
                          "persists, replace it"),
    "dry_count": N_("{count} of {of} readings"),
    "hold_unanswered": N_("the node has not answered"),
    "dosing_not_held": N_("dosing is not held yet: {why}"),
    "thermometer_missing": N_("there is no water temperature, which every reading needs: check "
                              "the thermometer first"),
    "cup_apart": N_("the cup is at {cup_deci_c} by your input, but the thermometer reads "
                    "{deci_c}: put it into the cup too, and wait"),
    "calibration_implausible": N_("the present calibration gives no sensible value: reset to "
                                  "factory values first"),
    "buffer_unknown": N_("unknown buffer {buffer}: there are {known}"),
    "standard_unknown": N_("unknown standard {standard}: there are {known}"),
    "buffer_temperature": N_("the buffer is at {deci_c}; its table is for {low_deci_c} to "
                             "{high_deci_c}: let the cup reach room temperature"),
    "standard_temperature": N_("the standard is at {deci_c}; its table is for {low_deci_c} to "
                               "{high_deci_c}: let the cup reach room temperature"),
    "buffers_enough": N_("{count} buffers are enough"),
    "buffer_again": N_("buffer {buffer} was already measured: use another"),
    "buffers_near": N_("buffers {other} and {buffer} are too close: use 4.01, 9.18 or 10.01 as "
                       "well"),
    "buffer_unmatched": N_("the signal of {signal_mv} (about pH {milli_ph}) fits no buffer: is "
                           "the probe in a cup, its cap off and its cable dry? If so, the "
                           "electrode is worn out"),
    "buffer_other": N_("this is not buffer {buffer}: the signal fits {like}. Check the cup, "
                       "rinse, and try again"),
    "buffer_other_or_dead": N_("this is not buffer {buffer}: the signal fits {like}. Check the "
                               "cup, rinse, and try again. Or the electrode is dead: it then "
                               "gives this in every buffer"),
    "buffer_needed": N_("at least one buffer is needed"),
    "buffers_same": N_("two different buffers are needed"),
    "electrode_dead": N_("the electrode gives nearly the same signal in both buffers: it is "
                         "dead, broken or shorted. Replace it"),
    "buffers_swapped": N_("the signal moves the wrong way: the buffers are swapped"),
    "slope_off": N_("a slope of {slope_deci_pct}: {low_pct} to {high_pct} is needed. Clean the "
                    "electrode and use fresh buffers; if it stays, replace the electrode"),
    "slope_off_alone": N_("a slope of {slope_deci_pct}: {low_pct} to {high_pct} is needed. Take "
                          "a second buffer: one alone keeps the old slope"),
    "offset_off": N_("an offset of {offset_deci_mv}: at most {limit_mv} is accepted. Was it "
                     "buffer {buffer}? If so, the reference is spent: replace the electrode"),
    "buffers_bent": N_("the buffers do not lie on a line, by {milli_ph} pH: one of them is stale "
                       "or was carried over. Rinse, and use fresh ones"),
    "cell_fault": N_("the cell cannot be read: {fault}"),
    "cell_wet": N_("the cell is not dry: it shows {moved_us_cm}. Shake it, dab it, and look for "
                   "salt or roots between its electrodes"),
    "cell_in_air": N_("the cell is in air: put it into the standard, and knock off the bubbles"),
    "standard_again": N_("standard {standard} was already measured"),
    "standard_other": N_("this is not standard {standard}: it looks like {like}. Check the cup "
                         "and rinse the cell"),
    "cell_off": N_("a cell constant of {cell_milli}: {low_milli} to {high_milli} is accepted. "
                   "Look for bubbles and dirt in the cell, and use a fresh standard"),
    "standard_needed": N_("at least one standard is needed"),
    "standards_apart": N_("the standards disagree by {apart_pct} ({cells}): one is stale or "
                          "diluted, they are swapped, or the cell is dirty"),
    "depth_needed": N_("the depth in mm is needed, measured with a ruler"),
    "depth_off": N_("a depth of {depth_mm}: at most {high_mm} is possible"),
    "depths_enough": N_("two depths are enough"),
    "depth_unseen": N_("it reads 0 at a depth of {depth_mm}: the signal is below its zero, and "
                       "how far cannot be seen. Go back to the factory values first, or take a "
                       "greater depth"),
    "depths_near": N_("{other_mm} and {depth_mm} are too close: at least {least_mm} apart is "
                      "needed"),
    "level_unmoved": N_("it read {before_mm} at {other_mm} and reads {level_mm} at {depth_mm}: "
                        "move the water and wait; else the depths are swapped, or the "
                        "transmitter does not answer"),
    "depths_few": N_("at least one depth is needed"),
    "depths_swapped": N_("the level falls where the water is deeper: the depths are swapped, or "
                         "the transmitter does not answer"),
    "level_fit_off": N_("{setting} would be {value}: {range} is possible. Measure the depths "
                        "again"),
    "run_needed": N_("run the pump first"),
    "volume_needed": N_("the measured volume in ml is needed"),
    "run_short": N_("the pump ran for {on_ms}: at least {least_ms} is needed for a measurement. "
                    "Ask for a larger volume"),
    "run_empty": N_("nothing came out: is the bottle empty, the tube full, the pump turning the "
                    "right way?"),
    "run_odd": N_("{volume_ul} in {on_ms} is {ratio_pct} of the present flow: was it read in "
                  "millilitres?"),
    "runs_few": N_("at least one run is needed"),
    "runs_apart": N_("the runs differ by {apart_pct}: air in the tube, a worn tube, or a misread "
                     "cylinder. Fill the tube and run again"),
    "flow_off": N_("a flow of {ul_per_s}: {range} is possible"),
    "one_buffer": N_("one buffer corrects only the offset; the slope is unchanged"),
    "one_depth": N_("one depth corrects only the zero; the signal per mm is unchanged"),
    "one_run": N_("a single run does not show how well it repeats"),
    "one_flow": N_("the node has one flow for all its dosing pumps: check the others against it"),
    "zero_unseen": N_("the empty tank reads 0, so its zero is unchanged: lower values are cut"),
    "dry_unchecked": N_("the dry cell was not checked"),
    "standard_high_only": N_("12880 alone is far above nutrient solutions: take 1413 or 2760 too"),
    "cell_far": N_("K {cell_milli} is far from 1: the cell is dirty, or not of K 1"),
    "probe_poor": N_("the probe's health is {score} of 100: dosing authority is reduced to "
                     "{authority_pct}. Replace the electrode"),
    "calibration_idle": N_("no activity for {for_ms}"),
    "settings_refused": N_("the node refused the settings: {why}"),
    "settings_changed": N_("the settings changed meanwhile: start again"),
    "settings_unconfirmed": N_("the node has not confirmed the settings; it receives them when "
                               "it reconnects"),
    "dose_unreported": N_("the node did not report the dosed volume"),
}
ROLLOUTS: Table = {
    "of_node": N_("{node}: {why}"),
    "release_offered": N_("offered"),
    "release_downloading": N_("downloading"),
    "release_downloaded": N_("downloaded"),
    "release_on_trial": N_("on trial"),
    "release_watched": N_("observed for {left_ms} more"),
    "offered_again": N_("to be offered again"),
    "node_away": N_("offline"),
    "last_dose_unknown": N_("the last dose is not known yet"),
    "dose_pending": N_("a dose is pending"),
    "dosed_recently": N_("it dosed recently"),
    "offer_unanswered": N_("it did not respond to the offer"),
    "download_stalled": N_("it stopped downloading"),
    "alarm_active": N_("an alarm is active: {alarm}"),
    "alarm_new": N_("a new alarm is active"),
    "replaced": N_("replaced by {version}"),
    "node_reverted": N_("{node} reverted to the previous version"),
    "node_reverted_by": N_("{node} reverted to the previous version: {why}"),
    "trial_lost": N_("it has not come back from its trial"),
    "trial_lost_node": N_("{node} has not come back from its trial"),
    "runs_previous": N_("it runs the previous version"),
    "not_installed": N_("no node installed it: {why}"),
    "no_node_left": N_("no node is left"),
    "release_missing": N_("the host does not have the release any more"),
    "release_damaged": N_("the release is damaged: {detail}"),
    "version_failed": N_("{version}: {why}"),
    "not_offered": Plural("{node} cannot take it: {why}",
                          "{count} nodes cannot take it; {node}: {why}", "count"),
    "no_nodes": N_("this host knows no node"),
    "board_unreported": N_("it has not reported its board yet"),
    "no_kernel": N_("its firmware supports no over-the-air updates yet: flash it once over USB"),
}
PREVIEWS: Table = {
    "starts_ph": N_("pH has no recent reading: starts at {milli_ph}, its setpoint"),
    "starts_ec": N_("EC has no recent reading: starts at {ec_us_cm}, its setpoint"),
    "starts_temp": N_("the water temperature has no recent reading: starts at {deci_c}"),
    "starts_level": N_("the level has no recent reading: starts at {level_mm}, where top-off "
                       "fills to"),
    "water_strong": N_("{water} has an EC of {ec_us_cm} by itself: starts there, not at "
                       "{target_us_cm}"),
    "water_acid": N_("{water} with these nutrients has pH {milli_ph}: starts there, not at "
                     "{target_milli_ph}"),
    "stocks_titrated": N_("acid, base and nutrients are as strong as the titration in the "
                          "settings says"),
    "greenhouse_assumed": N_("the crop is lettuce on {area_cm2}, with lamps of {light_umol_m2_s} "
                             "at full light; the room is at {deci_c}"),
    "crop_not_simulated": N_("the simulator has no {crop}: lettuce takes its place on {area_cm2}, "
                             "and its uptake of water and nutrients may differ; lamps of "
                             "{light_umol_m2_s} at full light; the room is at {deci_c}"),
    "stock_unfit": N_("{setting} is {value}: no such stock fits this water, so doses may be far "
                      "off; titrate, or choose another water"),
    "water_unfit": N_("the twin cannot be filled with {water} for these setpoints: "
                      "{detail}"),
    "preview_not_started": N_("the preview cannot start: {detail}"),
    "preview_failed": N_("the preview failed: {detail}"),
    "preview_ended": N_("the preview ended without a result"),
    "simulator_missing": N_("the preview needs the simulator ({detail}): pip install "
                            "'idroserra[sim]'"),
}
BALANCE: Table = {
    "history_begins": N_("the history of this node begins {when}: earlier days are not counted"),
    "level_gap": N_("the level has no reading for {for_ms}; the water changed by {moved_ml} "
                    "meanwhile, counted neither as added nor as left"),
    "surface_unknown": N_("the node has not reported its settings yet: the tank's surface is not "
                          "known"),
    "strength_unknown": N_("the strength of {actuator} is not known for every dose: no meq. Set "
                           "it with the bottle"),
    "level_unmeasured": N_("this node measures no level in millimetres: the water balance is not "
                           "known"),
}
OTHER_HOSTS: Table = {
    "other_name_unknown": N_("no address is known for {service}"),
    "other_unreachable": N_("no connection: {detail}"),
    "other_silent": N_("no answer within {for_ms}"),
    "other_certificate": N_("its certificate is not accepted: {detail}"),
    "other_token_unread": N_("the token file cannot be read: {detail}"),
    "other_token_refused": N_("it refuses the token"),
    "other_too_old": N_("its version gives no state to other hosts"),
    "other_unread": N_("its answer cannot be read: {detail}"),
}
HOST_TEXTS: Table = {
    **COMMANDS_OF_HOST, **STATES, **ALARMS, **DOSES_BY_HAND, **RECIPES, **CALIBRATIONS,
    **ROLLOUTS, **PREVIEWS, **BALANCE, **OTHER_HOSTS,
}

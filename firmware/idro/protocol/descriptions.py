"""What the codes of the contract mean, one sentence each: for the host, the page and the docs.

A node needs keys and ranges, no prose: nothing that runs on a board may import this module.
"""

# Shown to the operator as is.
FAULT_TEXTS = {
    "no_ack": "The sensor does not answer on its bus: check the cable and the address.",
    "crc": "The sensor answered with a damaged message three times in a row.",
    "timeout": "The sensor did not finish its measurement in time.",
    "power_on_value": "The sensor reports its power-on value: it lost supply or never converted.",
    "saturated": "The signal is at the end of its range: cable open, or probe shorted.",
    "out_of_range": "The reading is outside what is physically possible here.",
    "jump": "The reading moved faster than water can: it is believed once it stays.",
    "flat": "The raw signal has not moved at all for minutes: a dead or shorted probe.",
    "noisy": "The raw signal scatters too much to be believed.",
    "stale": "There is no fresh reading.",
    "no_temperature": "The reading needs a water temperature and there is none.",
    "uncalibrated": "The calibration gives no sensible value: calibrate the probe.",
    "in_air": "The probe seems to be out of the water.",
}

# The names before a full stop are keys of the event's detail.
EVENT_TEXTS = {
    "boot": "The node started: reset (cause), version, last_error (what ended the boot before).",
    "armed": "Readings were plausible for long enough: dosing is possible from here on.",
    "dosed": "A dose was given: actuator, volume_ul, on_ms, reason, by.",
    "ran": "A switched output ended a run: actuator, on_ms, reason, by.",
    "refused": "The safety gate refused: actuator, reason, by.",
    "decided": "A loop changed its mind: loop, reason.",
    "fault_began": "A channel lost its value: channel, fault.",
    "fault_ended": "A channel has values again: channel, fault, lasted_ms.",
    "stopped": "All dosing was stopped by a person: by.",
    "resumed": "Dosing was released again by a person: by.",
    "latched": "Dosing is locked until a person looks: reason.",
    "correction": "A correction of a fresh fill: state (opened, held, ready for the button, "
        "given, ended), actuator, given_ul, left_ul, next_ul, target_milli_ph, reason, by.",
    "authority": "Control may spend another share of its budgets: granted_pct, asked_pct, reason.",
    "configured": "New settings are in force: rev, by.",
    "clock_set": "Wall time became known or was corrected: boot_unix_ms, by_ms.",
    "gap": "Records were thinned because the outbox was full: seq_from, seq_to, count.",
    "flash_failed": "The flash refused to be read or written: part, error.",
    "restarted": "A task of the node failed and was started again: task, error.",
    "memory_refused": "Memory was refused to a part that goes on without: part, count (since "
        "it was told last).",
    "water": "The level moves by itself, or no more: state (rises: though the valve is shut; "
        "falls: faster than plants drink, in an hour; steady), moved_mm.",
    "irrigation_no_flow": "The irrigation pump is on and nothing flows: roots dry out: state "
        "(began, ended), on_ms (without flow), reason.",
    "irrigation_stuck_on": "Water flows to the roots though the pump is off: state (began, "
        "ended), flow_ml_per_min.",
    "air_too_hot": "The air is hotter than allowed and the heater is locked: state (began, "
        "ended), reason.",
    "air_warms": "The air warms though the heater is off: state (began, ended), reason.",
    "update_offered": "A release is fetched over the air: release (16 digits), version, by.",
    "update_refused": "A release is not taken, or no more; what ran goes on running: release, "
        "version, reason.",
    "update_downloaded": "All of a release is on the flash: it is checked and started next: "
        "release, version, by.",
    "update_trial": "A release runs on trial and doses nothing: release, version, tries_left "
        "(boots after this one).",
    "update_confirmed": "The release on trial is as well as the one before and stays: release, "
        "version.",
    "update_reverted": "A release was taken back, the one before runs: release, version, reason.",
}

QUANTITY_TEXTS = {
    "ph": "acidity of the solution",
    "ec_us_cm": "electrical conductivity at 25 C",
    "temp_c": "temperature",
    "rh_pct": "relative humidity of the air",
    "vpd_pa": "vapour pressure deficit of the air: what it could still take up",
    "co2_ppm": "carbon dioxide in the air",
    "illuminance_lx": "brightness of the light",
    "level_mm": "depth of water above the tank's floor",
    "volume_ml": "volume of water in the tank",
    "float_up": "1 while water lifts the float of a switch",
    "flow_ml_per_min": "flow of water through a pipe",
    "supply_mv": "voltage of a supply",
    "current_ma": "current out of a supply",
    "duty_pct": "level of a dimmable output",
    "on_pct": "share of the last interval an output was on",
    "heap_free_b": "free heap of the node",
    "outbox_count": "records waiting for the host",
    "rssi_dbm": "strength of the radio signal",
}

SETTING_TEXTS = {
    "dosing.enabled": "control may dose; off means monitor only",
    "dosing.authority_pct":
        "share of the budgets of an hour and a day; 0 only advises, above 25 must be earned",
    "ph.target": "setpoint of pH",
    "ph.deadband": "half width of the band around it",
    "ph.down_ul_per_ph":
        "pH-down stock that moves the whole reservoir by one pH, from the titration",
    "ph.up_ul_per_ph": "pH-up stock that moves the whole reservoir by one pH, from the titration",
    "ec.target_us_cm": "setpoint of EC",
    "ec.deadband_us_cm": "half width of the band around it",
    "ec.ul_per_100_us_cm": "each of nutrient A and B that raises the whole reservoir by 100 uS/cm",
    "reservoir.area_cm2": "surface of the tank: level to volume",
    "level.low_mm": "below it nothing doses and no pump runs dry",
    "level.target_mm": "top-off fills up to it",
    "level.full_mm": "above it top-off is locked",
    "topoff.max_ms_day": "top-off time a day",
    "mixing.wait_ms": "wait after a dose until a reading may be acted on",
    "circulation.on_ms": "circulation runs",
    "circulation.off_ms": "and rests; 0 means never",
    "irrigation.on_s": "roots are watered for so long; 0 is never",
    "irrigation.off_s": "and rest for so long; 0 is never",
    "irrigation.night_off_s": "rest while the photoperiod says night; 0 is as by day",
    "irrigation.drain_s":
        "until the water of a flood is back in the tank; 0 where the tank never misses it",
    "irrigation.low_ml_per_min": "below it nothing flows, where a meter is; 0 is no check",
    "light.on_minute": "local minute of the day it comes on",
    "light.on_minutes": "photoperiod; 0 is dark",
    "light.ramp_minutes": "sunrise and sunset ramp",
    "light.duty_pct": "level at full light",
    "climate.heat_day_c": "the heater keeps the air above it while it is light",
    "climate.heat_night_c": "and in the dark",
    "climate.cool_day_c": "the fan keeps the air below it while it is light",
    "climate.cool_night_c": "and in the dark",
    "climate.deadband_c": "heating ends so far above, cooling so far below",
    "climate.max_c": "hotter air locks the heater",
    "climate.rh_max_pct": "the fan dries the air above it",
    "climate.vpd_low_day_pa": "the fan dries the air below this VPD while it is light",
    "climate.vpd_high_day_pa": "the humidifier mists above this VPD while it is light",
    "climate.vpd_low_night_pa": "the fan's in the dark",
    "climate.vpd_high_night_pa": "the humidifier's in the dark",
    "climate.vpd_deadband_pa": "drying ends so far above, misting so far below",
    "climate.vent_minutes":
        "fresh air: minutes of each hour that the fan runs, unless the air is cold",
    "climate.blind_vent_minutes": "the same while no air temperature is known",
    "clock.utc_offset_min": "local time less UTC",
    "sample.every_ms": "one record each",
    "ph.neutral_uv": "calibration: front-end voltage at pH 7",
    "ph.slope_uv_per_ph": "calibration: front-end voltage a pH at 25 C",
    "ph.calibrated_day": "day of the calibration since 2000-01-01, 0: never",
    "ec.cell_milli": "calibration: cell constant K",
    "ec.alpha_ppm_c": "temperature coefficient of the solution's EC",
    "level.zero_uv": "calibration: level signal with an empty tank",
    "level.uv_per_mm": "calibration: level signal a millimetre",
    "doser.ul_per_s": "calibration: flow of the dosing pumps",
}

"""Descriptions of faults, events, quantities and settings, for the host, the page and the docs.

Nothing that runs on a board may import this module.
"""

# Shown to the operator as is.
FAULT_TEXTS = {
    "no_ack": "The sensor does not respond on its bus: check the cable and the address.",
    "crc": "The sensor sent a damaged response three times in a row.",
    "timeout": "The sensor did not finish its measurement in time.",
    "power_on_value":
        "The sensor reports its power-on value: it lost its supply or never converted.",
    "saturated": "The signal is at the end of its range: the cable is open or the probe shorted.",
    "out_of_range": "The reading is outside the physically possible range.",
    "jump": "The reading changed faster than water can: it is accepted once it stays.",
    "flat": "The raw signal has not moved for minutes: the probe is dead or shorted.",
    "noisy": "The raw signal is too noisy.",
    "stale": "There is no recent reading.",
    "no_temperature": "The reading needs the water temperature, which is missing.",
    "uncalibrated": "The calibration gives no valid value: calibrate the probe.",
    "in_air": "The probe seems to be out of the water.",
    "mismatch":
        "The probe answers, but not as its register map says: it is another model or is set "
        "differently.",
    "pair_differs":
        "The two probes differ, and the other one is likelier wrong: no acid or base until they "
        "agree.",
    "pair_suspect":
        "The two probes differ, and this one is likelier wrong: clean, check or calibrate it.",
}

# The names before a full stop are keys of the event's detail. `reason`, `cut` are reasons, `error`
# is a technical text, `reset` one of power_on, brown_out, hard, watchdog, deep_sleep, soft,
# unknown.
EVENT_TEXTS = {
    "boot": "The node started: reset (cause), version, last_error (why the last boot ended).",
    "armed": "Readings were valid for long enough: dosing is possible from now on.",
    "dosed":
        "A dose was delivered: actuator, volume_ul, on_ms, reason, by, cut (why it was cut "
        "short).",
    "ran": "A switched output ended a run: actuator, on_ms, reason, by.",
    "refused": "The safety gate refused a run: actuator, reason, by.",
    "decided": "The decision of a loop changed: loop, reason.",
    "fault_began":
        "A channel lost its value: channel, fault, reason (of two probes that differ: why one is "
        "likelier wrong).",
    "fault_ended": "A channel has values again: channel, fault, lasted_ms.",
    "stopped": "A person stopped all dosing: by.",
    "resumed": "A person resumed dosing: by.",
    "latched": "Dosing is locked until a person resumes it: reason.",
    "correction":
        "A correction of a fresh fill: state (opened, held, ready for the button, given, "
        "ended), actuator, given_ul, left_ul, next_ul, target_milli_ph or target_us_cm, reason, "
        "by.",
    "authority": "The granted share of the budgets changed: granted_pct, asked_pct, reason.",
    "configured": "New settings are active: rev, by.",
    "clock_set": "Wall time became known or was corrected: boot_unix_ms, by_ms.",
    "gap": "Records were thinned because the outbox was full: seq_from, seq_to, count.",
    "flash_failed": "A read or write of the flash failed: part, error or reason.",
    "restarted": "A task of the node failed and was restarted: task, error or reason.",
    "memory_refused":
        "A part of the node ran out of memory and went on without: part, count (since the "
        "last such event).",
    "water":
        "An unexplained change of the level began or ended: state (rises: with the valve "
        "shut; falls: faster than plants drink, per hour; steady), moved_mm.",
    "irrigation_no_flow":
        "The irrigation pump is on without flow, so roots dry out: state (began, ended), "
        "on_ms (without flow).",
    "irrigation_stuck_on":
        "Water flows to the roots though the pump is off: state (began, ended), flow_ml_per_min.",
    "air_too_hot":
        "The air is hotter than allowed and the heater is locked: state (began, ended), reason.",
    "air_warms": "The air warms though the heater is off: state (began, ended), reason.",
    "update_offered": "The download of a release began: release (16 digits), version, by.",
    "update_refused":
        "A release was rejected or its download ended; the current one keeps running: "
        "release, version, reason.",
    "update_downloaded":
        "A release is complete on flash, to be verified and started: release, version, by.",
    "update_trial":
        "A release runs on trial, without dosing: release, version, tries_left (boots after "
        "this one).",
    "update_confirmed":
        "The release on trial works as well as the last one and stays: release, version.",
    "update_reverted": "A release was rolled back to the previous one: release, version, reason.",
    "certificate":
        "A new certificate is on trial, in use, or given back for the old one: reason, by.",
}

QUANTITY_TEXTS = {
    "ph": "pH of the solution",
    "ec_us_cm": "electrical conductivity at 25 C",
    "temp_c": "temperature",
    "rh_pct": "relative humidity of the air",
    "vpd_pa": "vapour pressure deficit of the air",
    "co2_ppm": "carbon dioxide in the air",
    "illuminance_lx": "illuminance",
    "ppfd_umol_m2_s": "photosynthetic photon flux density",
    "do_mg_l": "dissolved oxygen of the solution",
    "moisture_pct": "volumetric water content of the substrate",
    "level_mm": "depth of water above the bottom of the tank",
    "volume_ml": "volume of water in the tank",
    "float_up": "1 while water lifts the float switch",
    "flow_ml_per_min": "flow of water through a pipe",
    "supply_mv": "supply voltage",
    "current_ma": "supply current",
    "duty_pct": "level of a dimmable output",
    "on_pct": "share of the last interval an output was on",
    "heap_free_b": "free heap of the node",
    "outbox_count": "records waiting for the host",
    "rssi_dbm": "signal strength of Wi-Fi",
}

SETTING_TEXTS = {
    "dosing.enabled": "automatic dosing; off: monitor only",
    "dosing.authority_pct":
        "share of the hourly and daily budgets; 0 is advice only, above 25 must be earned",
    "ph.target": "target pH",
    "ph.deadband": "half width of the band around the pH target",
    "ph.down_ul_per_ph":
        "pH-down stock that changes the whole reservoir by 1 pH, from the titration",
    "ph.up_ul_per_ph": "pH-up stock that changes the whole reservoir by 1 pH, from the titration",
    "ec.target_us_cm": "target EC",
    "ec.deadband_us_cm": "half width of the band around the EC target",
    "ec.ul_per_100_us_cm":
        "volume of each of nutrients A and B that raises the whole reservoir by 100 uS/cm",
    "reservoir.area_cm2": "surface area of the tank, to convert level to volume",
    "level.low_mm": "below it no dosing and no pump runs",
    "level.target_mm": "top-off fills to this level",
    "level.full_mm": "above it top-off is locked",
    "topoff.max_ms_day": "maximum top-off time a day",
    "mixing.wait_ms": "wait after a dose before a reading is used",
    "circulation.on_ms": "on-time of circulation per cycle",
    "circulation.off_ms": "rest of circulation per cycle; 0: continuous",
    "irrigation.on_s": "watering time per cycle; 0: never",
    "irrigation.off_s": "rest between waterings; 0: none",
    "irrigation.night_off_s": "rest between waterings at night; 0: as by day",
    "irrigation.drain_s":
        "time until the water of a flood is back in the tank; 0: the level never drops",
    "irrigation.low_ml_per_min": "minimum flow, if there is a flow meter; 0: no check",
    "light.on_minute": "local minute of the day the light turns on",
    "light.on_minutes": "photoperiod; 0: always dark",
    "light.ramp_minutes": "length of the sunrise and sunset ramps",
    "light.duty_pct": "level at full light",
    "climate.heat_day_c": "minimum air temperature of the heater by day",
    "climate.heat_night_c": "minimum air temperature of the heater by night",
    "climate.cool_day_c": "maximum air temperature of the fan by day",
    "climate.cool_night_c": "maximum air temperature of the fan by night",
    "climate.deadband_c": "hysteresis: heating ends this much above, cooling this much below",
    "climate.max_c": "hotter air locks the heater",
    "climate.rh_max_pct": "above it the fan dries the air",
    "climate.vpd_low_day_pa": "below this VPD the fan dries the air by day",
    "climate.vpd_high_day_pa": "above this VPD the humidifier runs by day",
    "climate.vpd_low_night_pa": "below this VPD the fan dries the air by night",
    "climate.vpd_high_night_pa": "above this VPD the humidifier runs by night",
    "climate.vpd_deadband_pa":
        "hysteresis: drying ends this much above, humidifying this much below",
    "climate.vent_minutes":
        "ventilation: minutes of each hour the fan runs, unless the air is cold",
    "climate.blind_vent_minutes": "ventilation without an air temperature: minutes of each hour",
    "clock.utc_offset_min": "offset of local time from UTC",
    "sample.every_ms": "sampling interval",
    "ph.neutral_uv": "calibration: front-end voltage at pH 7",
    "ph.slope_uv_per_ph": "calibration: front-end voltage per pH at 25 C",
    "ph.calibrated_day": "calibration day, in days since 2000-01-01; 0: never",
    "ec.cell_milli": "calibration: cell constant K",
    "ec.alpha_ppm_c": "temperature coefficient of the EC of the solution",
    "level.zero_uv": "calibration: level signal of an empty tank",
    "level.uv_per_mm": "calibration: level signal per millimetre",
    "doser.ul_per_s": "calibration: flow of the dosing pumps",
}

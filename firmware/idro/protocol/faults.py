"""Fault codes: why a channel has no value. One sentence each, shown to the operator as is."""

FAULTS = {
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


def is_fault(code):
    """True when `code` is a fault of this table."""
    return code in FAULTS

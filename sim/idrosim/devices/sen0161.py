"""DFRobot SEN0161-V2 analog pH board: 1500 mV + 3 times the electrode voltage, 0 to 3 V."""

_RAIL_V = 3.0


def volts(electrode_mv, fault=None):
    """Return the output voltage for an electrode at `electrode_mv` (acid is positive), V.

    fault "unplugged": the open input drifts to the upper limit. "shorted": 0 mV at the input.
    """
    if fault == "unplugged":
        return _RAIL_V
    if fault == "shorted":
        electrode_mv = 0.0
    out_v = (1500 + 3 * electrode_mv) / 1000
    if out_v < 0.0:
        return 0.0
    return _RAIL_V if out_v > _RAIL_V else out_v

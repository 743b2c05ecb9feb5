"""DFRobot DFR0300 analog conductivity board: 820 ohm feedback, 200 mV drive, 0 to 3.4 V.

A cell of constant K in water of conductivity kappa has a conductance of kappa / K.
"""

_FEEDBACK_OHM = 820
_DRIVE_V = 0.2
_RAIL_V = 3.4


def volts(kappa_us_cm, cell_k, fault=None):
    """Return the output voltage, V; kappa is at the temperature of the water.

    fault "unplugged": an open cell, 0 V. "shorted": the upper limit.
    """
    if fault == "unplugged":
        return 0.0
    if fault == "shorted":
        return _RAIL_V
    conductance_s = kappa_us_cm * 1e-6 / cell_k
    out_v = conductance_s * _FEEDBACK_OHM * _DRIVE_V
    if out_v < 0.0:
        return 0.0
    return _RAIL_V if out_v > _RAIL_V else out_v

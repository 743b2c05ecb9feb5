"""A 4-20 mA level transmitter with a 150 ohm shunt: 4 mA dry, 20 mA at full scale.

Out of range it saturates at 3.8 and 20.5 mA; currents below 3.6 or above 21 mA signal a failure
(NAMUR NE 43).
"""

_SHUNT_OHM = 150
_ZERO_MA = 4.0
_SPAN_MA = 16.0
_CLAMP_V = 3.3  # the protection diode at the ADC input


def volts(level_mm, full_scale_mm=1000, fault=None):
    """Return the voltage across the shunt with `level_mm` of water above the transmitter.

    fault "unplugged": no current. "shorted": the loop supply, clamped at the input.
    """
    if fault == "unplugged":
        return 0.0
    if fault == "shorted":
        return _CLAMP_V
    current_ma = _ZERO_MA + _SPAN_MA * level_mm / full_scale_mm
    return min(20.5, max(3.8, current_ma)) * _SHUNT_OHM / 1000

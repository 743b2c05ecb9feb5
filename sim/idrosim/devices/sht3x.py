"""SHT3x humidity sensor at command level (Sensirion SHT3x-DIS datasheet v7): single shots."""

from idrosim.devices.shared.sensirion import Sht

FAULTS = ("unplugged", "stuck", "noisy")
_STRETCHED = "clock stretching holds the bus"


def wire(wiring, spec):
    """Connect a sensor to its bus; return it and its probe."""
    air, probe = wiring.air(spec)
    return wiring.on_i2c(spec, Sht3x(wiring.clock, air)), probe


class Sht3x(Sht):
    """One part."""

    PART = "sht3x"
    MEASURE_US = {0x2400: 15_500, 0x240B: 6_500, 0x2416: 4_500}
    # Status (alert pending, reset detected), soft reset, clear status, break.
    ANSWERS = {0xF32D: (0x8010,), 0x30A2: (), 0x3041: (), 0x3093: ()}
    COMMAND_US = 1_500
    FORBIDDEN = {
        0x306D: "the heater must stay off", 0x2C06: _STRETCHED, 0x2C0D: _STRETCHED,
        0x2C10: _STRETCHED}

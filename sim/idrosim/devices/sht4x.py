"""SHT4x humidity sensor at command level (Sensirion SHT4x datasheet v6)."""

from idrosim.devices.shared.sensirion import Sht

FAULTS = ("unplugged", "stuck", "noisy")


def wire(wiring, spec):
    """Connect a sensor to its bus; return it and its probe."""
    air, probe = wiring.air(spec)
    return wiring.on_i2c(spec, Sht4x(wiring.clock, air)), probe


class Sht4x(Sht):
    """One part."""

    PART = "sht4x"
    COMMAND_BYTES = 1
    MEASURE_US = {0xFD: 8_300, 0xF6: 4_500, 0xE0: 1_600}
    ANSWERS = {0x89: (0x0F0E, 0x0D0C), 0x94: ()}  # serial number, soft reset
    FORBIDDEN = dict.fromkeys(
        (0x39, 0x32, 0x2F, 0x24, 0x1E, 0x15), "the heater must stay off")
    RH_PCT = 125, -6

"""Builders that connect the parts of field_probes.py and EZO circuits to a board.

A builder takes the Wiring and the entry of the board, connects the part to its bus or pins, and
returns (part with a `fault`, its probe). Devices are imported only if the board has them.
"""

from idrosim.devices.shared.probe_signals import signal_of
from idrosim.probes import field_probes, water_probes


def _reading(wiring, spec):
    """Wire a circuit or a light sensor that reads one property of its probe."""
    part = spec.get("driver", spec["part"])
    name, quantity = _READING[part]
    kind, build, signal = signal_of(quantity, spec["source"])
    probe = wiring.probe(spec, kind, build)
    device = _class_of(part, name)(wiring.clock, wiring.reader(probe, signal))
    if quantity == "illuminance_lx":
        return wiring.on_i2c(spec, device), probe
    from idrosim.devices.shared.ezo_interfaces import EzoI2c, EzoUart

    if "address" in spec:
        return wiring.on_i2c(spec, EzoI2c(device)), probe
    return wiring.on_uart(spec, EzoUart(device), 9_600), probe


def hc_sr04(wiring, spec):
    """Wire a range finder to its trigger and echo pins."""
    from idrosim.devices.hc_sr04 import HcSr04

    return _range_finder(wiring, spec, HcSr04)


def jsn_sr04t(wiring, spec):
    """Wire a waterproof range finder to its pins or its UART."""
    from idrosim.devices.jsn_sr04t import JsnSr04t, JsnUart

    return _range_finder(wiring, spec, JsnUart if "bus" in spec else JsnSr04t)


def vl53l0x(wiring, spec):
    """Wire a laser ranger above its float."""
    from idrosim.devices.vl53l0x import Vl53l0x

    probe = wiring.probe(spec, "range", field_probes.RangeProbe)
    level_mm = wiring.reader(probe, "level_mm")
    part = Vl53l0x(wiring.clock, lambda: spec["height_mm"] - level_mm())
    return wiring.on_i2c(spec, part), probe


def float_switch(wiring, spec):
    """Wire a float switch to its pin; for the source `leak` it lies on the floor."""
    from idrosim.devices.float_switch import FloatSwitch

    probe = wiring.probe(spec, "float", field_probes.FloatProbe)
    probe.is_on_floor = spec["source"] == "leak"
    part = FloatSwitch(wiring.clock, wiring.reader(probe, "is_up"), spec["up_level"])
    wiring.pin_parts[spec["pin"]] = part
    return part, probe


def flow_meter(wiring, spec):
    """Wire a flow meter to its pin: in the top-off line, or for the source `irrigation` there."""
    from idrosim.devices.flow_meter import FlowMeter

    probe = wiring.probe(spec, "flow", field_probes.FlowProbe)
    if spec["source"] == "irrigation":
        probe.line = "irrigated_ml"
    part = FlowMeter(spec["pulses_per_l"])
    probe.turn = part.flow
    wiring.pin_parts[spec["pin"]] = part
    return part, probe


def scd4x(wiring, spec):
    """Wire a CO2 sensor, which also reads temperature and humidity."""
    from idrosim.devices.scd4x import Scd4x

    gas = wiring.probe(spec, "co2", field_probes.GasProbe)
    air = wiring.probe(spec, "air", water_probes.AirProbe, measure="co2_air")

    def surroundings():
        wiring.sync()
        return gas.co2_ppm, air.temp_c, air.rh_pct

    return wiring.on_i2c(spec, Scd4x(wiring.clock, surroundings)), gas


def ina219(wiring, spec):
    """Wire a current and voltage monitor into the rail of the pumps."""
    from idrosim.devices.ina219 import Ina219

    probe = wiring.probe(spec, "supply", field_probes.SupplyProbe)
    part = Ina219(wiring.clock, wiring.reader(probe, "supply"), spec["shunt_mohm"])
    return wiring.on_i2c(spec, part), probe


def pca9685(wiring, spec):
    """Return a PWM expander, which also listens on the general call and All Call addresses."""
    from idrosim.devices.pca9685 import AllCall, GeneralCall, Pca9685

    device = Pca9685(wiring.clock)
    for address, build in ((0x00, GeneralCall), (0x70, AllCall)):
        wiring.at_address(spec["bus"], address, build).parts.append(device)
    return device


def _range_finder(wiring, spec, build):
    probe = wiring.probe(spec, "range", field_probes.RangeProbe)
    level_mm = wiring.reader(probe, "level_mm")

    def distance_mm():
        return spec["height_mm"] - level_mm()

    part = build(wiring.clock, distance_mm, lambda: probe.air_c)
    if "bus" in spec:
        return wiring.on_uart(spec, part, 9_600), probe
    wiring.pin_parts[spec["trigger_pin"]] = wiring.pin_parts[spec["echo_pin"]] = part
    return part, probe


def _class_of(part, name):
    return getattr(__import__("idrosim.devices." + part, None, None, (name,)), name)


# part: (its class, what it reads)
_READING = {
    "ezo_ph": ("EzoPh", "ph"), "ezo_ec": ("EzoEc", "ec_us_cm"), "ezo_do": ("EzoDo", "do_mg_l"),
    "ezo_rtd": ("EzoRtd", "temp_c"),
    "bh1750": ("Bh1750", "illuminance_lx"), "tsl2591": ("Tsl2591", "illuminance_lx"),
}
# part: (builder, faults of the part itself)
PARTS = {
    "ezo_ph": (_reading, ("unplugged", "noisy")),
    "ezo_ec": (_reading, ("unplugged", "noisy")),
    "ezo_do": (_reading, ("unplugged", "noisy")),
    "ezo_rtd": (_reading, ("unplugged", "noisy")),
    "hc_sr04": (hc_sr04, ("unplugged",)),
    "jsn_sr04t": (jsn_sr04t, ("unplugged",)),
    "vl53l0x": (vl53l0x, ("unplugged",)),
    "float_switch": (float_switch, ("unplugged", "shorted", "stuck", "noisy")),
    "flow_meter": (flow_meter, ("unplugged", "stuck")),
    "scd4x": (scd4x, ("unplugged", "noisy")),
    "bh1750": (_reading, ("unplugged",)),
    "tsl2591": (_reading, ("unplugged",)),
    "ina219": (ina219, ("unplugged",)),
}
# I/O expanders; pcf8574 is that of relays.
EXPANDERS = {
    "mcp23017": lambda wiring, spec: _class_of("mcp23017", "Mcp23017")(),
    "pcf8574": lambda wiring, spec: _class_of("pcf8574", "Pcf8574")(), "pca9685": pca9685}

"""Builders that connect the parts of field_probes.py and EZO circuits to a board.

A builder takes the Wiring and the entry of the board, connects the part to its bus or pins, and
returns (part with a `fault`, its probe). Devices are imported only if the board has them.
"""

from idrosim.probes import field_probes, water_probes


def ezo_ph(wiring, spec):
    """Wire a pH circuit with its electrode."""
    from idrosim.devices.ezo_ph import EzoPh

    probe = wiring.probe(spec, "ph", water_probes.PhProbe)
    circuit = EzoPh(wiring.clock, wiring.reader(probe, "electrode_mv"))
    return _ezo(wiring, spec, circuit), probe


def ezo_ec(wiring, spec):
    """Wire a conductivity circuit with its cell."""
    from idrosim.devices.ezo_ec import EzoEc

    probe = wiring.probe(spec, "ec", water_probes.EcProbe)
    circuit = EzoEc(wiring.clock, wiring.reader(probe, "kappa_us_cm"))
    return _ezo(wiring, spec, circuit), probe


def ezo_do(wiring, spec):
    """Wire an oxygen circuit with its probe."""
    from idrosim.devices.ezo_do import EzoDo

    probe = wiring.probe(spec, "do", field_probes.OxygenProbe)
    return _ezo(wiring, spec, EzoDo(wiring.clock, wiring.reader(probe, "do_mg_l"))), probe


def ezo_rtd(wiring, spec):
    """Wire a temperature circuit with its probe: in the water, or for the source `air` there."""
    from idrosim.devices.ezo_rtd import EzoRtd
    from idrosim.devices.shared.probe_signals import signal_of

    kind, build, name = signal_of("temp_c", spec["source"])
    probe = wiring.probe(spec, kind, build)
    return _ezo(wiring, spec, EzoRtd(wiring.clock, wiring.reader(probe, name))), probe


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


def bh1750(wiring, spec):
    """Wire a light sensor."""
    from idrosim.devices.bh1750 import Bh1750

    return _light(wiring, spec, Bh1750)


def tsl2591(wiring, spec):
    """Wire a light sensor with two diodes."""
    from idrosim.devices.tsl2591 import Tsl2591

    return _light(wiring, spec, Tsl2591)


def ina219(wiring, spec):
    """Wire a current and voltage monitor into the rail of the pumps."""
    from idrosim.devices.ina219 import Ina219

    probe = wiring.probe(spec, "supply", field_probes.SupplyProbe)
    part = Ina219(wiring.clock, wiring.reader(probe, "supply"), spec["shunt_mohm"])
    return wiring.on_i2c(spec, part), probe


def mcp23017(wiring, spec):
    """Return an I/O expander."""
    from idrosim.devices.mcp23017 import Mcp23017

    return Mcp23017()


def pcf8574(wiring, spec):
    """Return an I/O expander for relays."""
    from idrosim.devices.pcf8574 import Pcf8574

    return Pcf8574()


def pca9685(wiring, spec):
    """Return a PWM expander, which also listens on the general call and All Call addresses."""
    from idrosim.devices.pca9685 import AllCall, GeneralCall, Pca9685

    device = Pca9685(wiring.clock)
    for address, build in ((0x00, GeneralCall), (0x70, AllCall)):
        wiring.at_address(spec["bus"], address, build).parts.append(device)
    return device


def _ezo(wiring, spec, circuit):
    from idrosim.devices.shared.ezo_interfaces import EzoI2c, EzoUart

    if "address" in spec:
        return wiring.on_i2c(spec, EzoI2c(circuit))
    return wiring.on_uart(spec, EzoUart(circuit), 9_600)


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


def _light(wiring, spec, build):
    probe = wiring.probe(spec, "light", field_probes.LightProbe)
    return wiring.on_i2c(spec, build(wiring.clock, wiring.reader(probe, "illuminance_lx"))), probe


# part: (builder, faults of the part itself)
PARTS = {
    "ezo_ph": (ezo_ph, ("unplugged", "noisy")),
    "ezo_ec": (ezo_ec, ("unplugged", "noisy")),
    "ezo_do": (ezo_do, ("unplugged", "noisy")),
    "ezo_rtd": (ezo_rtd, ("unplugged", "noisy")),
    "hc_sr04": (hc_sr04, ("unplugged",)),
    "jsn_sr04t": (jsn_sr04t, ("unplugged",)),
    "vl53l0x": (vl53l0x, ("unplugged",)),
    "float_switch": (float_switch, ("unplugged", "shorted", "stuck", "noisy")),
    "flow_meter": (flow_meter, ("unplugged", "stuck")),
    "scd4x": (scd4x, ("unplugged", "noisy")),
    "bh1750": (bh1750, ("unplugged",)),
    "tsl2591": (tsl2591, ("unplugged",)),
    "ina219": (ina219, ("unplugged",)),
}
EXPANDERS = {"mcp23017": mcp23017, "pcf8574": pcf8574, "pca9685": pca9685}

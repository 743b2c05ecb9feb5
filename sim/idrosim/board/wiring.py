"""Connects the simulated parts and probes of a compiled board to its buses and pins.

The name of a part is its name in the board file and its module in idrosim/devices. An unknown
part raises a ValueError that names it.
"""

import hashlib

from idrosim.board import field_wiring
from idrosim.devices import dfr0300, hydrostatic, sen0161
from idrosim.devices.ads1115 import Ads1115
from idrosim.devices.button import Button
from idrosim.devices.dimmer import Dimmer
from idrosim.devices.doser import Doser
from idrosim.devices.ds18b20 import Ds18b20
from idrosim.devices.esp32_adc import ERRORS_MV, Esp32Adc
from idrosim.devices.shared.onewire_bus import OneWireBus, crc8
from idrosim.devices.switch import Switch
from idrosim.greenhouse.rng import Rng
from idrosim.probes import parameters, water_probes

LOADS = {"doser": Doser, "switch": Switch, "dimmer": Dimmer}
# Faults of the part itself; all others are faults of its probe.
_PART_FAULTS = {
    "sen0161": ("unplugged", "shorted"),
    "dfr0300": ("unplugged", "shorted"),
    "hydrostatic": ("unplugged", "shorted"),
    "ds18b20": ("unplugged", "shorted", "stuck", "noisy"),
}


class FrontEnd:
    """An analog board between a probe and an ADC input."""

    def __init__(self, volts, read):
        self._volts = volts
        self._read = read
        self.fault = None

    def volts(self):
        """Return the voltage at the ADC input, V."""
        return self._volts(self._read(), self.fault)


class Sensor:
    """A part and its probe as one target of faults."""

    def __init__(self, part_faults, part, probe):
        self._part_faults = part_faults
        self._part = part
        self._probe = probe

    @property
    def fault(self):
        return self._part.fault or self._probe.fault

    @fault.setter
    def fault(self, fault):
        is_of_part = fault in self._part_faults
        self._probe.fault = None if is_of_part else fault
        self._part.fault = fault if is_of_part else None


class Wiring:
    """Buses and pins of one board. `sync()` advances the world before each measurement."""

    def __init__(self, board, params, seed, clock, sync):
        self.i2c_buses = {}  # (scl pin, sda pin): {address: device}
        self.onewire_buses = {}  # pin: OneWireBus
        self.probes = {}  # channel of the first measure: probe
        self._by_kind = {}
        self.fault_targets = {}  # channel, adc or actuator: object with a `fault`
        self.uart_parts = {}  # (tx pin, rx pin): (device, baud rate)
        self.pin_parts = {}  # pin: device with level or set_level
        self.clock = clock
        self.sync = sync
        self._params = params  # of probes, keys of probes/parameters.py
        self._seed = seed
        self._i2c_by_name = {}
        self._uart_pins = {
            "uart." + name: (bus["tx_pin"], bus["rx_pin"])
            for name, bus in board.get("uart", {}).items()}
        self._lines = {}  # "rs485.main": ModbusLine
        for name, line in board.get("rs485", {}).items():
            self._add_line("rs485." + name, line)
        self._analog_inputs = {}  # adc: (its inputs, index of each channel)
        for name, bus in board.get("i2c", {}).items():
            devices = self._i2c_by_name["i2c." + name] = {}
            self.i2c_buses[(bus["scl_pin"], bus["sda_pin"])] = devices
        lines = {"onewire." + name: [] for name in board.get("onewire", {})}
        self.own_adc = _own_adc(board, seed)  # the ADC of the chip
        for spec in board.get("adcs", ()):
            self._add_adc(spec)
        if board.get("button"):
            button = self.pin_parts[board["button"]["pin"]] = Button(clock)
            self.fault_targets["button"] = button
        self.expanders = {}  # name: device
        for spec in board.get("expanders", ()):
            self._add_expander(spec)
        for spec in board["sensors"]:
            self._add_sensor(spec, lines)
        for name, bus in board.get("onewire", {}).items():
            self.onewire_buses[bus["pin"]] = OneWireBus(lines["onewire." + name])

    def set_probe(self, key, value):
        """Change `probe.<kind>.<name>` of every probe of the kind. Raises ValueError."""
        _, kind, name = (key.split(".") + ["", ""])[:3]
        parameters.check(key, value)
        for probe in self._by_kind.get(kind, ()):
            probe.params[name] = float(value)

    def _add_adc(self, spec):
        name = "adc." + spec["name"]
        if "pins" in spec:
            self.fault_targets[name] = self.own_adc
            self._analog_inputs[name] = self.own_adc.inputs, spec["pins"]
            return
        adc = self.fault_targets[name] = self.on_i2c(spec, Ads1115(self.clock))
        self._analog_inputs[name] = adc.inputs, range(len(adc.inputs))

    def _add_line(self, name, spec):
        from idrosim.devices.shared.modbus_line import ModbusLine

        line = ModbusLine(self.clock, spec["baud"], spec.get("parity"), "de_pin" in spec)
        self._lines[name] = line
        self.uart_parts[(spec["tx_pin"], spec["rx_pin"])] = (line, spec["baud"])
        if "de_pin" in spec:
            self.pin_parts[spec["de_pin"]] = line

    def on_line(self, spec, slave):
        """Put a Modbus slave at the address of `spec` on its line."""
        self._lines[spec["bus"]].slaves[spec["address"]] = slave

    def _add_expander(self, spec):
        device = field_wiring.EXPANDERS[spec["part"]](self, spec)
        self.expanders[spec["name"]] = self.on_i2c(spec, device)
        self.pin_parts[spec["off_pin"]] = device
        self.fault_targets["expander." + spec["name"]] = device

    def at_address(self, bus, address, build):
        """Return the device at an address of a bus; the first call creates it by `build()`."""
        devices = self._i2c_by_name[bus]
        if address not in devices:
            devices[address] = build()
        return devices[address]

    def _add_sensor(self, spec, lines):
        part = spec.get("driver", spec["part"])
        if part in _ANALOG:
            device, probe = self._analog(spec)
            self.on_adc(spec, device.volts)
        elif part == "ds18b20":
            device, probe = self._water_temperature(spec)
            lines[spec["bus"]].append(device)
        elif part in field_wiring.PARTS:
            device, probe = field_wiring.PARTS[part][0](self, spec)
        else:
            device, probe = _device_of(part).wire(self, spec)
        target = Sensor(_faults_of(part), device, probe)
        for key in spec["measures"]:
            self.fault_targets["{}.{}".format(spec["source"], key)] = target

    def on_i2c(self, spec, device):
        """Connect `device` at the address and bus of `spec`; return it."""
        self._i2c_by_name[spec["bus"]][spec["address"]] = device
        return device

    def on_adc(self, spec, volts):
        """Connect `volts`, which returns a voltage, to the input of the ADC in `spec`."""
        inputs, places = self._analog_inputs[spec["bus"]]
        inputs[places[spec["channel"]]] = volts

    def on_uart(self, spec, device, baud):
        """Connect `device`, which talks at `baud`, to the UART of `spec`; return it."""
        self.uart_parts[self._uart_pins[spec["bus"]]] = (device, baud)
        return device

    def reader(self, probe, name):
        """Return a function that returns the current property `name` of `probe`."""
        sync = self.sync

        def read():
            sync()
            return getattr(probe, name)

        return read

    def _analog(self, spec):
        kind, build, name, volts = _ANALOG[spec["part"]]
        probe = self.probe(spec, kind, build)
        return FrontEnd(volts, self.reader(probe, name)), probe

    def _water_temperature(self, spec):
        probe = self.probe(spec, "temp", water_probes.TempProbe)
        return Ds18b20(self.clock, _rom(spec, self._seed), self.reader(probe, "temp_c")), probe

    def air(self, spec):
        """Return a function that returns (temp_c, rh_pct) at a new air probe, and the probe."""
        probe = self.probe(spec, "air", water_probes.AirProbe)

        def air():
            self.sync()
            return probe.temp_c, probe.rh_pct

        return air, probe

    def probe(self, spec, kind, build, measure=None):
        """Return a new probe of `kind` for a measure of `spec`, by default the first."""
        channel = "{}.{}".format(spec["source"], measure or spec["measures"][0])
        probe = build(self._params, Rng(self._seed * 31 + len(self.probes) + 1))
        self.probes[channel] = probe
        self._by_kind.setdefault(kind, []).append(probe)
        return probe


def _device_of(part):
    """Return the module of a part that has its own `wire()`. Raises ValueError."""
    try:
        module = __import__("idrosim.devices." + part, None, None, ("wire",))
    except ImportError:
        module = None
    if not hasattr(module, "wire"):
        raise ValueError(f"board: part {part} cannot be simulated")
    return module


def _faults_of(part):
    """Return the faults of the part itself."""
    if part in field_wiring.PARTS:
        return field_wiring.PARTS[part][1]
    return _PART_FAULTS.get(part) or _device_of(part).FAULTS


def _own_adc(board, seed):
    """Return the ADC of the chip, with a reference and an error drawn from `seed`."""
    rng = Rng(seed * 31)
    chip = board["chip"]
    vref_mv = int(rng.uniform(1_034, 1_166))
    error_mv = rng.uniform(-ERRORS_MV[chip], ERRORS_MV[chip])
    return Esp32Adc(chip, rng, vref_mv, vref_mv, error_mv)


def _ec_volts(kappa_us_cm, fault):
    return dfr0300.volts(kappa_us_cm, 1.0, fault)


def _level_volts(level_mm, fault):
    return hydrostatic.volts(level_mm, fault=fault)


# part: (kind of its probe, its class, the property it reads, output voltage)
_ANALOG = {
    "sen0161": ("ph", water_probes.PhProbe, "electrode_mv", sen0161.volts),
    "dfr0300": ("ec", water_probes.EcProbe, "kappa_us_cm", _ec_volts),
    "hydrostatic": ("level", water_probes.LevelProbe, "level_mm", _level_volts),
}


def _rom(spec, seed):
    """Return the 8-byte ROM code of a DS18B20: from the board, or derived from the seed."""
    if "rom" in spec:
        return bytes.fromhex(spec["rom"])
    digest = hashlib.sha256("{} {}".format(spec["source"], seed).encode()).digest()
    body = b"\x28" + digest[:6]
    return body + bytes((crc8(body),))

"""Puts the parts of a compiled board on their buses: simulated device, probe and what it sees.

Part name = board entry = file in idrosim/devices. A part the board has and this file lacks is a
ValueError that names it.
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
from idrosim.devices.onewire_bus import OneWireBus, crc8
from idrosim.devices.sht4x import Sht4x
from idrosim.devices.switch import Switch
from idrosim.greenhouse.rng import Rng
from idrosim.probes import parameters, water_probes

LOADS = {"doser": Doser, "switch": Switch, "dimmer": Dimmer}
# What breaks in the part itself; everything else breaks in the probe at its end.
_PART_FAULTS = {
    "sen0161": ("unplugged", "shorted"),
    "dfr0300": ("unplugged", "shorted"),
    "hydrostatic": ("unplugged", "shorted"),
    "ds18b20": ("unplugged", "shorted", "stuck", "noisy"),
    "sht4x": ("unplugged", "stuck", "noisy"),
}


class FrontEnd:
    """An analog board between a probe and an input of the converter."""

    def __init__(self, volts, read):
        self._volts = volts
        self._read = read
        self.fault = None

    def volts(self):
        """Return what the input of the converter sees now."""
        return self._volts(self._read(), self.fault)


class Sensor:
    """A part and its probe, as one thing that can break."""

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
    """The buses of one board. `sync` brings the world up to now before anything is measured."""

    def __init__(self, board, params, seed, clock, sync):
        self.i2c_buses = {}  # (scl pin, sda pin): {address: device}
        self.onewire_buses = {}  # pin: OneWireBus
        self.probes = {}  # channel of its first measure: probe
        self._by_kind = {}
        self.fault_targets = {}  # channel, adc or actuator: what has a `fault`
        self.uart_parts = {}  # (tx pin, rx pin): (device, its baud)
        self.pin_parts = {}  # pin: device with level or set_level
        self.clock = clock
        self.sync = sync
        self._params = params  # of probes, as probe_parameters has them
        self._seed = seed
        self._i2c_by_name = {}
        self._uart_pins = {
            "uart." + name: (bus["tx_pin"], bus["rx_pin"])
            for name, bus in board.get("uart", {}).items()
        }
        self._analog_inputs = {}  # adc: (its inputs, the place there of each channel)
        for name, bus in board.get("i2c", {}).items():
            devices = self._i2c_by_name["i2c." + name] = {}
            self.i2c_buses[(bus["scl_pin"], bus["sda_pin"])] = devices
        lines = {"onewire." + name: [] for name in board.get("onewire", {})}
        self.own_adc = _own_adc(board, seed)  # the chip's own converter
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
        parameters.settings("ph", {key: value})  # refuses what no probe has
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

    def _add_expander(self, spec):
        device = field_wiring.EXPANDERS[spec["part"]](self, spec)
        self.expanders[spec["name"]] = self.on_i2c(spec, device)
        self.pin_parts[spec["off_pin"]] = device
        self.fault_targets["expander." + spec["name"]] = device

    def at_address(self, bus, address, build):
        """Return what is at an address of a bus; `build()` puts it there the first time."""
        devices = self._i2c_by_name[bus]
        if address not in devices:
            devices[address] = build()
        return devices[address]

    def _add_sensor(self, spec, lines):
        part = spec["part"]
        if part in ("sen0161", "dfr0300", "hydrostatic"):
            device, probe = self._analog(spec)
            inputs, places = self._analog_inputs[spec["bus"]]
            inputs[places[spec["channel"]]] = device.volts
        elif part == "ds18b20":
            device, probe = self._water_temperature(spec)
            lines[spec["bus"]].append(device)
        elif part == "sht4x":
            device, probe = self._air(spec)
            self.on_i2c(spec, device)
        elif part in field_wiring.PARTS:
            device, probe = field_wiring.PARTS[part][0](self, spec)
        else:
            device, probe = _device_of(part).wire(self, spec)
        target = Sensor(_faults_of(part), device, probe)
        for key in spec["measures"]:
            self.fault_targets["{}.{}".format(spec["source"], key)] = target

    def on_i2c(self, spec, device):
        """Put `device` at its address on the bus of its entry; returns it."""
        self._i2c_by_name[spec["bus"]][spec["address"]] = device
        return device

    def on_uart(self, spec, device, baud):
        """Put `device` on the UART of its entry, at its own speed; returns it."""
        self.uart_parts[self._uart_pins[spec["bus"]]] = (device, baud)
        return device

    def looking(self, probe, name):
        """Return a function that gives the property `name` of `probe` as it is now."""
        def look():
            self.sync()
            return getattr(probe, name)

        return look

    def _analog(self, spec):
        part = spec["part"]
        sync = self.sync
        if part == "sen0161":
            ph_probe = self.probe(spec, "ph", water_probes.PhProbe)

            def electrode_mv():
                sync()
                return ph_probe.electrode_mv

            return FrontEnd(sen0161.volts, electrode_mv), ph_probe
        if part == "dfr0300":
            ec_probe = self.probe(spec, "ec", water_probes.EcProbe)

            def kappa_us_cm():
                sync()
                return ec_probe.kappa_us_cm

            return FrontEnd(_ec_volts, kappa_us_cm), ec_probe
        level_probe = self.probe(spec, "level", water_probes.LevelProbe)

        def level_mm():
            sync()
            return level_probe.level_mm

        return FrontEnd(_level_volts, level_mm), level_probe

    def _water_temperature(self, spec):
        probe = self.probe(spec, "temp", water_probes.TempProbe)

        def temp_c():
            self.sync()
            return probe.temp_c

        return Ds18b20(self.clock, _rom(spec, self._seed), temp_c), probe

    def _air(self, spec):
        probe = self.probe(spec, "air", water_probes.AirProbe)

        def air():
            self.sync()
            return probe.temp_c, probe.rh_pct

        return Sht4x(self.clock, air), probe

    def probe(self, spec, kind, build, measure=None):
        """Return a new probe of `kind`, named after a measure of `spec`, the first by default."""
        channel = "{}.{}".format(spec["source"], measure or spec["measures"][0])
        probe = build(self._params, Rng(self._seed * 31 + len(self.probes) + 1))
        self.probes[channel] = probe
        self._by_kind.setdefault(kind, []).append(probe)
        return probe


def _device_of(part):
    """Return the module of a part that wires itself. Raises ValueError."""
    try:
        module = __import__("idrosim.devices." + part, None, None, ("wire",))
    except ImportError:
        module = None
    if not hasattr(module, "wire"):
        raise ValueError(f"board: no simulated part {part}")
    return module


def _faults_of(part):
    """Return what breaks in the part itself."""
    if part in field_wiring.PARTS:
        return field_wiring.PARTS[part][1]
    return _PART_FAULTS.get(part) or _device_of(part).FAULTS


def _own_adc(board, seed):
    """Return the chip's own converter, with a reference and an error that are this chip's."""
    rng = Rng(seed * 31)
    chip = board["chip"]
    vref_mv = int(rng.uniform(1_034, 1_166))
    error_mv = rng.uniform(-ERRORS_MV[chip], ERRORS_MV[chip])
    return Esp32Adc(chip, rng, vref_mv, vref_mv, error_mv)


def _ec_volts(kappa_us_cm, fault):
    return dfr0300.volts(kappa_us_cm, 1.0, fault)


def _level_volts(level_mm, fault):
    return hydrostatic.volts(level_mm, fault=fault)


def _rom(spec, seed):
    """Return the 8 bytes a DS18B20 was born with: the board's, or one made from the seed."""
    if "rom" in spec:
        return bytes.fromhex(spec["rom"])
    digest = hashlib.sha256("{} {}".format(spec["source"], seed).encode()).digest()
    body = b"\x28" + digest[:6]
    return body + bytes((crc8(body),))

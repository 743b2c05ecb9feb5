"""Puts the parts of a compiled board on their buses: simulated device, probe and what it sees.

Part name = board entry = file in idrosim/devices. A part the board has and this file lacks is a
ValueError that names it.
"""

import hashlib

from idrosim import probes
from idrosim.devices import dfr0300, hydrostatic, sen0161
from idrosim.devices.ads1115 import Ads1115
from idrosim.devices.dimmer import Dimmer
from idrosim.devices.doser import Doser
from idrosim.devices.ds18b20 import Ds18b20
from idrosim.devices.onewire_bus import OneWireBus, crc8
from idrosim.devices.sht4x import Sht4x
from idrosim.devices.switch import Switch
from idrosim.rng import Rng

LOADS = {"doser": Doser, "switch": Switch, "dimmer": Dimmer}
# Faults that are of the wire and not of the probe at its end.
_FRONT_END_FAULTS = (None, "unplugged", "shorted")


class FrontEnd:
    """An analog board between a probe and an input of the converter."""

    def __init__(self, volts, probe, read):
        self._volts = volts
        self._probe = probe
        self._read = read
        self._fault = None

    @property
    def fault(self):
        return self._fault or self._probe.fault

    @fault.setter
    def fault(self, fault):
        is_of_wire = fault in _FRONT_END_FAULTS
        self._fault = fault if is_of_wire else None
        self._probe.fault = None if is_of_wire else fault

    def volts(self):
        """Return what the input of the converter sees now."""
        return self._volts(self._read(), self._fault)


class Wiring:
    """The buses of one board. `sync` brings the world up to now before anything is measured."""

    def __init__(self, board, params, seed, clock, sync):
        self.i2c_buses = {}  # (scl pin, sda pin): {address: device}
        self.onewire_buses = {}  # pin: OneWireBus
        self.probes = {}  # channel of its first measure: probe
        self.fault_targets = {}  # channel, adc or actuator: what has a `fault`
        self._clock = clock
        self._sync = sync
        self._params = params
        self._seed = seed
        self._i2c_by_name = {}
        self._adcs = {}
        for name, bus in board.get("i2c", {}).items():
            devices = self._i2c_by_name["i2c." + name] = {}
            self.i2c_buses[(bus["scl_pin"], bus["sda_pin"])] = devices
        lines = {"onewire." + name: [] for name in board.get("onewire", {})}
        for spec in board.get("adcs", ()):
            adc = Ads1115(clock)
            self._adcs["adc." + spec["name"]] = adc
            self._i2c_by_name[spec["bus"]][spec["address"]] = adc
            self.fault_targets["adc." + spec["name"]] = adc
        for spec in board["sensors"]:
            self._add_sensor(spec, lines)
        for name, bus in board.get("onewire", {}).items():
            self.onewire_buses[bus["pin"]] = OneWireBus(lines["onewire." + name])

    def _add_sensor(self, spec, lines):
        part = spec["part"]
        if part in ("sen0161", "dfr0300", "hydrostatic"):
            target = self._analog(spec)
            self._adcs[spec["bus"]].inputs[spec["channel"]] = target.volts
        elif part == "ds18b20":
            target = self._water_temperature(spec)
            lines[spec["bus"]].append(target)
        elif part == "sht4x":
            target = self._air(spec)
            self._i2c_by_name[spec["bus"]][spec["address"]] = target
        else:
            raise ValueError(f"board: no simulated part {part}")
        for key in spec["measures"]:
            self.fault_targets["{}.{}".format(spec["source"], key)] = target

    def _analog(self, spec):
        part = spec["part"]
        sync = self._sync
        if part == "sen0161":
            probe = self._probe(spec, probes.PhProbe)

            def read():
                sync()
                return probe.electrode_mv

            return FrontEnd(sen0161.volts, probe, read)
        if part == "dfr0300":
            probe = self._probe(spec, probes.EcProbe)

            def read():
                sync()
                return probe.kappa_us_cm

            return FrontEnd(_ec_volts, probe, read)
        probe = self._probe(spec, probes.LevelProbe)

        def read():
            sync()
            return probe.level_mm

        return FrontEnd(_level_volts, probe, read)

    def _water_temperature(self, spec):
        probe = self._probe(spec, probes.TempProbe)

        def read():
            self._sync()
            return probe.temp_c

        return Ds18b20(self._clock, _rom(spec, self._seed), read)

    def _air(self, spec):
        probe = self._probe(spec, probes.AirProbe)

        def read():
            self._sync()
            return probe.temp_c, probe.rh_pct

        return Sht4x(self._clock, read)

    def _probe(self, spec, kind):
        channel = "{}.{}".format(spec["source"], spec["measures"][0])
        number = len(self.probes) + 1
        probe = kind(self._params, Rng(self._seed * 31 + number))
        self.probes[channel] = probe
        return probe


def _ec_volts(kappa_us_cm, fault):
    return dfr0300.volts(kappa_us_cm, 1.0, fault)


def _level_volts(level_mm, fault):
    return hydrostatic.volts(level_mm, fault=fault)


def _rom(spec, seed):
    """Return the 8 bytes a DS18B20 was born with: the board's, or one made from the seed."""
    if "rom" in spec:
        return bytes.fromhex(spec["rom"])
    digest = hashlib.sha256(("%s %d" % (spec["source"], seed)).encode()).digest()
    body = b"\x28" + digest[:6]
    return body + bytes((crc8(body),))

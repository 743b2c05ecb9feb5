"""Proposes the entries of a board file: sensors, outputs, converters, expanders and buses.

Buses, pins and addresses that are not given are chosen: the lowest suitable free pin. Pins of a
usual bus are taken last. `board new` and the page build boards with it.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from idroserra.boards import analog_line
from idroserra.boards.board_text import Table
from idroserra.boards.chips import CHIPS, Chip
from idroserra.boards.modbus_map import BUS, ModbusPart
from idroserra.boards.pin_uses import pin_slots, usable_pins, use_of
from idroserra.boards.schema import Part
from idroserra.core.errors import BoardError
from idroserra.core.text import Text
from idroserra.i18n.marker import N_

NAME = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")


class Output(NamedTuple):
    """Defaults of an output."""

    part: str
    max_on_ms: int
    load_ma: int  # starting current; 0 for a load on mains


OUTPUTS = {
    "ph_down": Output("doser", 10_000, 300), "ph_up": Output("doser", 10_000, 300),
    "nutrient_a": Output("doser", 10_000, 300), "nutrient_b": Output("doser", 10_000, 300),
    "circulation": Output("switch", 900_000, 2_000), "top_off": Output("switch", 600_000, 500),
    "irrigation": Output("switch", 900_000, 2_000), "light": Output("dimmer", 900_000, 0),
    "fan": Output("switch", 900_000, 500), "heater": Output("switch", 120_000, 0),
    "humidifier": Output("switch", 120_000, 0),
}
_DIMMER_HZ = 1_000
_LONGEST_MS = 900_000  # of an output with a name of its own
_BOOT_PIN = 0  # of the BOOT button of every chip
# Connections of sensors, the preferred first.
_KINDS = ("i2c", "adc", "onewire", "gpio", BUS, "uart", "pin")
KEYS_OF_BUS = {
    "i2c": ("scl_pin", "sda_pin"), "onewire": ("pin",), "uart": ("tx_pin", "rx_pin"),
    BUS: ("tx_pin", "rx_pin", "de_pin")}
# Usual pins, in the order of the keys.
_PINS_OF_BUS: dict[str, dict[str, tuple[int, ...]]] = {
    "i2c": {"esp32": (22, 21), "esp32s2": (35, 33), "esp32s3": (9, 8)},
    BUS: {"esp32": (25, 26, 27), "esp32s2": (17, 16, 15), "esp32s3": (17, 16, 15)}}
_CONVERTER = "ads1115"
# Defaults of keys whose minimum is not the usual value.
_USUAL = {
    ("ezo_ph", "address"): 0x63, ("ezo_ec", "address"): 0x64,
    ("ezo_do", "address"): 0x61, ("ezo_rtd", "address"): 0x66, ("ina219", "shunt_mohm"): 100,
    ("flow_meter", "pulses_per_l"): 450, ("hc_sr04", "height_mm"): 500,
    ("jsn_sr04t", "height_mm"): 600, ("vl53l0x", "height_mm"): 500,
}
_SOURCES = {
    "ph": "reservoir", "ec_us_cm": "reservoir", "level_mm": "reservoir", "float_up": "reservoir",
    "temp_c": "air", "rh_pct": "air", "co2_ppm": "air", "illuminance_lx": "light",
    "flow_ml_per_min": "top_off", "supply_mv": "pumps", "do_mg_l": "reservoir",
    "moisture_pct": "bed", "ppfd_umol_m2_s": "light",
}


def check_name(name: str) -> None:
    """Check the name of a board, which is also that of its file. Raises BoardError."""
    if not NAME.fullmatch(name):
        why = Text(N_("must be 3 to 32 of a-z, 0-9 and -, a letter first"))
        raise BoardError(f"{name:.40}.toml", "board.name", why)


def blank_table(name: str, chip: str, volume_l: int, loads_ma: int) -> Table:
    """Return a board with its BOOT button and nothing else."""
    return {"board": {"name": name, "chip": chip}, "reservoir": {"volume_l": volume_l},
            "supply": {"rail_5v_ma": 2_000, "rail_3v3_ma": 800, "loads_ma": loads_ma},
            "button": {"pin": _BOOT_PIN}}


class Proposal:
    """A board in the making. `table` is that of its file; entries are added to it in place.

    `reserved` are pins that are not proposed. The table must have the types of a BoardFile."""

    def __init__(
        self, table: Table, parts: dict[str, Part], reserved: Iterable[int] = ()
    ) -> None:
        self._table = table
        self._parts = parts
        self._reserved = frozenset(reserved)
        self._file = f"{table['board']['name']:.40}.toml"

    def add_sensor(
        self, name: str, source: str = "", address: int | None = None, quantity: str = ""
    ) -> None:
        """Add a sensor of the part `name`. Raises BoardError if no pin or bus is left.

        One that others need comes before them. `quantity`: the only one to measure; "" for all
        that the part measures at a time."""
        part = self._part(name, "sensor")
        if quantity not in ("", *part.measures):
            why = f"{name} measures {', '.join(part.measures)}, not {quantity:.40}"
            raise BoardError(self._file, "sensor.measures", why)
        wanted = [quantity] if quantity else list(part.measures)
        if name == analog_line.PART:
            wanted = wanted[:1]
        entry: dict[str, Any] = {
            "source": source or self._source(name, part, wanted), "part": name}
        measured = {f"{one['source']}.{q}" for one in self._entries("sensor")
                    for q in one["measures"]}
        # Skip quantities that another part measures; if none remains, the check reports it.
        entry["measures"] = [q for q in wanted
                             if f"{entry['source']}.{q}" not in measured] or wanted
        self._wire(entry, part, "", address)
        sensors = self._table.setdefault("sensor", [])
        needy = [index for index, one in enumerate(sensors)
                 if one["part"] in self._parts
                 and self._parts[one["part"]].needed(one["measures"])]
        is_free = not part.needed(entry["measures"])
        sensors.insert(needy[0] if needy and is_free else len(sensors), entry)

    def rewire_sensor(self, index: int, where: str) -> None:
        """Put a sensor on the bus `where`, such as "i2c.main", or on a new one of the kind "uart".

        Raises BoardError."""
        old = self._entries("sensor")[index]
        part = self._part(old["part"], "sensor")
        new: dict[str, Any] = {key: old[key] for key in ("source", "part", "measures")}
        self._table["sensor"][index] = new  # its pins and its place are free
        self._wire(new, part, where, None)
        # What does not depend on the bus stays as it was set.
        kept = {key: value for key, value in old.items()
                if key in part.parameters and not part.parameters[key].bus and key in new
                and key not in ("address", "channel")}
        new |= kept | {key: old[key] for key in ("own_supply", "pair", "rom") if key in old}

    def add_output(self, name: str, part_name: str = "", pin: int | None = None) -> None:
        """Add an output that is off at low level, on a pin of the chip. Raises BoardError.

        With `part_name` it gets a name that no other has."""
        if part_name:
            name = _numbered(name, {one["name"] for one in self._entries("actuator")})
        kind = OUTPUTS.get(name, Output(part_name, _LONGEST_MS, 0))
        part = self._part(part_name or kind.part, "actuator")
        entry: dict[str, Any] = {"name": name, "part": part_name or kind.part, "safe_level": 0}
        key = f"actuator of {name:.24}"
        entry["pin"] = self._free("off0", key) if pin is None else pin
        if "max_on_ms" in part.parameters:
            entry["max_on_ms"] = min(kind.max_on_ms, part.parameters["max_on_ms"].high)
        entry |= self._parameters(entry, part, "pin")
        self._table.setdefault("actuator", []).append(
            entry | {"pull": "down", "load_ma": kind.load_ma})

    def rewire_output(self, index: int, expander: str) -> None:
        """Put an output on an expander, or with "" on a pin of the chip. Raises BoardError."""
        entry = self._entries("actuator")[index]
        part = self._part(entry["part"], "actuator")
        del entry["pin"]
        entry.pop("expander", None)
        for key, parameter in part.parameters.items():
            if parameter.bus:
                entry.pop(key, None)
        if expander:
            taken = {one["pin"] for one in self._entries("actuator")
                     if one.get("expander") == expander and one is not entry}
            entry |= {"expander": expander, "pin": _lowest(range(256), taken)}
            if self._is_high_when_off(expander):
                entry |= {"safe_level": 1, "pull": "up"}
        else:
            entry["pin"] = self._free(use_of("actuator", "pin", entry, part), f"actuator[{index}]")
        entry |= self._parameters(entry, part, "expander" if expander else "pin")

    def _is_high_when_off(self, expander: str) -> bool:
        names = [one["part"] for one in self._entries("expander") if one["name"] == expander]
        off = self._parts[names[0]].off if names and names[0] in self._parts else None
        return off is not None and off.outputs == "high"

    def add_converter(self, name: str) -> str:
        """Add an ADC; return its name as a bus. Raises BoardError."""
        part = self._part(name, "adc")
        entry: dict[str, Any] = {"name": self._unused("adc", "main"), "part": name}
        if "chip" in part.buses:
            entry["pins"] = [self._free("analog", "adc.pins")]
        else:
            self._place_on_i2c(entry, part, "", None)
        entry |= self._parameters(entry, part, "i2c")
        self._table.setdefault("adc", []).append(entry)
        return f"adc.{entry['name']}"

    def add_input(self, index: int) -> None:
        """Add an input to the chip's own ADC. Raises BoardError."""
        adc = self._entries("adc")[index]
        adc["pins"] = [*adc.get("pins", ()), self._free("analog", f"adc[{index}].pins")]

    def add_expander(self, name: str) -> None:
        """Add an expander with the line that switches its outputs off. Raises BoardError."""
        part = self._part(name, "expander")
        entry: dict[str, Any] = {"name": self._unused("expander", name), "part": name}
        self._place_on_i2c(entry, part, "", None)
        entry["pull"] = "down"
        if part.off is not None:
            entry[part.off.pin] = self._free(f"off{part.off.level}", f"expander.{part.off.pin}")
            entry["pull"] = "up" if part.off.level else "down"
        self._table.setdefault("expander", []).append(
            entry | self._parameters(entry, part, "i2c"))

    def add_bus(self, kind: str, part: Part | None = None) -> str:
        """Add a bus: i2c, onewire, uart or rs485; return its name. Raises BoardError."""
        buses = self._table.setdefault(kind, {})
        name = self._unused(kind, "main")
        hint = _PINS_OF_BUS.get(kind, {}).get(self._chip.name, ())
        bus: dict[str, Any] = {}
        if hint and not {*hint} & self._used():
            bus = dict(zip(KEYS_OF_BUS[kind], hint, strict=True))
        for key in KEYS_OF_BUS[kind]:
            if key not in bus:
                bus[key] = self._free(use_of(kind, key, bus, None), f"{kind}.{name}.{key}", bus)
        if kind == "i2c":
            bus["freq_hz"] = 100_000
            hard = sum(not one.get("soft", False) for one in buses.values())
            if hard >= self._chip.i2cs:
                bus["soft"] = True
        elif kind in ("uart", BUS):
            bus["baud"] = 9_600
        if isinstance(part, ModbusPart):
            bus |= {"baud": part.probe.bauds[0], "parity": part.probe.parities[0]}
        buses[name] = bus
        return f"{kind}.{name}"

    def set_chip(self, chip: str) -> None:
        """Change the chip; pins that are not usable on it are replaced, if another is free."""
        self._table["board"]["chip"] = chip
        kept: set[int] = set()
        wrong = []
        for slot in pin_slots(self._table, self._parts):
            is_good = slot.pin in usable_pins(chip, slot.use) and slot.pin not in kept
            if is_good:
                kept.add(slot.pin)
            else:
                wrong.append(slot)
        for slot in wrong:
            free = [pin for pin in usable_pins(chip, slot.use) if pin not in kept]
            if free:
                kept.add(free[0])
                slot.replace(free[0])

    @property
    def _chip(self) -> Chip:
        return CHIPS[self._table["board"]["chip"]]

    def _entries(self, section: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._table.get(section, [])
        return found

    def _part(self, name: str, kind: str) -> Part:
        part = self._parts.get(name)
        if part is None or part.kind != kind:
            fitting = ", ".join(n for n, p in self._parts.items() if p.kind == kind)
            why = f"unknown part {name:.40}; {kind} parts: {fitting}"
            raise BoardError(self._file, f"{kind}.part", why)
        return part

    def _source(self, name: str, part: Part, wanted: list[str]) -> str:
        """Return where a sensor is usually mounted, or a name like it if that is measured."""
        # Most probes measure their temperature besides.
        main = next((key for key in wanted if key != "temp_c"), wanted[0])
        source = _SOURCES.get(main, name)
        if part.measures == ["temp_c"]:  # a thermometer of the water
            source = "reservoir"
        measured = {(one["source"], q) for one in self._entries("sensor")
                    for q in one["measures"]}
        taken = {at for at, _ in measured if all((at, q) in measured for q in wanted)}
        return _numbered(source, taken)

    def _wire(self, entry: dict[str, Any], part: Part, where: str, address: int | None) -> None:
        """Add the bus or the pins of a sensor to its entry, and its parameters.

        `where`: a bus, a kind of bus for a new one, or "" to choose."""
        kind = where.partition(".")[0] or next((k for k in _KINDS if k in part.buses), "pin")
        if kind not in part.buses:
            why = f"{entry['part']} needs {' or '.join(part.buses)}, not {kind:.20}"
            raise BoardError(self._file, "sensor.bus", why)
        given = {} if address is None else {"address": address}
        if kind == "i2c":
            self._place_on_i2c(entry, part, where, address)
        elif kind == "adc":
            self._place_on_adc(entry, part, where)
        elif kind == BUS:
            bus = where if "." in where else self._line_for(part, is_new=bool(where))
            taken = self._taken(bus, "address")
            usual = part.probe.address if isinstance(part, ModbusPart) else 1
            entry |= {"bus": bus, "address": usual if usual not in taken
                      else _lowest(range(1, 248), taken)} | given
        elif kind in KEYS_OF_BUS:
            entry["bus"] = where if "." in where else self.add_bus(kind)
        else:
            for key in part.pins or ["pin"]:
                entry[key] = self._free(use_of("sensor", key, entry, part), f"sensor.{key}", entry)
        entry |= self._parameters(entry, part, kind) | given

    def _place_on_i2c(
        self, entry: dict[str, Any], part: Part, where: str, address: int | None
    ) -> None:
        """Put a part on an I2C bus where one of its addresses is free, else on a new bus."""
        parameter = part.parameters.get("address")
        buses = [where] if "." in where else [] if where else [
            f"i2c.{name}" for name in self._table.get("i2c", {})]
        for bus in (*buses, ""):
            entry["bus"] = bus or (where if "." in where else self.add_bus("i2c"))
            if parameter is None or address is not None:
                break
            taken = self._taken(entry["bus"], "address")
            usual = _USUAL.get((entry["part"], "address"), parameter.low)
            entry["address"] = usual if usual not in taken else _lowest(
                filter(parameter.allows, range(parameter.low, parameter.high + 1)), taken)
            if entry["address"] not in taken:
                break

    def _place_on_adc(self, entry: dict[str, Any], part: Part, where: str) -> None:
        """Put an analog sensor on a free input of a converter, else on a new one."""
        channel = part.parameters.get("channel")
        low, high = (channel.low, channel.high) if channel else (0, 3)
        adcs = sorted(self._entries("adc"), key=lambda one: "pins" in one)
        for adc in adcs:
            bus = f"adc.{adc['name']}"
            if where not in ("", bus):
                continue
            last = min(high, len(adc["pins"]) - 1) if "pins" in adc else high
            taken = self._taken(bus, "channel")
            free = [one for one in range(low, last + 1) if one not in taken]
            if free or where:
                entry |= {"bus": bus, "channel": free[0] if free else low}
                return
        entry |= {"bus": self.add_converter(_CONVERTER), "channel": low}

    def _line_for(self, part: Part, *, is_new: bool) -> str:
        """Return an RS485 line at whose rate a probe speaks, else a new one."""
        for name, line in ({} if is_new else self._table.get(BUS, {})).items():
            if isinstance(part, ModbusPart) and line["baud"] in part.probe.bauds and (
                    line.get("parity", "none") in part.probe.parities):
                return f"{BUS}.{name}"
        return self.add_bus(BUS, part)

    def _taken(self, bus: str, key: str) -> set[int]:
        """Return the addresses or channels of a bus that are used."""
        return {one[key] for section in ("adc", "expander", "sensor")
                for one in self._entries(section) if one.get("bus") == bus and key in one}

    def _parameters(self, entry: dict[str, Any], part: Part, kind: str) -> dict[str, Any]:
        """Return the keys that an entry lacks, with their usual values, else the lowest ones."""
        line = analog_line.USUAL[entry["measures"][0]] if entry["part"] == analog_line.PART else {}
        return {
            key: line.get(key, _USUAL.get(
                (entry["part"], key), _DIMMER_HZ if key == "freq_hz" else one.low))
            for key, one in part.parameters.items()
            if one.bus in ("", kind) and key not in entry}

    def _used(self) -> set[int]:
        return {slot.pin for slot in pin_slots(self._table, self._parts)} | self._reserved

    def _free(self, use: str, key: str, entry: Mapping[str, Any] = MappingProxyType({})) -> int:
        """Return the lowest free pin for a use, those of usual buses last.

        `entry` has pins that the table lacks."""
        used = self._used() | {one for one in entry.values() if isinstance(one, int)}
        usual = {pin for pins in _PINS_OF_BUS.values() for pin in pins[self._chip.name]}
        free = [pin for pin in usable_pins(self._chip.name, use) if pin not in used]
        if not free:
            why = Text(N_("no free pin on the {chip}: remove a sensor or output"),
                       chip=self._chip.name)
            raise BoardError(self._file, key, why)
        return min(free, key=lambda pin: (pin in usual, pin))

    def _unused(self, section: str, name: str) -> str:
        """Return the name, or one like it that the section does not have."""
        there = self._table.get(section, {})
        return _numbered(name, set(there) if isinstance(there, dict)
                         else {one["name"] for one in there})


def _numbered(name: str, taken: set[str]) -> str:
    return next(one for number in range(1, len(taken) + 2)
                if (one := name if number == 1 else f"{name}_{number}") not in taken)


def _lowest(numbers: Iterable[int], taken: set[int]) -> int:
    """Return the first number that is free, the first one if none is."""
    there = list(numbers)
    return next((one for one in there if one not in taken), there[0])

"""Generates a board file from a list of sensors and outputs.

Buses, pins and addresses that are not given are chosen: the lowest suitable free pin. The file is
compiled before it is returned, so it passes `board check`.
"""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from idroserra.boards import analog_line, compiler, netlist
from idroserra.boards.chips import CHIPS, Chip, unknown_chip
from idroserra.boards.modbus_map import BUS, ModbusPart
from idroserra.boards.schema import DEFAULT_VOLUME_L, BoardFile, Part, parse
from idroserra.core.errors import BoardError

NAME = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")
_SENSOR = re.compile(r"(?P<part>\w+)(?:\.(?P<quantity>\w+))?(?::(?P<source>\w+))?"
                     r"(?:@(?P<address>0x[0-9a-f]+|\d+))?")
_OUTPUT = re.compile(r"(?P<name>\w+)(?:@(?P<pin>\d+))?")


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
# Default pins: (clock, data) of the I2C bus, (transmit, receive, driver) of the RS485 line.
_I2C_PINS = {"esp32": (22, 21), "esp32s2": (35, 33), "esp32s3": (9, 8)}
_BOOT_PIN = 0  # of the BOOT button of every chip
_RS485_PINS = {"esp32": (25, 26, 27), "esp32s2": (17, 16, 15), "esp32s3": (17, 16, 15)}
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


@dataclass(frozen=True)
class Answers:
    """The input: sensors as `part.quantity:source@address`, outputs as `name@pin`.

    Quantity, source, address and pin are optional.
    """

    chip: str
    volume_l: int = DEFAULT_VOLUME_L
    sensors: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    button: bool = True
    loads_ma: int = 5_000


def board_text(name: str, answers: Answers, parts: dict[str, Part]) -> str:
    """Return a valid board file for `answers`. Raises BoardError if there is none."""
    file = f"{name}.toml"
    if not NAME.fullmatch(name):
        raise BoardError(file, "board.name", "must be 3 to 32 of a-z, 0-9 and -, a letter first")
    if answers.chip not in CHIPS:
        raise BoardError(file, "board.chip", unknown_chip(answers.chip))
    text = _Scaffold(file, CHIPS[answers.chip], parts).text(name, answers)
    compiler.compile_board(text.encode(), file, parts)
    return text


def free_pins(name: str, text: str, parts: dict[str, Part]) -> list[int]:
    """Return the free pins for outputs of a valid board."""
    board = parse(text.encode(), BoardFile, f"{name}.toml")
    return CHIPS[board.board.chip].free_outputs(frozenset(netlist.wires(board, parts)))


class _Scaffold:
    """Builds one board file and tracks the used pins."""

    def __init__(self, file: str, chip: Chip, parts: dict[str, Part]) -> None:
        self._file = file
        self._chip = chip
        self._parts = parts
        self._used: set[int] = set()
        self._measured: set[str] = set()
        self._buses: list[str] = []
        self._channels = 0
        self._lines = 0
        self._next_address = 1  # on the RS485 line

    def text(self, name: str, answers: Answers) -> str:
        """Return the text of the board file."""
        outputs = [self._output_of(index, text) for index, text in enumerate(answers.outputs)]
        self._used |= {pin for _, pin in outputs if pin is not None}
        wanted = [self._sensor_of(index, text) for index, text in enumerate(answers.sensors)]
        # A sensor that needs another one's quantity must follow it.
        wanted.sort(key=lambda sensor: bool(self._parts[sensor["part"]].needs))
        board = {"name": name, "chip": self._chip.name}
        head = [_table("[board]", board), _table("[reservoir]", {"volume_l": answers.volume_l}),
                _table("[supply]", {"rail_5v_ma": 2_000, "rail_3v3_ma": 800,
                                    "loads_ma": answers.loads_ma})]
        if answers.button:
            head.append("# The BOOT button.\n" + _table("[button]", {"pin": _BOOT_PIN}))
            self._used.add(_BOOT_PIN)
        if any(self._is_on_i2c(sensor["part"]) for sensor in wanted):
            scl_pin, sda_pin = _I2C_PINS[self._chip.name]
            self._used |= {scl_pin, sda_pin}
            bus = {"scl_pin": scl_pin, "sda_pin": sda_pin, "freq_hz": 100_000}
            self._buses.append(_table("[i2c.main]", bus))
        if any("adc" in self._parts[sensor["part"]].buses for sensor in wanted):
            adc = {"name": "main", "part": _CONVERTER, "bus": "i2c.main", "address": 0x48}
            self._buses.append(_table("[[adc]]", adc))
        probes = [self._parts[sensor["part"]] for sensor in wanted]
        if any(isinstance(part, ModbusPart) for part in probes):
            self._buses.append(_table("[rs485.main]", self._line(probes)))
        sensors = [_table("[[sensor]]", self._wired(sensor)) for sensor in wanted]
        actuators = [_table("[[actuator]]", self._driven(n, pin)) for n, pin in outputs]
        return "\n".join([*head, *self._buses, *sensors, *actuators])

    def _line(self, parts: list[Part]) -> dict[str, Any]:
        """Return the line of all Modbus probes, at the factory's rate of the first."""
        probe = next(part.probe for part in parts if isinstance(part, ModbusPart))
        tx_pin, rx_pin, de_pin = _RS485_PINS[self._chip.name]
        self._used |= {tx_pin, rx_pin, de_pin}
        return {"tx_pin": tx_pin, "rx_pin": rx_pin, "de_pin": de_pin, "baud": probe.bauds[0],
                "parity": probe.parities[0]}

    def _output_of(self, index: int, text: str) -> tuple[str, int | None]:
        found = _OUTPUT.fullmatch(text)
        if found is None or found["name"] not in OUTPUTS:
            why = f"{text!r:.40} is not name or name@pin; known names: {', '.join(OUTPUTS)}"
            raise BoardError(self._file, f"actuator[{index}].name", why)
        return found["name"], int(found["pin"]) if found["pin"] else None

    def _sensor_of(self, index: int, text: str) -> dict[str, Any]:
        known = [name for name, part in self._parts.items() if part.kind == "sensor"]
        found = _SENSOR.fullmatch(text)
        if found is None or found["part"] not in known:
            why = f"{text!r:.40} is not part, part.quantity, part:source or part@address; known " \
                  f"parts: {', '.join(known)}"
            raise BoardError(self._file, f"sensor[{index}].part", why)
        part = self._parts[found["part"]]
        if found["quantity"] not in (None, *part.measures):
            why = f"{found['part']} measures {', '.join(part.measures)}, not {found['quantity']}"
            raise BoardError(self._file, f"sensor[{index}].measures", why)
        # Most probes measure their temperature besides.
        main = found["quantity"] or next(
            (key for key in part.measures if key != "temp_c"), part.measures[0])
        source = _SOURCES.get(main, found["part"])
        if "onewire" in part.buses:
            source = "reservoir"
        sensor: dict[str, Any] = {"source": found["source"] or source, "part": found["part"]}
        if found["quantity"] or found["part"] == analog_line.PART:
            sensor["measures"] = [main]
        if found["address"]:
            sensor["address"] = int(found["address"], 0)
        return sensor

    def _is_on_i2c(self, part: str) -> bool:
        return bool({"i2c", "adc"} & set(self._parts[part].buses))

    def _wired(self, sensor: dict[str, Any]) -> dict[str, Any]:
        """Return the entry of a sensor with its bus or pins."""
        name = sensor["part"]
        part = self._parts[name]
        wanted = sensor.get("measures", part.measures)
        channels = {q: f"{sensor['source']}.{q}" for q in wanted}
        # Skip quantities that another part measures; if none remains, compile_board() reports it.
        measures = [q for q in wanted if channels[q] not in self._measured] or wanted
        self._measured |= set(channels.values())
        entry = {"source": sensor["source"], "part": name, "measures": list(measures)}
        kind = next((k for k in ("i2c", "adc", "onewire", "gpio", BUS) if k in part.buses), "pin")
        if kind == "i2c":
            entry["bus"] = "i2c.main"
        elif kind == BUS:
            entry |= {"bus": "rs485.main", "address": sensor.get("address", self._next_address)}
            self._next_address += 1
        elif kind == "adc":
            entry |= {"bus": "adc.main", "channel": self._channels}
            self._channels += 1
        elif kind == "onewire":
            line = "main" if self._lines == 0 else f"line{self._lines + 1}"
            self._lines += 1
            self._buses.append(_table(f"[onewire.{line}]", {"pin": self._free("onewire")}))
            entry["bus"] = f"onewire.{line}"
        else:
            entry |= {key: self._free(f"sensor.{key}") for key in part.pins or ["pin"]}
        usual = analog_line.USUAL[measures[0]] if name == analog_line.PART else {
            key: value for (part_name, key), value in _USUAL.items() if part_name == name}
        for key, parameter in part.parameters.items():
            if parameter.bus in ("", kind) and key not in entry:
                entry[key] = sensor.get(key, usual.get(key, parameter.low))
        return entry | {key: value for key, value in sensor.items() if key not in entry}

    def _driven(self, name: str, pin: int | None) -> dict[str, Any]:
        """Return the entry of an output that is off at low level."""
        kind = OUTPUTS[name]
        entry: dict[str, Any] = {"name": name, "part": kind.part}
        entry["pin"] = self._free(f"actuator of {name}") if pin is None else pin
        if kind.part == "dimmer":
            entry["freq_hz"] = _DIMMER_HZ
        return entry | {"max_on_ms": kind.max_on_ms, "safe_level": 0, "pull": "down",
                        "load_ma": kind.load_ma}

    def _free(self, key: str) -> int:
        """Allocate the lowest free output pin."""
        free = self._chip.free_outputs(frozenset(self._used))
        if not free:
            why = f"no free pin on the {self._chip.name}: remove a sensor or output"
            raise BoardError(self._file, key, why)
        self._used.add(free[0])
        return free[0]


def _table(head: str, values: dict[str, Any]) -> str:
    return head + "\n" + "".join(f"{key} = {_value(key, value)}\n"
                                 for key, value in values.items())


def _value(key: str, value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(_value(key, item) for item in value)}]"
    return f"0x{value:02x}" if key == "address" else f"{value:_}"

"""Parses board files and parts.toml into structs, or raises one BoardError.

Checks types and keys only; boards/validator.py checks pins, addresses and parts.
"""

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Literal, TypeVar

import msgspec

from idroserra.core.errors import BoardError
from idroserra.core.text import Text
from idroserra.core.toml_text import MOST_DOTS, line_of_long_key
from idroserra.i18n.marker import N_

MAX_FILE_BYTES = 65_536
DEFAULT_VOLUME_L = 100  # without [reservoir]
# Default ratings: a USB port, and the regulator of a development board.
DEFAULT_RAIL_5V_MA = 500
DEFAULT_RAIL_3V3_MA = 800
MIN_VOLUME_L, MAX_VOLUME_L = 5, 2_000


class Identity(msgspec.Struct, forbid_unknown_fields=True):
    """[board]: the name, which is also the file name, and the chip."""

    name: str
    chip: str


class Reservoir(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """[reservoir]: litres of the full reservoir, on which the limits of acid and base depend."""

    volume_l: int


class Supply(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """[supply]: ratings of the supplies in mA; `loads_ma` supplies pumps and valves."""

    rail_5v_ma: int = DEFAULT_RAIL_5V_MA
    rail_3v3_ma: int = DEFAULT_RAIL_3V3_MA
    loads_ma: int | None = None


class Button(msgspec.Struct, forbid_unknown_fields=True):
    """[button]: a button to ground that proves presence at the board, such as BOOT."""

    pin: int


class I2cBus(msgspec.Struct, forbid_unknown_fields=True):
    """[i2c.<name>]: a hardware controller, or with soft = true a bus in software."""

    scl_pin: int
    sda_pin: int
    freq_hz: int
    soft: bool = False


class OneWireBus(msgspec.Struct, forbid_unknown_fields=True):
    """[onewire.<name>]: a 1-Wire bus."""

    pin: int


class UartBus(msgspec.Struct, forbid_unknown_fields=True):
    """[uart.<name>]: a UART for one part."""

    tx_pin: int
    rx_pin: int
    baud: int


class Rs485Line(msgspec.Struct, forbid_unknown_fields=True):
    """[rs485.<name>]: a line of Modbus probes at a UART; `de_pin` enables the driver of its
    transceiver, an automatic one has none."""

    tx_pin: int
    rx_pin: int
    baud: int
    de_pin: int | None = None
    parity: Literal["none", "even", "odd"] = "none"


class Adc(msgspec.Struct, forbid_unknown_fields=True):
    """[[adc]]: an ADC for analog sensors: on a bus, or the chip's own at `pins`."""

    name: str
    part: str
    bus: str | None = None
    address: int | None = None
    pins: list[int] | None = None
    own_supply: bool = False


class Expander(msgspec.Struct, forbid_unknown_fields=True):
    """[[expander]]: an output expander with a line that switches all outputs off."""

    name: str
    part: str
    bus: str
    address: int
    pull: Literal["down", "up"]
    reset_pin: int | None = None
    oe_pin: int | None = None
    supply_pin: int | None = None
    freq_hz: int | None = None
    own_supply: bool = False


class Sensor(msgspec.Struct, forbid_unknown_fields=True):
    """[[sensor]]: its source, part and wiring.

    `pair`: the source of another probe of the same quantity, in the same water.
    """

    source: str
    part: str
    measures: list[str]
    bus: str | None = None
    address: int | None = None
    channel: int | None = None
    rom: str | None = None
    pin: int | None = None
    trigger_pin: int | None = None
    echo_pin: int | None = None
    height_mm: int | None = None
    up_level: int | None = None
    pulses_per_l: int | None = None
    shunt_mohm: int | None = None
    low_mv: int | None = None
    high_mv: int | None = None
    point1_mv: int | None = None
    point1_value: int | None = None
    point2_mv: int | None = None
    point2_value: int | None = None
    self_compensated: int | None = None
    own_supply: bool = False
    pair: str | None = None


class Actuator(msgspec.Struct, forbid_unknown_fields=True):
    """[[actuator]]: an output, its maximum run and its safe level."""

    name: str
    part: str
    pin: int
    max_on_ms: int
    safe_level: int
    pull: Literal["down", "up"]
    freq_hz: int | None = None
    expander: str | None = None
    load_ma: int | None = None


class Parameter(msgspec.Struct, forbid_unknown_fields=True):
    """A key of a part's entry in a board file, and its inclusive range.

    `bus`: the only kind of bus on which the key exists, "pin" for a pin of the chip; "" for all.
    `gap`: the first and last number within the range that do not exist.
    """

    low: int
    high: int
    text: str
    bus: str = ""
    gap: tuple[int, int] | None = None

    def allows(self, value: int) -> bool:
        """Return whether the key may have `value`."""
        in_gap = self.gap is not None and self.gap[0] <= value <= self.gap[1]
        return self.low <= value <= self.high and not in_gap

    @property
    def range(self) -> str:
        """The allowed values as text."""
        if self.gap is None:
            return Text(N_("{low} to {high}"), low=self.low, high=self.high)
        return Text(N_("{low} to {end} or {begin} to {high}"), low=self.low,
                    end=self.gap[0] - 1, begin=self.gap[1] + 1, high=self.high)


class OffLine(msgspec.Struct, forbid_unknown_fields=True):
    """[<part>.off]: the line of an expander that switches all its outputs off.

    At `level` of the line, or after power-up, every output has the state `outputs`. `wire` says
    what to wire to the GPIO of the line.
    """

    pin: Literal["reset_pin", "oe_pin", "supply_pin"]
    level: Literal[0, 1]
    outputs: Literal["floating", "low", "high"]
    wire: str


class Draw(msgspec.Struct, forbid_unknown_fields=True):
    """`draw` of a part: its maximum current and its supply."""

    rail: Literal["3v3", "5v", "loads"]
    current_ma: int


class Part(msgspec.Struct, forbid_unknown_fields=True):
    """[<part>] of parts.toml: properties of a part."""

    kind: Literal["sensor", "adc", "expander", "actuator", "button"]
    buses: list[Literal["i2c", "onewire", "uart", "adc", "pin", "gpio", "expander", "chip",
                        "rs485"]]
    measures: list[str]
    text: str
    datasheet: str
    parameters: dict[str, Parameter]
    draw: Draw
    needs: list[str] = []
    needs_for: list[str] = []
    pins: list[Literal["pin", "trigger_pin", "echo_pin"]] = []
    drives: list[str] = []
    outputs: int = 0  # of an expander
    i2c_hz: int = 0  # the fastest I2C clock that it bears; 0: that of every bus
    fit: str = ""
    off: OffLine | None = None

    def needed(self, measures: list[str]) -> list[str]:
        """Return the quantities that the part needs where it measures `measures`."""
        is_free = self.needs_for and not set(self.needs_for) & set(measures)
        return [] if is_free else self.needs


class BoardFile(msgspec.Struct, forbid_unknown_fields=True):
    """A board file."""

    board: Identity
    reservoir: Reservoir | None = None
    supply: Supply = Supply()
    button: Button | None = None
    i2c: dict[str, I2cBus] = {}
    onewire: dict[str, OneWireBus] = {}
    uart: dict[str, UartBus] = {}
    rs485: dict[str, Rs485Line] = {}
    adc: list[Adc] = []
    expander: list[Expander] = []
    sensor: list[Sensor] = []
    actuator: list[Actuator] = []


Shape = TypeVar("Shape")

_STRUCTS: dict[str, type[msgspec.Struct]] = {
    "": BoardFile,
    "board": Identity,
    "reservoir": Reservoir,
    "supply": Supply,
    "button": Button,
    "i2c": I2cBus,
    "onewire": OneWireBus,
    "uart": UartBus,
    "rs485": Rs485Line,
    "adc": Adc,
    "expander": Expander,
    "sensor": Sensor,
    "actuator": Actuator,
}
EXAMPLE = "boards/esp32-reservoir.toml shows the form"
# Remedies for missing keys that are required for safety.
_REMEDIES = {
    "max_on_ms": "set the maximum run in ms: the cut-off timer ends it there, independent "
                 "of the program",
    "safe_level": "set the level that is off: 0 for an active-high driver, else 1",
    "draw": 'set the maximum current, such as { rail = "3v3", current_ma = 2 }',
    "pull": 'fit a 10 k resistor that holds the output off during reset and set it: "down", '
            'or "up" if safe_level is 1',
}


def parse(
    data: bytes, shape: type[Shape], file: str,
    structs: Mapping[str, type[msgspec.Struct]] = MappingProxyType(_STRUCTS),
    example: str = EXAMPLE,
) -> Shape:
    """Return the TOML in `data` as `shape`. Raises BoardError for any invalid data.

    `structs` are the tables of the shape by name, "" the whole; `example` names a valid file.
    """
    if len(data) > MAX_FILE_BYTES:
        raise BoardError(file, "", f"{len(data)} bytes: keep it under {MAX_FILE_BYTES}")
    try:
        text = data.decode()
        line = line_of_long_key(text)
        if line is not None:
            raise BoardError(file, "", Text(
                N_("line {line}: a key has at most {most} dots"), line=line, most=MOST_DOTS))
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        why = f"not UTF-8 at byte {error.start}: save it as UTF-8"
        raise BoardError(file, "", why) from error
    except (ValueError, RecursionError) as error:
        raise BoardError(file, "", f"not TOML, fix the syntax: {error}") from error
    return convert(table, shape, file, structs, example)


def convert(
    table: object, shape: type[Shape], file: str,
    structs: Mapping[str, type[msgspec.Struct]] = MappingProxyType(_STRUCTS),
    example: str = EXAMPLE,
) -> Shape:
    """Return the table of a file as `shape`; see parse(). Raises BoardError."""
    try:
        return msgspec.convert(table, shape)
    except msgspec.ValidationError as error:
        raise _shape_error(file, str(error), structs, example) from error


def _shape_error(
    file: str, message: str, structs: Mapping[str, type[msgspec.Struct]], example: str
) -> BoardError:
    """Return the error for a message of msgspec: file, key and remedy."""
    why, _, path = message.partition(" - at ")
    place = path.strip("`").removeprefix("$").removeprefix(".").replace("[...]", ".<name>")
    struct = structs.get(re.split(r"[.\[]", place)[0], structs[""])
    known = struct.__struct_fields__
    field = re.search(r"`(\w+)`", why)
    if field and why.startswith("Object missing required"):
        key = f"{place}.{field[1]}".lstrip(".")
        return BoardError(file, key, f"missing: {_REMEDIES.get(field[1], example)}")
    if field and why.startswith("Object contains unknown"):
        key = f"{place}.{field[1]}".lstrip(".")
        near = get_close_matches(field[1], known, 1)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return BoardError(file, key, f"unknown key, {hint}")
    # The example need not have the key of every part.
    remedy = "set a whole number" if why.startswith("Expected `int") else example
    return BoardError(file, place, f"{why[:1].lower()}{why[1:]}: {remedy}")

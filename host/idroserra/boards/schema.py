"""The shape of a board file and of parts.toml: TOML in, structs or one BoardError out.

Shape only: whether pins, addresses and parts fit together is checked in boards.py.
"""

import re
import tomllib
from difflib import get_close_matches
from typing import Literal, TypeVar

import msgspec

from idroserra.core.errors import BoardError

MAX_FILE_BYTES = 65_536
DEFAULT_VOLUME_L = 100
# What there is unless a board says otherwise: a USB port, a development board's regulator.
DEFAULT_RAIL_5V_MA = 500
DEFAULT_RAIL_3V3_MA = 800
MIN_VOLUME_L, MAX_VOLUME_L = 5, 2_000


class Identity(msgspec.Struct, forbid_unknown_fields=True):
    """[board]: its name, which is also the file's, and its chip."""

    name: str
    chip: str


class Reservoir(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """[reservoir]: the water the board is built for, litres: its ceilings of acid and base."""

    volume_l: int


class Supply(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """[supply]: what the supplies give at least, mA; `loads_ma` is that of pumps and valves."""

    rail_5v_ma: int = DEFAULT_RAIL_5V_MA
    rail_3v3_ma: int = DEFAULT_RAIL_3V3_MA
    loads_ma: int | None = None


class Button(msgspec.Struct, forbid_unknown_fields=True):
    """[button]: to ground, and somebody stands at the board. The one marked BOOT will do."""

    pin: int


class I2cBus(msgspec.Struct, forbid_unknown_fields=True):
    """[i2c.<name>]: on a controller of the chip, or with soft = true driven by the program."""

    scl_pin: int
    sda_pin: int
    freq_hz: int
    soft: bool = False


class OneWireBus(msgspec.Struct, forbid_unknown_fields=True):
    """[onewire.<name>]"""

    pin: int


class UartBus(msgspec.Struct, forbid_unknown_fields=True):
    """[uart.<name>]: one line to one part."""

    tx_pin: int
    rx_pin: int
    baud: int


class Adc(msgspec.Struct, forbid_unknown_fields=True):
    """[[adc]]: a converter that analog sensors hang on, on a bus or in the chip at `pins`."""

    name: str
    part: str
    bus: str | None = None
    address: int | None = None
    pins: list[int] | None = None
    own_supply: bool = False


class Expander(msgspec.Struct, forbid_unknown_fields=True):
    """[[expander]]: more pins for outputs, all taken off by one line that needs no bus."""

    name: str
    part: str
    bus: str
    address: int
    pull: Literal["down", "up"]
    reset_pin: int | None = None
    oe_pin: int | None = None
    freq_hz: int | None = None
    own_supply: bool = False


class Sensor(msgspec.Struct, forbid_unknown_fields=True):
    """[[sensor]]: what it is attached to, which part it is, where it is wired."""

    source: str
    part: str
    measures: list[str]
    bus: str | None = None
    address: int | None = None
    channel: int | None = None
    pin: int | None = None
    trigger_pin: int | None = None
    echo_pin: int | None = None
    height_mm: int | None = None
    up_level: int | None = None
    pulses_per_l: int | None = None
    shunt_mohm: int | None = None
    own_supply: bool = False


class Actuator(msgspec.Struct, forbid_unknown_fields=True):
    """[[actuator]]: an output, its longest run and the level that is off."""

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
    """One key a part's entry in a board takes, with its range, both ends allowed.

    `bus`: the one kind of bus on which the part has it, "pin" for a pin of the chip; "" for all.
    """

    low: int
    high: int
    text: str
    bus: str = ""


class OffLine(msgspec.Struct, forbid_unknown_fields=True):
    """[<part>.off]: the line of an expander that takes all its outputs off.

    At `level` of the line every output is as `outputs` says.
    """

    pin: Literal["reset_pin", "oe_pin"]
    level: Literal[0, 1]
    outputs: Literal["floating", "low"]


class Draw(msgspec.Struct, forbid_unknown_fields=True):
    """`draw` of a part: what it takes at its worst, and from which supply."""

    rail: Literal["3v3", "5v", "loads"]
    current_ma: int


class Part(msgspec.Struct, forbid_unknown_fields=True):
    """[<part>] of parts.toml: what any board must know of one part."""

    kind: Literal["sensor", "adc", "expander", "actuator", "button"]
    buses: list[Literal["i2c", "onewire", "uart", "adc", "pin", "gpio", "expander", "chip"]]
    measures: list[str]
    text: str
    datasheet: str
    parameters: dict[str, Parameter]
    draw: Draw
    needs: list[str] = []
    pins: list[Literal["pin", "trigger_pin", "echo_pin"]] = []
    drives: list[str] = []
    fit: str = ""
    off: OffLine | None = None


class BoardFile(msgspec.Struct, forbid_unknown_fields=True):
    """One board file, checked in shape."""

    board: Identity
    reservoir: Reservoir = Reservoir(DEFAULT_VOLUME_L)
    supply: Supply = Supply()
    button: Button | None = None
    i2c: dict[str, I2cBus] = {}
    onewire: dict[str, OneWireBus] = {}
    uart: dict[str, UartBus] = {}
    adc: list[Adc] = []
    expander: list[Expander] = []
    sensor: list[Sensor] = []
    actuator: list[Actuator] = []


Shape = TypeVar("Shape")

_STRUCTS: dict[str, type[msgspec.Struct]] = {
    "board": Identity,
    "reservoir": Reservoir,
    "supply": Supply,
    "button": Button,
    "i2c": I2cBus,
    "onewire": OneWireBus,
    "uart": UartBus,
    "adc": Adc,
    "expander": Expander,
    "sensor": Sensor,
    "actuator": Actuator,
}
EXAMPLE = "boards/esp32-reservoir.toml shows the form"
# What to do about a missing key that is there for safety.
_WAY_OUT = {
    "max_on_ms": "state the longest run in ms: the output's own timer ends it there, "
    "whatever the program does",
    "safe_level": "state the level that is off: 0 for a driver that switches on high, else 1",
    "draw": 'state what it takes at its worst, such as { rail = "3v3", current_ma = 2 }',
    "pull": 'fit a 10 k resistor that holds the output off during reset and state it: "down", '
    'or "up" where safe_level is 1',
}


def parse(data: bytes, shape: type[Shape], file: str) -> Shape:
    """Return the TOML in `data` as `shape`. Raises BoardError, whatever the bytes are."""
    if len(data) > MAX_FILE_BYTES:
        raise BoardError(file, "", f"{len(data)} bytes: keep it under {MAX_FILE_BYTES}")
    try:
        table = tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        why = f"not UTF-8 at byte {error.start}: save it as UTF-8"
        raise BoardError(file, "", why) from error
    except (ValueError, RecursionError) as error:
        raise BoardError(file, "", f"not TOML, mend the syntax: {error}") from error
    try:
        return msgspec.convert(table, shape)
    except msgspec.ValidationError as error:
        raise _shape_error(file, str(error)) from error


def _shape_error(file: str, message: str) -> BoardError:
    """Return msgspec's words as file, key and way out."""
    why, _, path = message.partition(" - at ")
    place = path.strip("`").removeprefix("$").removeprefix(".").replace("[...]", ".<name>")
    struct = _STRUCTS.get(re.split(r"[.\[]", place)[0], BoardFile)
    known = struct.__struct_fields__
    field = re.search(r"`(\w+)`", why)
    if field and why.startswith("Object missing required"):
        key = f"{place}.{field[1]}".lstrip(".")
        return BoardError(file, key, f"missing: {_WAY_OUT.get(field[1], EXAMPLE)}")
    if field and why.startswith("Object contains unknown"):
        key = f"{place}.{field[1]}".lstrip(".")
        near = get_close_matches(field[1], known, 1)
        way_out = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
        return BoardError(file, key, f"unknown key, {way_out}")
    return BoardError(file, place, f"{why[:1].lower()}{why[1:]}: {EXAMPLE}")

"""Modbus probes: one TOML file each with its register map, compiled to reads for the firmware.

The file's name is the name of the part. boards/modbus holds the probes that come with Idroserra; a
folder `modbus` beside a board file holds further ones.
"""

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, NoReturn

import msgspec

from idro.protocol.quantities import QUANTITIES, is_name
from idroserra.boards.schema import Draw, Parameter, Part, Rs485Line, parse
from idroserra.core.errors import BoardError
from idroserra.core.text import Text
from idroserra.i18n.marker import N_

FOLDER = "modbus"
DRIVER = "modbus"
BUS: Literal["rs485"] = "rs485"
LOWEST_ADDRESS, HIGHEST_ADDRESS = 1, 247  # Modbus over Serial Line V1.02, 2.2; 0 is broadcast
BAUDS = (4_800, 9_600, 19_200, 38_400, 57_600, 115_200)
PARITIES = {"even": 0, "odd": 1}  # of machine.UART
MAX_REGISTERS = 125  # in one answer
MAX_ADDRESS = 0xFFFF
TIMEOUT_MS = (50, 2_000)
MAX_SETTLE_MS = 600_000
MAX_OFFSET = 1_000_000
# A pH in coarser steps stands still in a healthy probe: it is not checked for a flat signal, and
# no acid or base depends on it.
COARSEST_PH = Fraction("0.02")
# The limits of idro.control.plausibility assume a front end that gives three times the voltage of
# the electrode, 59.16 mV for one pH at 25 C.
_UV_PER_PH = 177_480
_UV_PER_MV = 3_000
SIGNAL = "signal_uv"
EXAMPLE = "boards/modbus/sup_ph8001.toml shows the form"

Type = Literal["int16", "uint16", "int32", "uint32", "float32"]
_FORMS = {"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "float32": "f"}
# Order of the bytes on the line, "a" the most significant: (struct order, words swapped).
_ORDERS = {
    "ab": (">", False), "ba": ("<", False), "abcd": (">", False), "cdab": (">", True),
    "badc": ("<", True), "dcba": ("<", False)}


class Register(msgspec.Struct, forbid_unknown_fields=True):
    """[[register]]: one number of a probe, value = raw * scale + offset in `quantity`'s unit.

    `signal` instead of a quantity: the voltage of the electrode in mV. `equals`: the register must
    hold this number, such as the code of a unit; then it has no quantity.
    """

    address: int
    type: Type
    function: Literal[3, 4] = 3
    quantity: str | None = None
    signal: bool = False
    equals: int | None = None
    order: str = ""  # default: most significant byte first
    scale: float = 1.0
    offset: float = 0.0
    low: float | None = None  # valid range in the quantity's unit
    high: float | None = None


class ProbeFile(msgspec.Struct, forbid_unknown_fields=True):
    """The file of a probe. `manual` names where its map is from, `tried` how it was tried."""

    text: str
    manual: str
    tried: Literal["documentation", "hardware"]
    address: int  # from the factory
    bauds: list[int]  # the factory's first
    draw: Draw
    register: list[Register]
    parities: list[Literal["none", "even", "odd"]] = msgspec.field(
        default_factory=lambda: ["none"])
    fit: str = ""
    needs: list[str] = []
    settle_ms: int = 0  # from power-on to a valid reading
    timeout_ms: int = 300
    reserved: list[int] = []  # registers that may be read besides, to read others in one request


class ModbusPart(Part, kw_only=True):
    """A Part that is a Modbus probe, with its file."""

    probe: ProbeFile


def crc(data: bytes) -> bytes:
    """Return the CRC-16 of a Modbus frame, low byte first."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


def read_beside(folder: Path, known: dict[str, Part]) -> dict[str, Part]:
    """Return `known` and the probes in `folder`, which may not have the name of another part.

    Raises BoardError.
    """
    found = read_folder(folder)
    for name in found:
        if name in known and found[name] != known[name]:
            raise BoardError(f"{FOLDER}/{name}.toml", "", "another part has this name: rename it")
    return known | found


def read_folder(folder: Path) -> dict[str, Part]:
    """Return the probes in `folder` by name, {} without such a folder. Raises BoardError."""
    found: dict[str, Part] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BoardError(path.name, "", f"cannot be read ({error.strerror})") from error
        found[path.stem] = part_of(path.stem, data, f"{FOLDER}/{path.name}")
    return found


def part_of(name: str, data: bytes, file: str) -> ModbusPart:
    """Return the part `name` with the TOML `data`; `file` is its name in errors.

    Raises BoardError that names file and key.
    """
    probe = parse(data, ProbeFile, file, {"": ProbeFile, "register": Register}, EXAMPLE)
    check = _Check(file)
    check.whole(name, probe)
    measures = [register.quantity for register in probe.register if register.quantity]
    address = Parameter(LOWEST_ADDRESS, HIGHEST_ADDRESS, Text(
        N_("{address} from the factory; each probe its own"), address=probe.address))
    return ModbusPart(
        kind="sensor", buses=[BUS], measures=measures, text=probe.text, datasheet=probe.manual,
        parameters={"address": address}, draw=probe.draw, needs=probe.needs, fit=probe.fit,
        probe=probe)


def compiled(probe: ProbeFile, measures: list[str]) -> dict[str, Any]:
    """Return the keys of a sensor entry for firmware/idro/drivers/modbus.py.

    Each of `reads` is (function, first register, count, fields); a field is (key, place in bytes,
    struct format, words swapped, factor, divisor, offset, low, high).
    """
    wanted = [r for r in probe.register
              if (r.quantity or ("ph" if r.signal else measures[0])) in measures]
    return {"driver": DRIVER, "timeout_ms": probe.timeout_ms, "settle_ms": probe.settle_ms,
            "reads": [_read(probe, group) for group in _groups(probe, wanted)]}


def refusal_on(line: Rs485Line, name: str, probe: ProbeFile) -> Text | None:
    """Return why a probe cannot be set to the rate and parity of a line, or None."""
    if line.baud not in probe.bauds:
        return Text(
            N_("{part} speaks at {rates} baud, this line at {baud}: put it on another line"),
            part=name, rates=", ".join(map(str, probe.bauds)), baud=line.baud)
    if line.parity not in probe.parities:
        return Text(
            N_("{part} has parity {parities}, this line {parity}: put it on another line"),
            part=name, parities=" or ".join(probe.parities), parity=line.parity)
    return None


def ph_step(probe: ProbeFile) -> Fraction | None:
    """Return the step of the probe's pH, None if it has none or is a float."""
    steps = [_fraction(r.scale) for r in probe.register
             if r.quantity == "ph" and r.type != "float32"]
    return steps[0] if steps else None


def _groups(probe: ProbeFile, wanted: list[Register]) -> Iterator[list[Register]]:
    """Yield the registers that one request reads: neighbours, and what lies reserved between."""
    group: list[Register] = []
    for register in sorted(wanted, key=lambda r: (r.function, r.address)):
        if group:
            end = group[-1].address + _words(group[-1])
            is_near = all(gap in probe.reserved for gap in range(end, register.address))
            if (is_near and register.function == group[-1].function
                    and register.address + _words(register) - group[0].address <= MAX_REGISTERS):
                group.append(register)
                continue
            yield group
        group = [register]
    yield group


def _read(probe: ProbeFile, group: list[Register]) -> tuple[Any, ...]:
    start = group[0].address
    count = group[-1].address + _words(group[-1]) - start
    fields = [field for r in group for field in _fields(probe, r, 2 * (r.address - start))]
    return group[0].function, start, count, fields


def _fields(probe: ProbeFile, register: Register, place: int) -> Iterator[tuple[Any, ...]]:
    order, is_swapped = _ORDERS[register.order or "abcd"]
    form = order + _FORMS[register.type]
    if register.equals is not None:
        yield "", place, form, is_swapped, 1, 1, 0, register.equals, register.equals
        return
    scale = _fraction(register.scale)
    if register.signal:
        scale *= _UV_PER_MV
        yield (SIGNAL, place, form, is_swapped, scale.numerator, scale.denominator, 0,
               -10_000_000, 10_000_000)
        return
    low, high = _number(register.low), _number(register.high)
    yield (register.quantity, place, form, is_swapped, scale.numerator, scale.denominator,
           _number(register.offset), low, high)
    has_signal = any(r.signal for r in probe.register)
    step = ph_step(probe) or 0
    if register.quantity == "ph" and not has_signal and step <= COARSEST_PH:
        scale *= _UV_PER_PH
        yield (SIGNAL, place, form, is_swapped, scale.numerator, scale.denominator, 0,
               -10_000_000, 10_000_000)


def _words(register: Register) -> int:
    return struct.calcsize(_FORMS[register.type]) // 2


def _fraction(number: float) -> Fraction:
    return Fraction(repr(number))


def _number(number: float | None) -> int | float:
    """Return a whole number as an int: it is exact on a chip with single precision."""
    return 0 if number is None else int(number) if number == int(number) else number


class _Check:
    """Checks one file."""

    def __init__(self, file: str) -> None:
        self._file = file

    def whole(self, name: str, probe: ProbeFile) -> None:
        """Check all keys. Raises BoardError."""
        if not is_name(name):
            self._refuse("", f"{name!r:.40} is not a name: up to 24 of a-z, 0-9 and _, a letter "
                             "first; the file's name is the part's")
        for key, text in (("text", probe.text), ("manual", probe.manual)):
            if not text.strip():
                self._refuse(key, "empty: say what it is, and which manual the map is from")
        self._range("address", probe.address, LOWEST_ADDRESS, HIGHEST_ADDRESS)
        self._range("timeout_ms", probe.timeout_ms, *TIMEOUT_MS)
        self._range("settle_ms", probe.settle_ms, 0, MAX_SETTLE_MS)
        if not probe.bauds or not set(probe.bauds) <= set(BAUDS):
            self._refuse("bauds", f"must be some of {', '.join(map(str, BAUDS))}, the factory's "
                                  "first")
        if not probe.parities:
            self._refuse("parities", 'must be some of "none", "even", "odd", the factory\'s first')
        if not any(register.quantity for register in probe.register):
            self._refuse("register", "no [[register]] has a quantity")
        seen: dict[str, str] = {}
        for index, register in enumerate(probe.register):
            key = f"register[{index}]"
            self._register(key, register)
            what = register.quantity or ("signal" if register.signal else f"equals {index}")
            if what in seen:
                self._refuse(key, f"{seen[what]} measures {what} too: name the probe twice, or "
                                  "leave one out")
            seen[what] = key
        self._overlaps(probe.register)

    def _register(self, key: str, register: Register) -> None:
        self._range(f"{key}.address", register.address, 0, MAX_ADDRESS)
        meanings = (register.quantity is not None, register.signal, register.equals is not None)
        if sum(meanings) != 1:
            self._refuse(key, "set one of quantity, signal = true and equals")
        fitting = [order for order in _ORDERS if len(order) == 2 * _words(register)]
        if register.order and register.order not in fitting:
            why = f"{register.type} has {', '.join(fitting)}; a is the most significant byte"
            self._refuse(f"{key}.order", why)
        if not 0 < abs(register.scale) < 1e9:
            self._refuse(f"{key}.scale", f"{register.scale} is out of range: not 0")
        self._range(f"{key}.offset", register.offset, -MAX_OFFSET, MAX_OFFSET)
        if register.quantity is None:
            return
        quantity = QUANTITIES.get(register.quantity)
        if quantity is None:
            self._refuse(f"{key}.quantity", f"unknown quantity {register.quantity:.40}; known: "
                                            f"{', '.join(QUANTITIES)}")
        for name, value in (("low", register.low), ("high", register.high)):
            if value is None:
                why = f"missing: the probe's valid range in {quantity.unit}"
                self._refuse(f"{key}.{name}", why)
            self._range(f"{key}.{name}", value, quantity.low, quantity.high)
        if not (register.low or 0) < (register.high or 0):
            self._refuse(f"{key}.low", f"{register.low} is not below high")

    def _overlaps(self, registers: list[Register]) -> None:
        taken: dict[tuple[int, int], int] = {}
        for index, register in enumerate(registers):
            for word in range(register.address, register.address + _words(register)):
                other = taken.setdefault((register.function, word), index)
                if other != index:
                    self._refuse(f"register[{index}].address", f"{word} belongs to "
                                 f"register[{other}] of type {registers[other].type}")

    def _range(self, key: str, value: float, low: float, high: float) -> None:
        if not low <= value <= high:
            self._refuse(key, f"{value} is out of range: {low} to {high}")

    def _refuse(self, key: str, why: str) -> NoReturn:
        raise BoardError(self._file, key, why)

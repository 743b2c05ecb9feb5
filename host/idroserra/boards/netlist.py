"""What hangs on each pin of a board, in words: for the pinout and for what to wire.

One Wire a pin of the chip, besides one an output of an expander: its role, the part, its place on
the bus, and the resistor that is soldered beside it.
"""

from dataclasses import dataclass

from idroserra.boards.schema import Actuator, BoardFile, Expander, Part, Sensor
from idroserra.boards.validator import DRIVEN_PINS

I2C_PULL = "4.7 k to 3.3 V"
ONEWIRE_PULL = "4.7 k to 3.3 V"
# Registers of an MCP23017's two ports; a PCA9685 counts its outputs through.
_PORT_PINS = 8


@dataclass(frozen=True)
class Wire:
    """One line: `role` of bus, analog, sensor, dose, load, line or button; what it is; beside it.

    `details` are the devices on a bus or more of one device, a line each; `fit` is what is
    soldered to it, "" for nothing.
    """

    role: str
    title: str
    details: tuple[str, ...]
    fit: str = ""


def wires(board: BoardFile, parts: dict[str, Part]) -> dict[int, Wire]:
    """Return what hangs on each pin of the chip that a compiled board uses."""
    found: dict[int, Wire] = {}
    for name, bus in board.i2c.items():
        kind = "I2C, driven by the program" if bus.soft else "I2C"
        devices = _on_bus(board, f"i2c.{name}")
        found[bus.scl_pin] = Wire("bus", f"{kind}: SCL of {name}", devices, I2C_PULL)
        found[bus.sda_pin] = Wire("bus", f"{kind}: SDA of {name}", ("beside SCL",), I2C_PULL)
    for name, line in board.onewire.items():
        devices = _on_bus(board, f"onewire.{name}")
        found[line.pin] = Wire("bus", f"1-Wire data of {name}", devices, ONEWIRE_PULL)
    for name, serial in board.uart.items():
        devices = _on_bus(board, f"uart.{name}")
        found[serial.tx_pin] = Wire("bus", f"UART {name}: TX, to RX of the part", devices)
        found[serial.rx_pin] = Wire("bus", f"UART {name}: RX, from TX of the part", devices)
    for adc in board.adc:
        for channel, pin in enumerate(adc.pins or ()):
            found[pin] = _analog(board, parts, adc.name, channel)
    for sensor in board.sensor:
        found |= _own_lines(sensor, parts[sensor.part])
    for expander in board.expander:
        found |= _off_line(expander)
    for actuator in board.actuator:
        if actuator.expander is None:
            found[actuator.pin] = output(actuator)
    if board.button is not None:
        found[board.button.pin] = Wire("button", "button to ground", ("BOOT will do",))
    return found


def output(actuator: Actuator) -> Wire:
    """Return the line of an output: its resistor, its safe level, its longest run, its load."""
    role = "dose" if actuator.part == "doser" else "load"
    off = "high" if actuator.safe_level else "low"
    details = [f"off at {off}, at most {duration(actuator.max_on_ms)}"]
    if actuator.load_ma is not None:
        load = f"load {actuator.load_ma} mA" if actuator.load_ma else "load on mains"
        details[0] += f", {load}"
    rail = "3.3 V" if actuator.pull == "up" else "ground"
    return Wire(role, f"{actuator.name} ({actuator.part})", tuple(details), f"10 k to {rail}")


def expander_outputs(board: BoardFile) -> list[tuple[str, Wire]]:
    """Return (place, what hangs there) of every output on an expander, in the board's order."""
    parts = {expander.name: expander.part for expander in board.expander}
    return [
        (f"{a.expander} {place(parts[a.expander], a.pin)}", output(a))
        for a in board.actuator if a.expander is not None
    ]


def adc_inputs(board: BoardFile, parts: dict[str, Part]) -> list[tuple[str, Wire]]:
    """Return (place, what hangs there) of every input of a converter on a bus."""
    on_a_bus = [adc for adc in board.adc if adc.bus]
    return [
        (f"{adc.part} A{sensor.channel}",
         Wire("analog", _named(sensor), (), parts[sensor.part].fit))
        for adc in on_a_bus for sensor in board.sensor if sensor.bus == f"adc.{adc.name}"
    ]


def place(part: str, pin: int) -> str:
    """Return what a module prints at an output of an expander."""
    if part == "mcp23017":
        return f"GP{'AB'[pin // _PORT_PINS]}{pin % _PORT_PINS}"
    return f"LED{pin}"


def duration(on_ms: int) -> str:
    """Return a longest run as people say it."""
    if on_ms % 60_000 == 0:
        return f"{on_ms // 60_000} min"
    return f"{on_ms / 1_000:g} s"


def _named(sensor: Sensor) -> str:
    return f"{sensor.part} of {sensor.source}: {', '.join(sensor.measures)}"


def _on_bus(board: BoardFile, bus: str) -> tuple[str, ...]:
    """Return every device on a bus with its address."""
    found = [(a.part + f" {a.name}", a.address) for a in board.adc if a.bus == bus]
    found += [(e.part + f" {e.name}", e.address) for e in board.expander if e.bus == bus]
    found += [(_named(s), s.address) for s in board.sensor if s.bus == bus]
    return tuple(what if address is None else f"0x{address:02x} {what}" for what, address in found)


def _analog(board: BoardFile, parts: dict[str, Part], adc: str, channel: int) -> Wire:
    sensors = [s for s in board.sensor if s.bus == f"adc.{adc}" and s.channel == channel]
    if not sensors:
        return Wire("analog", f"input {channel} of {adc}, free", (), "to ground")
    sensor = sensors[0]
    details = (f"input {channel} of {adc}",)
    return Wire("analog", _named(sensor), details, parts[sensor.part].fit)


def _own_lines(sensor: Sensor, part: Part) -> dict[int, Wire]:
    """Return the lines a sensor has for itself."""
    pins = {"pin": sensor.pin, "trigger": sensor.trigger_pin, "echo": sensor.echo_pin}
    found = {}
    for name, pin in pins.items():
        if pin is None:
            continue
        title = _named(sensor) if name != "trigger" else f"{sensor.part}: trigger"
        details = (name,) if name == "echo" else ()
        driven = f"{name}_pin" in DRIVEN_PINS
        found[pin] = Wire("sensor", title, details, "" if driven else part.fit)
    return found


def _off_line(expander: Expander) -> dict[int, Wire]:
    """Return the line that takes all outputs of an expander off."""
    name, pin = ("RESET", expander.reset_pin) if expander.reset_pin is not None else \
        ("OE", expander.oe_pin)
    if pin is None:
        return {}
    rail = "3.3 V" if expander.pull == "up" else "ground"
    off = "high" if expander.pull == "up" else "low"
    title = f"{name} of {expander.part} {expander.name}"
    return {pin: Wire("line", title, (f"{off} takes its outputs off",), f"10 k to {rail}")}

"""Lists what is connected to each pin of a board, for the pinout and wiring tables.

There is a Wire for each used pin of the chip and each output of an expander: its role, the part,
its place on the bus, and the resistor to fit.
"""

from dataclasses import dataclass

from idroserra.boards import analog_line
from idroserra.boards.schema import Actuator, BoardFile, Expander, Part, Rs485Line, Sensor
from idroserra.boards.validator import DRIVEN_PINS
from idroserra.i18n.marker import N_

I2C_PULL = N_("4.7 k to 3.3 V")
ONEWIRE_PULL = I2C_PULL
RS485_FIT = N_("120 ohm across A and B at both ends")
PULL_DOWN, PULL_UP = N_("10 k to ground"), N_("10 k to 3.3 V")
UNUSED_INPUT = N_("to ground")
# Pins per port of an MCP23017; a PCA9685 numbers its outputs consecutively.
_PORT_PINS = 8


@dataclass(frozen=True)
class Wire:
    """A connection. `role`: bus, analog, sensor, dose, load, line or button.

    `details` are the devices on a bus, or details of one device; `fit` is the resistor to fit, or
    "".
    """

    role: str
    title: str
    details: tuple[str, ...]
    fit: str = ""


def wires(board: BoardFile, parts: dict[str, Part]) -> dict[int, Wire]:
    """Return {pin: Wire} of the chip's pins that a valid board uses."""
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
    for name, rs485 in board.rs485.items():
        found |= _line(rs485, name, _on_bus(board, f"rs485.{name}"))
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
    """Return the Wire of an output: its resistor, safe level, maximum run and load."""
    role = "dose" if actuator.part == "doser" else "load"
    off = "high" if actuator.safe_level else "low"
    details = [f"off at {off}, at most {duration(actuator.max_on_ms)}"]
    if actuator.load_ma is not None:
        load = f"load {actuator.load_ma} mA" if actuator.load_ma else "load on mains"
        details[0] += f", {load}"
    fit = PULL_UP if actuator.pull == "up" else PULL_DOWN
    return Wire(role, f"{actuator.name} ({actuator.part})", tuple(details), fit)


def expander_outputs(board: BoardFile) -> list[tuple[str, Wire]]:
    """Return (place, Wire) of every output on an expander, in the board's order."""
    parts = {expander.name: expander.part for expander in board.expander}
    return [
        (f"{a.expander} {place(parts[a.expander], a.pin)}", output(a))
        for a in board.actuator if a.expander is not None]


def adc_inputs(board: BoardFile, parts: dict[str, Part]) -> list[tuple[str, Wire]]:
    """Return (place, Wire) of every used input of an external ADC."""
    return [
        (f"{adc.part} A{sensor.channel}", _signal(sensor, parts, ()))
        for adc in board.adc if adc.bus
        for sensor in board.sensor if sensor.bus == f"adc.{adc.name}"
    ]


def place(part: str, pin: int) -> str:
    """Return the label of an expander's output on its module."""
    if part == "mcp23017":
        return f"GP{'AB'[pin // _PORT_PINS]}{pin % _PORT_PINS}"
    return f"P{pin}" if part == "pcf8574" else f"LED{pin}"


def duration(on_ms: int) -> str:
    """Return a maximum run as text: "10 s", "15 min"."""
    if on_ms % 60_000 == 0:
        return f"{on_ms // 60_000} min"
    return f"{on_ms / 1_000:g} s"


def _named(sensor: Sensor) -> str:
    return f"{sensor.part} of {sensor.source}: {', '.join(sensor.measures)}"


def _on_bus(board: BoardFile, bus: str) -> tuple[str, ...]:
    """Return all devices on a bus with their addresses."""
    found = [(a.part + f" {a.name}", a.address) for a in board.adc if a.bus == bus]
    found += [(e.part + f" {e.name}", e.address) for e in board.expander if e.bus == bus]
    found += [(_named(s) if s.rom is None else f"{s.rom.lower()} {_named(s)}", s.address)
              for s in board.sensor if s.bus == bus]
    form = "{:d} {}" if bus.startswith("rs485.") else "0x{:02x} {}"
    return tuple(what if at is None else form.format(at, what) for what, at in found)


def _line(line: Rs485Line, name: str, devices: tuple[str, ...]) -> dict[int, Wire]:
    """Return the Wires from the chip to the transceiver of an RS485 line."""
    found = {
        line.tx_pin: Wire("bus", f"RS485 {name}: DI of the transceiver", devices, RS485_FIT),
        line.rx_pin: Wire("bus", f"RS485 {name}: RO of the transceiver", ("beside DI",))}
    if line.de_pin is not None:
        found[line.de_pin] = Wire(
            "bus", f"RS485 {name}: DE and RE of the transceiver", ("high while it sends",),
            PULL_DOWN)
    return found


def _analog(board: BoardFile, parts: dict[str, Part], adc: str, channel: int) -> Wire:
    sensors = [s for s in board.sensor if s.bus == f"adc.{adc}" and s.channel == channel]
    if not sensors:
        return Wire("analog", f"input {channel} of {adc}, free", (), UNUSED_INPUT)
    return _signal(sensors[0], parts, (f"input {channel} of {adc}",))


def _signal(sensor: Sensor, parts: dict[str, Part], details: tuple[str, ...]) -> Wire:
    """Return the Wire of an analog sensor; a loop of 4-20 mA has the shunt of a hydrostatic."""
    fit = parts[sensor.part].fit
    if analog_line.is_loop(sensor):
        fit = parts["hydrostatic"].fit
        if sensor.measures[0] in ("ph", "ec_us_cm"):
            details = (*details, "isolated supply")
    return Wire("analog", _named(sensor), details, fit)


def _own_lines(sensor: Sensor, part: Part) -> dict[int, Wire]:
    """Return the Wires of a sensor that is not on a bus."""
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
    """Return the Wire of the line that switches off all outputs of an expander."""
    pins = {"RESET": expander.reset_pin, "OE": expander.oe_pin,
            "supply switch": expander.supply_pin}
    name, pin = next((name, pin) for name, pin in pins.items() if pin is not None)
    fit = PULL_UP if expander.pull == "up" else PULL_DOWN
    off = "high" if expander.pull == "up" else "low"
    title = f"{name} of {expander.part} {expander.name}"
    return {pin: Wire("line", title, (f"{off} switches its outputs off",), fit)}

"""Validates the wiring of a board file: pins, addresses, channels and parts.

Each method validates one entry of the file, records the resources it uses, and returns it in the
form for the firmware, or raises a BoardError.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from idro.protocol.messages import MAX_CHANNELS
from idro.protocol.quantities import QUANTITIES, is_name
from idroserra.boards import analog_line, modbus_map
from idroserra.boards.chips import Chip
from idroserra.boards.modbus_map import ModbusPart
from idroserra.boards.pins import Pins
from idroserra.boards.schema import (
    EXAMPLE,
    Actuator,
    Adc,
    Expander,
    I2cBus,
    Part,
    Rs485Line,
    Sensor,
    UartBus,
)
from idroserra.core.errors import BoardError
from idroserra.core.text import Text, as_text
from idroserra.i18n.marker import N_

I2C_FREQ_HZ = (10_000, 400_000)
BAUDS = (9_600, 19_200, 38_400, 57_600, 115_200)
# Pins of a sensor that the chip drives; the others are inputs.
DRIVEN_PINS = ("trigger_pin",)
# The part that takes a pulse counter of the chip.
COUNTS_PULSES = "flow_meter"
# Channels of the node itself: heap, outbox, radio.
NODE_CHANNELS = 3


class BoardValidator:
    """Validates one board and tracks the used pins, buses and addresses."""

    def __init__(self, file: str, chip: Chip, parts: dict[str, Part]) -> None:
        self._file = file
        self._chip = chip
        self._parts = parts
        self._pins = Pins(file, chip)
        self._buses: dict[str, str] = {}  # "i2c.main": "i2c"
        self._i2c_hz: dict[str, int] = {}  # "i2c.main": its clock
        self._places: dict[tuple[str, int], str] = {}  # (bus, address or channel): key
        self._channels: dict[str, str] = {}  # "reservoir.ph": key
        self._names: dict[str, str] = {}  # actuator: key
        self._adcs: dict[str, dict[str, Any]] = {}  # "adc.main": as compiled
        self._expanders: dict[str, Part] = {}  # "expander.relays"
        self._rs485: dict[str, Rs485Line] = {}  # "rs485.main"
        self._i2cs_used = 0
        self._counters_used = 0

    def i2c(self, name: str, bus: I2cBus) -> dict[str, Any]:
        """Validate an I2C bus."""
        key = f"i2c.{name}"
        self._name(key, name)
        if not I2C_FREQ_HZ[0] <= bus.freq_hz <= I2C_FREQ_HZ[1]:
            self._refuse(f"{key}.freq_hz", N_("{value} is out of range: {low} to {high} Hz"),
                         value=bus.freq_hz, low=I2C_FREQ_HZ[0], high=I2C_FREQ_HZ[1])
        scl_pin = self._pins.drive(f"{key}.scl_pin", bus.scl_pin)
        sda_pin = self._pins.drive(f"{key}.sda_pin", bus.sda_pin)
        self._buses[key] = "i2c"
        self._i2c_hz[key] = bus.freq_hz
        spec: dict[str, Any] = {"scl_pin": scl_pin, "sda_pin": sda_pin, "freq_hz": bus.freq_hz}
        if bus.soft:
            return spec | {"soft": True}
        self._i2cs_used += 1
        if self._i2cs_used > self._chip.i2cs:
            self._refuse(key, N_("no I2C controller is left, the {chip} has {count}: with soft = "
                                 "true this bus needs none"),
                         chip=self._chip.name, count=self._chip.i2cs)
        return spec

    def onewire(self, name: str, pin: int) -> dict[str, Any]:
        """Validate a 1-Wire bus."""
        key = f"onewire.{name}"
        self._name(key, name)
        self._buses[key] = "onewire"
        return {"pin": self._pins.drive(f"{key}.pin", pin)}

    def uart(self, name: str, bus: UartBus) -> dict[str, Any]:
        """Validate a UART."""
        return self._serial("uart", name, bus, BAUDS)

    def rs485(self, name: str, line: Rs485Line) -> dict[str, Any]:
        """Validate a line of Modbus probes."""
        spec = self._serial(modbus_map.BUS, name, line, modbus_map.BAUDS)
        if line.de_pin is not None:
            spec["de_pin"] = self._pins.drive(f"{modbus_map.BUS}.{name}.de_pin", line.de_pin)
        if line.parity != "none":
            spec["parity"] = modbus_map.PARITIES[line.parity]
        self._rs485[f"{modbus_map.BUS}.{name}"] = line
        return spec

    def _serial(
        self, kind: str, name: str, bus: UartBus | Rs485Line, bauds: tuple[int, ...]
    ) -> dict[str, Any]:
        key = f"{kind}.{name}"
        self._name(key, name)
        used = sum(kind in ("uart", modbus_map.BUS) for kind in self._buses.values())
        if used >= self._chip.uarts:
            self._refuse(key, N_("the {chip} has {count} besides the console"),
                         chip=self._chip.name, count=self._chip.uarts)
        if bus.baud not in bauds:
            self._refuse(f"{key}.baud", f"{bus.baud} is not one of {', '.join(map(str, bauds))}")
        tx_pin = self._pins.drive(f"{key}.tx_pin", bus.tx_pin)
        rx_pin = self._pins.listen(f"{key}.rx_pin", bus.rx_pin)
        self._buses[key] = kind
        return {"tx_pin": tx_pin, "rx_pin": rx_pin, "baud": bus.baud}

    def adc(self, key: str, adc: Adc) -> dict[str, Any]:
        """Validate an ADC: a device on a bus, or pins of the chip. Sensors use it as a bus."""
        self._name(f"{key}.name", adc.name)
        part = self._part(key, adc.part, "adc")
        bus = f"adc.{adc.name}"
        if bus in self._buses:
            self._refuse(f"{key}.name", f"another adc is named {adc.name}: choose another name")
        spec: dict[str, Any] = {"name": adc.name, "part": adc.part}
        if "chip" in part.buses:
            self._without(key, adc.part, bus=adc.bus, address=adc.address)
            pins = adc.pins or []
            if not pins:
                self._refuse(f"{key}.pins", f"missing: {self._pins.analog_pins()}")
            low_mv, high_mv = self._chip.adc_range_mv
            spec["pins"] = [self._pins.analog(f"{key}.pins", pin) for pin in pins]
            spec |= {"low_uv": low_mv * 1_000, "high_uv": high_mv * 1_000}
        else:
            self._without(key, adc.part, pins=adc.pins)
            spec["bus"] = self._bus(key, adc.part, part, adc.bus)
            spec |= self._parameters(key, adc.part, part, address=adc.address)
            self._place(f"{key}.address", spec["bus"], spec["address"])
        self._buses[bus] = "adc"
        self._adcs[bus] = spec
        return spec

    def expander(self, key: str, expander: Expander) -> dict[str, Any]:
        """Validate an expander: its bus, address and the line that switches it off."""
        self._name(f"{key}.name", expander.name)
        part = self._part(key, expander.part, "expander")
        name = f"expander.{expander.name}"
        if name in self._buses:
            self._refuse(f"{key}.name", f"another expander is named {expander.name}: choose "
                                        "another name")
        spec: dict[str, Any] = {"name": expander.name, "part": expander.part}
        spec["bus"] = self._bus(key, expander.part, part, expander.bus)
        spec |= self._parameters(
            key, expander.part, part, address=expander.address, freq_hz=expander.freq_hz)
        self._place(f"{key}.address", expander.bus, expander.address)
        spec |= self._off_line(key, expander, part)
        self._buses[name] = "expander"
        self._expanders[name] = part
        return spec

    def _off_line(self, key: str, expander: Expander, part: Part) -> dict[str, int]:
        """Validate the pin that switches off all outputs, even if the program has stopped."""
        off = part.off
        if off is None:
            self._refuse(f"{key}.part", f"{expander.part} has no line that switches its outputs "
                                        "off")
        pins = {"reset_pin": expander.reset_pin, "oe_pin": expander.oe_pin,
                "supply_pin": expander.supply_pin}
        pin = pins.pop(off.pin)
        self._without(key, expander.part, **pins)
        wanted = "up" if off.level else "down"
        if pin is None:
            why = (f"missing: {expander.part} keeps its outputs on when the program stops; "
                   f"{off.wire} to a GPIO, with 10 k that pulls {wanted}{self._pins.free()}")
            self._refuse(f"{key}.{off.pin}", why)
        if expander.pull != wanted:
            why = (f"{off.pin} at {off.level} switches the outputs off: fit a resistor that pulls "
                   f'{wanted}, and set pull = "{wanted}"')
            self._refuse(f"{key}.pull", why)
        off_pin = self._pins.off_at_reset(f"{key}.{off.pin}", pin, off.level)
        return {"off_pin": off_pin, "off_level": off.level}

    def sensor(self, key: str, sensor: Sensor) -> dict[str, Any]:
        """Validate a sensor on a bus, an analog channel or a pin."""
        self._name(f"{key}.source", sensor.source)
        part = self._part(key, sensor.part, "sensor")
        self._measures(key, sensor, part)
        self._counters_used += sensor.part == COUNTS_PULSES
        if self._counters_used > self._chip.counters:
            self._refuse(f"{key}.part", N_("no pulse counter is left: the {chip} has {count}; put "
                                           "this flow meter on another board"),
                         chip=self._chip.name, count=self._chip.counters)
        spec: dict[str, Any] = {
            "source": sensor.source, "part": sensor.part, "measures": list(sensor.measures)}
        pins = {"pin": sensor.pin, "trigger_pin": sensor.trigger_pin, "echo_pin": sensor.echo_pin}
        if sensor.bus is None and "pin" in part.buses:
            spec["pin"] = self._pins.analog(f"{key}.pin", sensor.pin)
        elif sensor.bus is None and "gpio" in part.buses:
            spec |= self._lines(key, part, pins)
        else:
            spec["bus"] = self._bus(key, sensor.part, part, sensor.bus)
            self._without(key, sensor.part, **pins)
        where = self._parameters(
            key, sensor.part, part, kind=self._buses.get(spec.get("bus", ""), ""),
            address=sensor.address, channel=sensor.channel, height_mm=sensor.height_mm,
            up_level=sensor.up_level, pulses_per_l=sensor.pulses_per_l,
            shunt_mohm=sensor.shunt_mohm,
            **{name: getattr(sensor, name) for name in analog_line.KEYS},
        )
        if "bus" in spec:
            # A part without address, channel or ROM code is alone on its bus.
            name = next((name for name in ("address", "channel") if name in where), "bus")
            number = where.get(name, 0) if sensor.rom is None else int(sensor.rom, 16)
            self._place(f"{key}.{name}", spec["bus"], number)
            self._input(f"{key}.channel", self._adcs.get(spec["bus"], {}), where.get(name, 0))
        if sensor.rom is not None:
            spec["rom"] = sensor.rom.lower()
        if isinstance(part, ModbusPart):
            why = modbus_map.refusal_on(self._rs485[spec["bus"]], sensor.part, part.probe)
            if why is not None:
                self._refuse(f"{key}.bus", why)
            spec |= modbus_map.compiled(part.probe, sensor.measures)
        return spec | where | ({"pair": sensor.pair} if sensor.pair else {})

    def actuator(self, key: str, actuator: Actuator) -> dict[str, Any]:
        """Validate an output: its pin, maximum run and safe level."""
        self._name(f"{key}.name", actuator.name)
        if actuator.name in self._names:
            self._refuse(f"{key}.name", N_("used by {key}: choose another"),
                         key=self._names[actuator.name])
        self._names[actuator.name] = key
        part = self._part(key, actuator.part, "actuator")
        parameters = self._parameters(
            key, actuator.part, part, kind="expander" if actuator.expander else "pin",
            freq_hz=actuator.freq_hz, max_on_ms=actuator.max_on_ms, safe_level=actuator.safe_level)
        wanted = "up" if actuator.safe_level else "down"
        if actuator.pull != wanted:
            why = (f"safe_level {actuator.safe_level} needs a resistor that pulls {wanted}, and "
                   f'pull = "{wanted}"')
            self._refuse(f"{key}.pull", why)
        spec: dict[str, Any] = {"name": actuator.name, "part": actuator.part}
        if actuator.expander is not None:
            self._on_expander(key, actuator, part)
            return spec | {"expander": actuator.expander, "pin": actuator.pin} | parameters
        pin = self._pins.off_at_reset(f"{key}.pin", actuator.pin, actuator.safe_level)
        return spec | {"pin": pin} | parameters

    def _on_expander(self, key: str, actuator: Actuator, part: Part) -> None:
        """Validate an output on an expander whose off line sets it to its safe level."""
        bus = self._bus(key, actuator.part, part, f"expander.{actuator.expander}")
        expander = self._expanders[bus]
        if actuator.part not in expander.drives:
            fitting = ", ".join(n for n, p in self._parts.items() if actuator.part in p.drives)
            self._refuse(f"{key}.expander", N_(
                "{expander} drives {parts}: a {part} needs a pin of the chip or an expander of "
                "type {fitting}"), expander=actuator.expander, parts=", ".join(expander.drives),
                part=actuator.part, fitting=fitting)
        outputs = expander.off.outputs if expander.off else "floating"
        if actuator.safe_level and outputs == "low":
            self._refuse(f"{key}.safe_level", N_(
                "{expander} sets its outputs low to switch them off: use an active-high driver and"
                " safe_level = 0"), expander=actuator.expander)
        if not actuator.safe_level and outputs == "high":
            self._refuse(f"{key}.safe_level", N_(
                "the outputs of {expander} are high from power-up, which would run this one: use "
                "an active-low driver, such as a relay board that is on at low, with safe_level = "
                '1 and pull = "up"'), expander=actuator.expander)
        if not 0 <= actuator.pin < expander.outputs:
            self._refuse(f"{key}.pin", N_("{expander} has pins 0 to {last}"),
                         expander=actuator.expander, last=expander.outputs - 1)
        self._place(f"{key}.pin", bus, actuator.pin)

    def check_whole(self) -> None:
        """Check the number of channels of the whole board."""
        count = len(self._channels) + 2 * len(self._names) + NODE_CHANNELS
        if count > MAX_CHANNELS:
            self._refuse("sensor", N_("{count} channels including outputs and node, the maximum "
                                      "is {most}: split the board in two"),
                         count=count, most=MAX_CHANNELS)
        if not self._channels:
            self._refuse("sensor", f"the board measures nothing: {EXAMPLE}")

    def _measures(self, key: str, sensor: Sensor, part: Part) -> None:
        if not sensor.measures:
            self._refuse(f"{key}.measures", N_("empty: {part} measures {quantities}"),
                         part=sensor.part, quantities=part.measures)
        for quantity in part.needed(sensor.measures):
            channel = f"{sensor.pair or sensor.source}.{quantity}"
            if channel not in self._channels:
                self._refuse(key, N_("{part} needs {channel}: put that sensor before this one"),
                             part=sensor.part, channel=channel)
        for quantity in sensor.measures:
            if quantity not in QUANTITIES:
                why = f"unknown quantity {quantity}; known: {', '.join(QUANTITIES)}"
                self._refuse(f"{key}.measures", why)
            if quantity not in part.measures:
                self._refuse(f"{key}.measures", N_("{part} measures {quantities}, not {quantity}"),
                             part=sensor.part, quantities=", ".join(part.measures),
                             quantity=quantity)
            channel = f"{sensor.source}.{quantity}"
            if channel in self._channels:
                self._refuse(f"{key}.measures", N_("{key} measures {channel} too: choose another "
                             "source"), key=self._channels[channel], channel=channel)
            self._channels[channel] = key

    def _part(self, key: str, name: str, kind: str) -> Part:
        part = self._parts.get(name)
        fitting = ", ".join(n for n, p in self._parts.items() if p.kind == kind)
        if part is None:
            self._refuse(f"{key}.part", f"unknown part {name}; {kind} parts: {fitting}")
        if part.kind != kind:
            self._refuse(f"{key}.part", f"{name} is not of kind {kind}; {kind} parts: {fitting}")
        return part

    def _bus(self, key: str, name: str, part: Part, bus: str | None) -> str:
        if bus is None or self._buses.get(bus) not in part.buses:
            fitting = [known for known, kind in self._buses.items() if kind in part.buses]
            have = ", ".join(fitting) or f"none, add one: {EXAMPLE}"
            kinds = " or ".join(part.buses)
            self._refuse(f"{key}.bus", N_("{part} needs {kinds}; this board has {have}"),
                         part=name, kinds=kinds, have=have)
        if part.i2c_hz and self._i2c_hz.get(bus, 0) > part.i2c_hz:
            self._refuse(f"{key}.bus", N_(
                "{part} supports at most {most} Hz, {bus} has {freq}: set its freq_hz to {most}"),
                part=name, most=part.i2c_hz, bus=bus, freq=self._i2c_hz[bus])
        return bus

    def _parameters(
        self, key: str, name: str, part: Part, kind: str = "", **values: int | None
    ) -> dict[str, int]:
        """Return the parameters of the part on a `kind` of bus, each in its range. All others
        must be None."""
        found = {}
        for parameter, value in values.items():
            allowed = part.parameters.get(parameter)
            if allowed is None or allowed.bus not in ("", kind):
                self._without(key, name, **{parameter: value})
            elif value is None or not allowed.allows(value):
                why = N_("missing: {range}, {text}") if value is None else N_(
                    "{value} is out of range: {range}, {text}")
                self._refuse(f"{key}.{parameter}", why, value=value, range=allowed.range,
                             text=as_text(allowed.text))
            else:
                found[parameter] = value
        return found

    def _place(self, key: str, bus: str, number: int) -> None:
        if (bus, number) in self._places:
            self._refuse(key, N_("used by {key} on {bus}: choose another"),
                         key=self._places[bus, number], bus=bus)
        self._places[bus, number] = key

    def _lines(self, key: str, part: Part, pins: dict[str, int | None]) -> dict[str, int]:
        """Allocate the pins of a part that is not on a bus. All others must be None."""
        found: dict[str, int] = {}
        for name, pin in pins.items():
            if name not in part.pins:
                self._without(key, "it", **{name: pin})
            elif pin is None:
                self._refuse(f"{key}.{name}", N_("missing: the GPIO it is wired to{free}"),
                             free=self._pins.free())
            else:
                found[name] = self._line(name)(f"{key}.{name}", pin)
        return found

    def _line(self, name: str) -> Callable[[str, int], int]:
        """Return the allocator for a pin name; "pin" (contact, open collector) is pulled up."""
        if name in DRIVEN_PINS:
            return self._pins.drive
        return self._pins.pull_up if name == "pin" else self._pins.listen

    def button(self, pin: int) -> dict[str, int]:
        """Allocate the pin of the button; a strapping pin is allowed, as for BOOT."""
        key = "button.pin"
        why = None if pin in self._chip.strapping else self._chip.output_refusal(pin)
        if why is not None:
            self._refuse(key, N_("{why}: the button needs an internal pull-up{free}"),
                         why=why, free=self._pins.free())
        return {"pin": self._pins.take(key, pin)}

    def _input(self, key: str, adc: dict[str, Any], channel: int) -> None:
        """Check that the chip's ADC has this input."""
        pins = adc.get("pins", range(channel + 1))
        if channel >= len(pins):
            self._refuse(key, N_("{adc} has inputs 0 to {last}: add a pin there"),
                         adc=adc["name"], last=len(pins) - 1)

    def _without(self, key: str, part: str, **values: object) -> None:
        for name, value in values.items():
            if value is not None:
                self._refuse(f"{key}.{name}", f"{part} has none: remove it")

    def _name(self, key: str, name: str) -> None:
        if not is_name(name):
            self._refuse(key, N_("{name} is not a name: up to 24 of a-z, 0-9 and _, a letter "
                                 "first"), name=f"{name!r:.40}")

    def _refuse(self, key: str, why: str, /, **values: object) -> NoReturn:
        """Refuse a key; `why` is a template if there are values for it."""
        raise BoardError(self._file, key, Text(why, **values) if values else why)

"""Builds the hardware of the compiled board and injects it into the drivers.

The only importer of machine, esp32 and onewire besides safety.safe_outputs and update.platform.
Unloaded after start-up.
"""

import time
from collections import namedtuple

import esp32
import machine
import onewire

from idro.drivers.shared.cutoff_timer import CutoffTimer
from idro.errors import NodeError
from idro.safety.limits import DOSERS
from idro.safety.outputs import Output

# Passed instead of a bus to a driver with pins of its own; `units` are the free ones of PCNT.
Gpio = namedtuple(
    "Gpio", ("Pin", "time_pulse_us", "sleep_us", "dht_readinto", "PCNT", "units"))

_KINDS = ("doser", "switch", "dimmer")


def build(board, clock, values):
    """Return (CutoffTimer, outputs, new_sampler, button) of the board; `values` are the active
    settings. new_sampler(plain, record_event) returns a Sampler, without pairs a `plain` one."""
    timer = CutoffTimer(machine.Timer(0), clock)
    outputs = _build_outputs(board, clock, timer)
    sensors = _build_sensors(board, clock, values)

    def new_sampler(plain, record_event):
        if not any(["pair" in spec for spec, _ in sensors]):
            return plain(sensors, clock, record_event)
        from idro.app.probe_pairs import PairedSampler

        return PairedSampler(sensors, clock, record_event, outputs, values)

    return timer, outputs, new_sampler, _build_button(board, clock)


def _build_sensors(board, clock, values):
    """Return [(spec, sensor)] in the board's order. Raises NodeError for a missing bus."""
    buses = _build_buses(board, clock)
    gpio = Gpio(machine.Pin, machine.time_pulse_us, time.sleep_us, machine.dht_readinto,
                esp32.PCNT, iter(range(8)))
    sensors = []
    for spec in board["sensors"]:
        bus = buses.get(spec["bus"]) if "bus" in spec else gpio
        if bus is None:
            raise NodeError(f"{spec['part']}: no bus {spec['bus']}")
        driver = _driver(spec.get("driver", spec["part"]))
        sensors.append((spec, driver.build(spec, bus, clock, values)))
    return sensors


def _build_button(board, clock):
    """Return the button of the board, or None."""
    spec = board["button"]
    if spec is None:
        return None
    return _driver("button").build(spec, machine, clock)


def _build_outputs(board, clock, timer):
    """Return {name: Output}. Raises NodeError."""
    outputs = {}
    expanders = _build_expanders(board, clock, timer)
    for spec in board["actuators"]:
        kind = spec["part"]
        if kind not in _KINDS:
            raise NodeError(f"{spec['name']}: {spec['part']} is no actuator")
        if kind == "doser" and spec["name"] not in DOSERS:
            raise NodeError(f"{spec['name']}: no limits are known for such a doser")
        if "expander" in spec:
            pin = _expander_pin(expanders[spec["expander"]], spec, kind)
        else:
            pin = _build_pin(spec, kind)
        driver = _driver(spec["part"]).build(spec, pin, timer, clock)
        if "expander" in spec:
            expanders[spec["expander"]].on_halt.append(driver.lost)
        outputs[spec["name"]] = Output(spec["name"], kind, driver, spec["max_on_ms"])
    return outputs


def _build_pin(spec, kind):
    pin = machine.Pin(spec["pin"], machine.Pin.OUT, value=spec["safe_level"])
    if kind != "dimmer":
        return pin
    duty_u16 = 65_535 if spec["safe_level"] else 0
    return machine.PWM(pin, freq=spec["freq_hz"], duty_u16=duty_u16)


def _expander_pin(expander, spec, kind):
    if kind == "dimmer":
        return expander.pwm(spec["pin"])
    return expander.output(spec["pin"], spec["safe_level"])


def _build_expanders(board, clock, timer):
    expanders = {}
    if board["expanders"]:
        buses = _build_i2c(board)
        for spec in board["expanders"]:
            off = machine.Pin(spec["off_pin"], machine.Pin.OUT, value=spec["off_level"])
            build = _driver(spec["part"]).build
            expander = build(spec, buses[spec["bus"]], off, time.sleep_us)
            if hasattr(expander, "watch"):
                expander.watch(timer, clock)
            expanders[spec["name"]] = expander
    return expanders


def _build_i2c(board):
    """Return the I2C buses by name. Building one again returns the same controller or pins."""
    buses = {}
    controller = 0
    for name, spec in board["i2c"].items():
        scl, sda = machine.Pin(spec["scl_pin"]), machine.Pin(spec["sda_pin"])
        freq_hz = spec["freq_hz"]
        if "soft" in spec:
            buses["i2c." + name] = machine.SoftI2C(scl=scl, sda=sda, freq=freq_hz)
        else:
            buses["i2c." + name] = machine.I2C(controller, scl=scl, sda=sda, freq=freq_hz)
            controller += 1
    return buses


def _build_buses(board, clock):
    buses = {}
    buses.update(_build_i2c(board))
    for name, spec in board["onewire"].items():
        buses["onewire." + name] = onewire.OneWire(machine.Pin(spec["pin"]))
    for number, (name, spec) in enumerate(board["uart"].items()):
        buses["uart." + name] = machine.UART(
            number + 1, baudrate=spec["baud"], tx=machine.Pin(spec["tx_pin"]),
            rx=machine.Pin(spec["rx_pin"]), timeout=0)
    if board.get("rs485"):
        buses.update(_driver("shared.modbus_rtu").open_lines(board, machine, clock))
    for spec in board["adcs"]:
        bus = _own_inputs(spec["pins"]) if "pins" in spec else buses[spec["bus"]]
        buses["adc." + spec["name"]] = _driver(spec["part"]).build(spec, bus, clock)
    return buses


def _own_inputs(pins):
    """Return the chip's own ADC at each of `pins`, with its widest range."""
    adc = machine.ADC
    return [adc(machine.Pin(pin), atten=adc.ATTN_11DB) for pin in pins]


def _driver(part):
    return __import__("idro.drivers." + part, None, None, ("build",))

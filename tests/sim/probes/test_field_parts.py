"""Tests of parts on I2C, UARTs, expanders and pins in the simulated world, and their faults.

Also tests that a simulated chip has only the peripherals of the real one.
"""

import json

import pytest

from idroserra.boards import compiler
from idroserra.image import build
from idrosim.runner import process
from support.simulated_board import START_UNIX_MS

FAULT_AT_MS, MEND_AT_MS, DURATION_MS = 70_000, 130_000, 260_000


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Return a function that returns the image folder of a board, built once."""
    built = {}

    def folder_of(name):
        if name not in built:
            built[name] = tmp_path_factory.mktemp(name)
            build.build_image(name, built[name])
        return built[name]

    return folder_of


def run_of(folder, image_dir, name, **more):
    """Return (records, all lines) of a run of the whole firmware."""
    job = process.make_job(
        "node-1", compiler.load(name), folder, start_unix_ms=START_UNIX_MS,
        duration_ms=DURATION_MS, **more,
    )
    process.install_image(job, image_dir)
    said = []
    run = process.run_lockstep(job, said.append)
    assert run.resets == []
    payloads = [json.loads(m["payload"]) for m in said
                if m["t"] == "up" and m["topic"].endswith("/telemetry")]
    return [record for payload in payloads for record in payload["records"]], said


FAULTS = [
    ("esp32s3-ezo", "unplugged", "reservoir.ph", "no_ack"),
    ("esp32s3-ezo", "noisy", "reservoir.ec_us_cm", "crc"),
    ("esp32s3-ezo", "unplugged", "air.co2_ppm", "no_ack"),
    ("esp32s3-ezo", "unplugged", "reservoir.level_mm", "no_ack"),
    ("esp32s3-ezo", "noisy", "reservoir.float_up", "noisy"),
    ("esp32s3-bench", "unplugged", "reservoir.ph", "no_ack"),
    ("esp32s3-bench", "noisy", "reservoir.ec_us_cm", "crc"),
    ("esp32s3-bench", "unplugged", "light.illuminance_lx", "no_ack"),
    ("esp32s3-bench", "unplugged", "pumps.current_ma", "no_ack"),
    ("esp32s3-expanders", "unplugged", "reservoir.ph", "no_ack"),
    ("esp32s3-expanders", "unplugged", "reservoir.level_mm", "saturated"),
    ("esp32s2-nursery", "unplugged", "reservoir.level_mm", "saturated"),
    ("esp32s2-nursery", "unplugged", "light.illuminance_lx", "no_ack"),
    ("esp32-classroom", "unplugged", "reservoir.ec_us_cm", "saturated"),
    ("esp32-classroom", "shorted", "reservoir.level_mm", "saturated"),
]


@pytest.mark.parametrize(("name", "kind", "channel", "fault"), FAULTS)
def test_a_broken_part_is_a_fault_and_recovers(tmp_path, images, name, kind, channel, fault):
    args = {"args": {"target": channel}}
    records, _ = run_of(tmp_path, images(name), name, timeline=[
        {"at_ms": FAULT_AT_MS, "fault": kind} | args,
        {"at_ms": MEND_AT_MS, "fault": "none"} | args,
    ])
    # Uptime starts some seconds after the scenario.
    during = [r for r in records if FAULT_AT_MS + 15_000 < r["at_ms"] < MEND_AT_MS - 15_000]
    assert during
    assert {r["faults"].get(channel) for r in during} == {fault}
    assert not any(channel in r["values"] for r in during)
    assert channel in records[-1]["values"]


def test_a_full_tank_is_a_fault_of_the_range_finder_only(tmp_path, images):
    plant = {"reservoir.height_mm": 700, "reservoir.volume_ml": 120_000}  # 400 mm deep
    name = "esp32s3-ezo"
    records, said = run_of(tmp_path, images(name), name, plant=plant)
    assert {r["faults"].get("reservoir.level_mm") for r in records} == {"out_of_range"}
    assert "reservoir.ph" in records[-1]["values"]
    assert not [m for m in said if m["t"] == "pin" and m["name"] == "top_off" and m["level"]]


def test_the_flow_meter_counts_what_is_topped_off(tmp_path, images):
    name = "esp32s3-bench"
    plant = {"top_off.stuck": "on", "top_off.flow_ml_per_s": 10.0, "reservoir.height_mm": 400}
    records, _ = run_of(tmp_path, images(name), name, plant=plant)
    flows = [record["values"]["top_off.flow_ml_per_min"] for record in records[2:]]
    assert all(500 <= flow <= 700 for flow in flows), flows
    assert abs(sum(flows) / len(flows) - 600) < 20


def edges_of(said, output):
    return [(m["at_us"] // 1_000, m["level"]) for m in said
            if m["t"] == "pin" and m["name"] == output]


EXPANDERS = [
    ("esp32s3-bench", "relays", "circulation"), ("esp32s3-expanders", "relays", "circulation"),
    ("esp32s3-expanders", "mosfets", "light"),
]


@pytest.mark.parametrize(("name", "expander", "output"), EXPANDERS)
def test_outputs_on_an_expander_go_off_when_its_bus_fails(
    tmp_path, images, name, expander, output
):
    args = {"args": {"target": f"expander.{expander}"}}
    settings = {"light.on_minute": 0, "light.on_minutes": 1_440}
    _, said = run_of(tmp_path, images(name), name, settings=settings, timeline=[
        {"at_ms": FAULT_AT_MS, "fault": "unplugged"} | args,
        {"at_ms": FAULT_AT_MS + 1_000, "command": {
            "verb": "run", "args": run_args(output), "by": "ada"}},
        {"at_ms": MEND_AT_MS, "fault": "none"} | args,
    ])
    on, off, again = edges_of(said, output)[:3]
    assert on[1] > 0
    assert on[0] < FAULT_AT_MS
    assert off[1] == 0
    assert FAULT_AT_MS <= off[0] <= FAULT_AT_MS + 15_000  # when it is next asked for
    assert again[1] > 0
    assert again[0] > MEND_AT_MS


def test_an_output_that_its_expander_switched_off_is_known_to_be_off(tmp_path, images):
    name, args = "esp32s3-expanders", {"args": {"target": "expander.relays"}}
    fault_at_ms, mend_at_ms = 88_000, 100_000  # just after the lease of circulation was renewed
    _, said = run_of(tmp_path, images(name), name, timeline=[
        {"at_ms": fault_at_ms, "fault": "unplugged"} | args,
        {"at_ms": fault_at_ms + 1_000, "command": {
            "verb": "run", "args": run_args("top_off"), "by": "ada"}},
        {"at_ms": mend_at_ms, "fault": "none"} | args,
    ])
    (_, _), (off_ms, _), (again_ms, level) = edges_of(said, "circulation")[:3]
    assert fault_at_ms < off_ms < mend_at_ms
    assert level == 1
    assert again_ms <= mend_at_ms + 11_000  # in the next cycle, not at the end of its lease


def run_args(output):
    if output == "light":
        return {"actuator": output, "for_ms": 600_000, "duty_pct": 30}
    return {"actuator": output, "for_ms": 600_000}


@pytest.mark.parametrize(("name", "expander", "output"), EXPANDERS)
def test_outputs_on_an_expander_go_off_when_the_board_resets(
    tmp_path, images, name, expander, output
):
    job = process.make_job(
        "node-1", compiler.load(name), tmp_path, start_unix_ms=START_UNIX_MS,
        duration_ms=120_000, timeline=[{"at_ms": 70_000, "fault": "reset"}],
        settings={"light.on_minute": 0, "light.on_minutes": 1_440},
    )
    process.install_image(job, images(name))
    said = []
    assert process.run_lockstep(job, said.append).resets == ["reset"]
    assert (70_000, 0) in edges_of(said, output)
    # And stay off until the program switches them on.
    at_ms = [at_ms for at_ms, level in edges_of(said, output) if level and at_ms > 70_000]
    assert at_ms[0] > 71_000


DOSE_AT_MIN = {"ph_down": 10, "nutrient_a": 16, "nutrient_b": 18, "ph_up": 72}
RUN_AT_MIN = {"top_off": 20, "circulation": 25, "light": 25}


@pytest.mark.parametrize("name", ["esp32s3-expanders", "esp32s2-nursery", "esp32-classroom"])
def test_each_output_of_a_board_runs_on_request(tmp_path, images, name):
    board = compiler.load(name)
    outputs = [actuator["name"] for actuator in board["actuators"]]
    asked = [
        (at_min, {"verb": "dose", "args": {"actuator": doser, "volume_ul": 1_000}})
        for doser, at_min in DOSE_AT_MIN.items() if doser in outputs
    ] + [
        (at_min, {"verb": "run", "args": run_args(output)})
        for output, at_min in RUN_AT_MIN.items() if output in outputs
    ]
    job = process.make_job(
        "node-1", board, tmp_path, start_unix_ms=START_UNIX_MS,
        duration_ms=75 * 60_000 if "ph_up" in outputs else 40 * 60_000,
        settings={"reservoir.area_cm2": 3_000, "dosing.enabled": False, "light.on_minutes": 0},
        timeline=[{"at_ms": at_min * 60_000, "command": command | {"by": "ada"}}
                  for at_min, command in asked],
    )
    process.install_image(job, images(name))
    said = []
    assert process.run_lockstep(job, said.append).resets == []
    for output in outputs:
        edges = edges_of(said, output)
        at_ms = (DOSE_AT_MIN | RUN_AT_MIN)[output] * 60_000
        levels = {level for _, level in edges}
        assert levels == ({0, 0.3} if output == "light" else {0, 1}) or output == "circulation"
        assert any(level for _, level in edges)
        if output != "circulation":  # which runs from the start
            assert at_ms <= edges[0][0] < at_ms + 2_000, output
        if output in DOSE_AT_MIN:
            assert 900 <= edges[1][0] - edges[0][0] <= 1_100, output


CHIP_BENCH = """
import machine
import time

def refusal(make, *args, **more):
    try:
        make(*args, **more)
    except ValueError as error:
        return str(error)

Pin = machine.Pin
print(refusal(Pin, LAST), refusal(Pin, LAST + 1))
print(refusal(machine.Timer, TIMERS - 1), refusal(machine.Timer, TIMERS))
print(refusal(machine.I2C, I2CS, scl=Pin(SCL), sda=Pin(SDA)), refusal(machine.UART, UARTS))
print(refusal(machine.ADC, Pin(ADC2)), refusal(machine.ADC, Pin(ADC1), atten=4))
adc = machine.ADC(Pin(ADC1), atten=machine.ADC.ATTN_11DB)
code = sum(adc.read() for _ in range(16)) // 16
near = abs((adc.read_u16() >> 16 - BITS) - code) < 60 << BITS - 12
print(near, abs(adc.read_uv() - UV) < 100_000)
adc.atten(machine.ADC.ATTN_0DB)
print(adc.read(), adc.read_u16())
while True:
    time.sleep(1)
"""
CHIPS = {
    # 200 mm of water: 1.08 V
    "esp32-classroom": {"LAST": 39, "TIMERS": 4, "I2CS": 2, "UARTS": 3, "ADC1": 35, "ADC2": 25,
                        "SCL": 22, "SDA": 21, "BITS": 12},
    "esp32s2-nursery": {"LAST": 46, "TIMERS": 4, "I2CS": 2, "UARTS": 2, "ADC1": 3, "ADC2": 11,
                        "SCL": 35, "SDA": 33, "BITS": 13},
    "esp32s3-expanders": {"LAST": 48, "TIMERS": 4, "I2CS": 2, "UARTS": 3, "ADC1": 1, "ADC2": 11,
                          "SCL": 9, "SDA": 8, "BITS": 12},
}


@pytest.mark.parametrize("name", CHIPS)
def test_a_chip_has_exactly_its_peripherals(tmp_path, name):
    flash = tmp_path / "flash"
    flash.mkdir()
    constants = "".join(f"{key} = {value}\n" for key, value in CHIPS[name].items())
    (flash / "main.py").write_text(f"UV = 1_080_000\n{constants}{CHIP_BENCH}")
    job = process.make_job(
        "node-1", compiler.load(name), tmp_path, start_unix_ms=START_UNIX_MS, duration_ms=5_000,
    )
    console = []
    process.run_lockstep(job, lambda line: None, on_console=console.append)
    i2cs, uarts = CHIPS[name]["I2CS"], CHIPS[name]["UARTS"]
    assert console == [
        "None invalid pin", "None invalid Timer number",
        f"I2C({i2cs}) doesn't exist UART({uarts}) does not exist", "invalid pin invalid atten",
        "True True", f"{(1 << CHIPS[name]['BITS']) - 1} 65535",
    ]


@pytest.mark.parametrize(("board", "pins"), [
    ("esp32-classroom", (16, 17)), ("esp32s2-nursery", (22, 26)),
    ("esp32s3-expanders", (26, 33, 37)),
])
def test_pins_of_the_psram_do_not_exist(tmp_path, board, pins):
    flash = tmp_path / "flash"
    flash.mkdir()
    (flash / "main.py").write_text(f"""
import machine
import time
for pin in {pins}:
    try:
        machine.Pin(pin)
    except ValueError as error:
        print(error)
while True:
    time.sleep(1)
""")
    job = process.make_job("node-1", compiler.load(board), tmp_path, start_unix_ms=START_UNIX_MS,
                           duration_ms=5_000)
    console = []
    process.run_lockstep(job, lambda line: None, on_console=console.append)
    assert console == ["invalid pin"] * len(pins)


SOFT_BENCH = """
import machine
import time
wires = {"scl": machine.Pin(17), "sda": machine.Pin(16)}
probes = machine.SoftI2C(freq=100_000, **wires)
print(probes.scan())
main = machine.I2C(0, scl=machine.Pin(9), sda=machine.Pin(8))
print(main.scan())
main.writeto(0x00, b"\\x06")
print(main.readfrom_mem(0x40, 0x00, 1))
main.writeto_mem(0x40, 0x00, b"\\x10")
print(0x70 in main.scan())
while True:
    time.sleep(1)
"""


def test_a_soft_bus_and_broadcast_addresses(tmp_path):
    flash = tmp_path / "flash"
    flash.mkdir()
    (flash / "main.py").write_text(SOFT_BENCH)
    job = process.make_job(
        "node-1", compiler.load("esp32s3-expanders"), tmp_path, start_unix_ms=START_UNIX_MS,
        duration_ms=5_000,
    )
    console = []
    process.run_lockstep(job, lambda line: None, on_console=console.append)
    assert console == ["[99, 100]", str([0x20, 0x40, 0x44, 0x70]), "b'\\x11'", "False"]


BENCH = """
import machine
import time
uart = machine.UART(1, baudrate=9600, tx=machine.Pin(17), rx=machine.Pin(16), timeout=0)
print(uart.read(), uart.any())
time.sleep(3)
print(uart.any() > 12, len(uart.read(6)), uart.read()[-1:])
uart.write("C,0\\r")
time.sleep_ms(400)
print(uart.readline()[-4:], uart.any())
buffer = bytearray(8)
uart.write(b"i\\r")
time.sleep_ms(400)
print(uart.readinto(buffer), bytes(buffer))
deaf = machine.UART(2, baudrate=115200, tx=15, rx=14)
deaf.write(b"R\\r")
time.sleep(2)
print(deaf.read())
trigger = machine.Pin(5, machine.Pin.OUT, value=0)
echo = machine.Pin(6, machine.Pin.IN)
print(machine.time_pulse_us(echo, 1, 30_000))
trigger.on()
time.sleep_us(12)
trigger.off()
before = time.ticks_us()
width = machine.time_pulse_us(echo, 1, 30_000)
print(1_600 < width < 1_900, time.ticks_diff(time.ticks_us(), before) > width, echo.value())
pulses = [0]
def count(pin):
    pulses[0] += 1
machine.Pin(7, machine.Pin.IN, machine.Pin.PULL_UP).irq(count, machine.Pin.IRQ_FALLING)
print(pulses)
import esp32
meter = machine.Pin(7, machine.Pin.IN, machine.Pin.PULL_UP)
counter = esp32.PCNT(3, pin=meter, falling=esp32.PCNT.INCREMENT, max=32_767)
counter.start()
for settings in ({"id": 4}, {"id": 0, "max": 40_000}):
    try:
        esp32.PCNT(**settings)
    except ValueError as error:
        print(error)
time.sleep(10)
print(70 < counter.value() < 80)
while True:
    time.sleep(1)
"""


def test_ports_and_lines_behave_like_the_chip(tmp_path):
    flash = tmp_path / "flash"
    flash.mkdir()
    (flash / "main.py").write_text(BENCH)
    job = process.make_job(
        "node-1", compiler.load("esp32s3-bench"), tmp_path, start_unix_ms=START_UNIX_MS,
        duration_ms=30_000,
        plant={"top_off.stuck": "on", "top_off.flow_ml_per_s": 16.7})
    console = []
    process.run_lockstep(job, lambda line: None, on_console=console.append)
    assert console == [
        "None 0", "True 6 b'\\r'", "b'*OK\\r' 0", "8 b'?i,pH,2.'", "None", "-2", "True True 0",
        "[0]", "invalid id", "maximum", "True",
    ]


def test_a_trigger_that_is_too_short_ends_the_run(tmp_path):
    flash = tmp_path / "flash"
    flash.mkdir()
    (flash / "main.py").write_text(
        "import machine\npin = machine.Pin(5, machine.Pin.OUT, value=0)\npin.on()\npin.off()\n"
    )
    job = process.make_job(
        "node-1", compiler.load("esp32s3-bench"), tmp_path, start_unix_ms=START_UNIX_MS,
        duration_ms=20_000,
    )
    said = []
    with pytest.raises(process.SimulatorError):
        process.run_lockstep(job, said.append)
    assert "trigger of 0 us" in [m for m in said if m["t"] == "misuse"][0]["error"]

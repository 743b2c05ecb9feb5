"""Parts on I2C, UARTs and pins of their own, in the simulated world, and how they break there."""

import json

import pytest
from simulated_board import START_UNIX_MS

from idroserra import boards, image
from idrosim import process

FAULT_AT_MS, MEND_AT_MS, DURATION_MS = 70_000, 130_000, 260_000


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Return a function that gives the folder of a board's image, built once."""
    built = {}

    def folder_of(name):
        if name not in built:
            built[name] = tmp_path_factory.mktemp(name)
            image.build_image(name, built[name])
        return built[name]

    return folder_of


def run_of(folder, image_dir, name, **more):
    """Return (records, all lines) of a run of the whole firmware."""
    job = process.make_job(
        "node-1", boards.load(name), folder, start_unix_ms=START_UNIX_MS,
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
]


@pytest.mark.parametrize(("name", "kind", "channel", "fault"), FAULTS)
def test_a_broken_part_is_a_fault_and_comes_back(tmp_path, images, name, kind, channel, fault):
    args = {"args": {"target": channel}}
    records, _ = run_of(tmp_path, images(name), name, timeline=[
        {"at_ms": FAULT_AT_MS, "fault": kind} | args,
        {"at_ms": MEND_AT_MS, "fault": "none"} | args,
    ])
    # Uptime begins some seconds after the scenario does.
    during = [r for r in records if FAULT_AT_MS + 15_000 < r["at_ms"] < MEND_AT_MS - 15_000]
    assert during
    assert {r["faults"].get(channel) for r in during} == {fault}
    assert not any(channel in r["values"] for r in during)
    assert channel in records[-1]["values"]


def test_a_full_tank_is_a_fault_of_the_ranger_and_stops_nothing_else(tmp_path, images):
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


def circulation_edges(said):
    return [(m["at_us"] // 1_000, m["level"]) for m in said
            if m["t"] == "pin" and m["name"] == "circulation"]


def test_outputs_on_an_expander_go_off_when_its_bus_fails(tmp_path, images):
    args = {"args": {"target": "expander.relays"}}
    _, said = run_of(tmp_path, images("esp32s3-bench"), "esp32s3-bench", timeline=[
        {"at_ms": FAULT_AT_MS, "fault": "unplugged"} | args,
        {"at_ms": MEND_AT_MS, "fault": "none"} | args,
    ])
    on, off, again = circulation_edges(said)[:3]
    assert on[1] == 1
    assert on[0] < FAULT_AT_MS
    assert off[1] == 0
    assert FAULT_AT_MS <= off[0] <= FAULT_AT_MS + 15_000  # at the next renewal of its run
    assert again[1] == 1
    assert again[0] > MEND_AT_MS


def test_outputs_on_an_expander_go_off_when_the_board_resets(tmp_path, images):
    name = "esp32s3-bench"
    job = process.make_job(
        "node-1", boards.load(name), tmp_path, start_unix_ms=START_UNIX_MS,
        duration_ms=120_000, timeline=[{"at_ms": 70_000, "fault": "reset"}],
    )
    process.install_image(job, images(name))
    said = []
    assert process.run_lockstep(job, said.append).resets == ["reset"]
    assert (70_000, 0) in circulation_edges(said)


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
while True:
    time.sleep(1)
"""


def test_ports_and_lines_do_what_the_chip_does(tmp_path):
    flash = tmp_path / "flash"
    flash.mkdir()
    (flash / "main.py").write_text(BENCH)
    job = process.make_job(
        "node-1", boards.load("esp32s3-bench"), tmp_path, start_unix_ms=START_UNIX_MS,
        duration_ms=20_000,
    )
    console = []
    process.run_lockstep(job, lambda line: None, on_console=console.append)
    assert console == [
        "None 0", "True 6 b'\\r'", "b'*OK\\r' 0", "8 b'?i,pH,2.'", "None", "-2", "True True 0",
        "[0]",
    ]


def test_a_trigger_that_is_too_short_ends_the_run(tmp_path):
    flash = tmp_path / "flash"
    flash.mkdir()
    (flash / "main.py").write_text(
        "import machine\npin = machine.Pin(5, machine.Pin.OUT, value=0)\npin.on()\npin.off()\n"
    )
    job = process.make_job(
        "node-1", boards.load("esp32s3-bench"), tmp_path, start_unix_ms=START_UNIX_MS,
        duration_ms=20_000,
    )
    said = []
    with pytest.raises(process.SimulatorError):
        process.run_lockstep(job, said.append)
    assert "trigger of 0 us" in [m for m in said if m["t"] == "misuse"][0]["error"]

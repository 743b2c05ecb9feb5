"""The firmware on a simulated board with every air sensor: wiring, readings, faults."""

import json

import pytest

from idroserra.boards import compiler, netlist, scaffold
from idroserra.image import build
from idrosim.runner import process
from support.simulated_board import START_UNIX_MS, run

PARTS = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())
SENSORS = ["sht4x", "sht3x:roof@0x45", "aht20:leaf", "bme280:door", "dht22:bench"]
UNPLUGGED_AT_MS, MENDED_AT_MS, NOISY_AT_MS, DURATION_MS = 70_000, 130_000, 200_000, 260_000
WITH_CHECKSUM = ["air", "roof", "leaf", "bench"]
SOURCES = [*WITH_CHECKSUM, "door"]


@pytest.fixture(scope="module")
def board_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("board") / "all-air.toml"
    path.write_text(scaffold.board_text("all-air", scaffold.Answers("esp32s3", sensors=SENSORS),
                                        PARTS))
    return path


@pytest.fixture(scope="module")
def lines(board_file, tmp_path_factory):
    """Return what a run of the whole firmware printed; all sensors are unplugged, then noisy."""
    folder = tmp_path_factory.mktemp("run")
    build.build_image(str(board_file), folder / "image")
    timeline = [
        {"at_ms": at_ms, "fault": kind, "args": {"target": f"{source}.temp_c"}}
        for at_ms, kind in ((UNPLUGGED_AT_MS, "unplugged"), (MENDED_AT_MS, "none"),
                            (NOISY_AT_MS, "noisy"))
        for source in SOURCES]
    job = process.make_job(
        "node-1", compiler.load_file(board_file), folder, start_unix_ms=START_UNIX_MS,
        duration_ms=DURATION_MS, timeline=timeline, trace_every_ms=10_000)
    process.install_image(job, folder / "image")
    said = []
    assert process.run_lockstep(job, said.append).resets == []
    return said


def records(lines, after_ms, before_ms):
    return [record for line in lines
            if line["t"] == "up" and line["topic"].endswith("/telemetry")
            for record in json.loads(line["payload"])["records"]
            if after_ms < record["at_ms"] < before_ms]


def test_board_new_wires_every_air_sensor(board_file):
    wired = compiler.read(board_file)
    wires = netlist.wires(wired.file, PARTS)
    on_i2c = next(wire for wire in wires.values() if "SCL" in wire.title)
    assert on_i2c.fit == "4.7 k to 3.3 V"
    assert [device.split(" of ")[0] for device in on_i2c.details] == [
        "0x44 sht4x", "0x45 sht3x", "0x38 aht20", "0x76 bme280"]
    line = next(wire for wire in wires.values() if "dht22" in wire.title)
    assert (line.title, line.fit) == ("dht22 of bench: temp_c, rh_pct", "4.7 k to 3.3 V")


def test_every_sensor_reads_the_air(lines):
    true = [line for line in lines if line["t"] == "truth"][5]["values"]
    found = records(lines, 30_000, UNPLUGGED_AT_MS)
    assert not any(record["faults"] for record in found)
    for source in SOURCES:
        values = found[-1]["values"]
        assert abs(values[f"{source}.temp_c"] - true["air.temp_c"]) < 0.6, source
        assert abs(values[f"{source}.rh_pct"] - true["air.rh_pct"]) < 3.5, source


def test_an_unplugged_sensor_is_a_fault_and_comes_back(lines):
    during = records(lines, UNPLUGGED_AT_MS + 15_000, MENDED_AT_MS - 15_000)
    after = records(lines, MENDED_AT_MS + 40_000, NOISY_AT_MS)
    assert during
    assert after
    for source in SOURCES:
        for key in ("temp_c", "rh_pct"):
            channel = f"{source}.{key}"
            assert {record["faults"].get(channel) for record in during} == {"no_ack"}
            assert all(channel not in record["values"] for record in during)
            assert channel in after[-1]["values"]


def test_damaged_answers_are_a_fault(lines):
    during = records(lines, NOISY_AT_MS + 15_000, DURATION_MS)
    assert during
    for source in WITH_CHECKSUM:
        assert {record["faults"].get(f"{source}.temp_c") for record in during} == {"crc"}


READ_DHT = """
import machine, time
ticks = [0]
def tick(timer):
    ticks[0] += 1
def read(pin):
    buffer, at_ms, before = bytearray(5), time.ticks_ms(), ticks[0]
    try:
        machine.dht_readinto(machine.Pin(pin), buffer)
        said = sum(buffer[:4]) & 0xFF == buffer[4]
    except OSError as error:
        said = error.errno
    print(said, time.ticks_diff(time.ticks_ms(), at_ms), ticks[0] - before)
machine.Timer(0).init(mode=machine.Timer.PERIODIC, period=50, callback=tick)
time.sleep(2)
read({pin})
read({free_pin})
read({pin})
"""


def test_a_dht22_is_read_as_by_the_port(board_file, tmp_path):
    """The reading blocks, but lets timers run; a second one within 2 s ends the process."""
    board = compiler.load_file(board_file)
    pin = next(sensor["pin"] for sensor in board["sensors"] if sensor["part"] == "dht22")
    code = READ_DHT.replace("{pin}", str(pin)).replace("{free_pin}", "21")
    said = r"True 273 5\s+116 273 5\s+dht22: asked again"
    with pytest.raises(process.SimulatorError, match=said):
        run(tmp_path, code, board=board)

"""The firmware on a simulated board of relay-kit parts: what fails, and what goes on beside it."""

import ast
import json

import pytest

from idroserra.boards import compiler, onewire_rom
from idroserra.flash import onewire_scan
from idroserra.image import build
from idrosim.runner import process
from support.relay_board import NAME, ROMS, TEXT, WHOLE, thermometer
from support.simulated_board import START_UNIX_MS, run

FAULT_AT_MS, MEND_AT_MS = 70_000, 100_000


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """Return (compiled board, folder of its image)."""
    folder = tmp_path_factory.mktemp("kit")
    path = folder / f"{NAME}.toml"
    path.write_text(WHOLE)
    build.build_image(str(path), folder / "image")
    return compiler.load_file(path), folder / "image"


def run_of(folder, kit, timeline, duration_ms=130_000, settings=None):
    """Return (resets, all lines) of a run of the whole firmware."""
    job = process.make_job("node-1", kit[0], folder, start_unix_ms=START_UNIX_MS,
                           duration_ms=duration_ms, timeline=timeline, settings=settings or {})
    process.install_image(job, kit[1])
    said = []
    return process.run_lockstep(job, said.append).resets, said


def records_of(said):
    payloads = [json.loads(m["payload"]) for m in said
                if m["t"] == "up" and m["topic"].endswith("/telemetry")]
    return [record for payload in payloads for record in payload["records"]]


def edges_of(said, output):
    return [(m["at_us"] // 1_000, m["level"]) for m in said
            if m["t"] == "pin" and m["name"] == output]


def test_relays_go_off_when_their_expander_is_lost_and_on_when_it_is_back(tmp_path, kit):
    args = {"args": {"target": "expander.relays"}}
    resets, said = run_of(tmp_path, kit, [
        {"at_ms": FAULT_AT_MS, "fault": "unplugged"} | args,
        {"at_ms": MEND_AT_MS, "fault": "none"} | args,
    ])
    assert resets == []
    on, off, again = edges_of(said, "circulation")[:3]
    assert on[1] == again[1] == 1
    assert off[1] == 0
    assert FAULT_AT_MS <= off[0] <= FAULT_AT_MS + 1_200
    assert again[0] > MEND_AT_MS
    assert not edges_of(said, "ph_down")


def test_a_missing_thermometer_is_a_fault_of_its_own_beside_the_others_on_its_line(
    tmp_path, kit
):
    args = {"args": {"target": "mixing.temp_c"}}
    _, said = run_of(tmp_path, kit, [
        {"at_ms": FAULT_AT_MS, "fault": "unplugged"} | args,
        {"at_ms": MEND_AT_MS, "fault": "none"} | args,
    ])
    records = records_of(said)
    assert {"reservoir.temp_c", "mixing.temp_c", "air.temp_c"} <= set(records[-1]["values"])
    during = [r for r in records if FAULT_AT_MS + 15_000 < r["at_ms"] < MEND_AT_MS - 5_000]
    assert during
    for record in during:
        assert record["faults"] == {"mixing.temp_c": "no_ack"}
        assert {"reservoir.temp_c", "air.temp_c"} <= set(record["values"])


def test_relays_go_off_when_the_board_resets_though_the_expander_remembers(tmp_path, kit):
    resets, said = run_of(tmp_path, kit, [{"at_ms": FAULT_AT_MS, "fault": "reset"}])
    assert resets == ["reset"]
    edges = edges_of(said, "circulation")
    assert (FAULT_AT_MS, 0) in edges
    at_ms = [at_ms for at_ms, level in edges if level and at_ms > FAULT_AT_MS]
    assert at_ms[0] > FAULT_AT_MS + 1_000
    assert not edges_of(said, "ph_down")


def test_relays_go_off_by_the_watchdog_when_the_program_hangs(tmp_path, kit):
    hang = {"at_ms": FAULT_AT_MS, "fault": "hang", "args": {"for_ms": 30_000}}
    resets, said = run_of(tmp_path, kit, [hang], duration_ms=90_000)
    assert resets == ["wdt"]
    [off_ms] = [at_ms for at_ms, level in edges_of(said, "circulation")
                if not level and at_ms > FAULT_AT_MS][:1]
    assert off_ms <= FAULT_AT_MS + 8_500


def test_a_cycle_that_outlasts_the_deadline_of_one_sensor_is_no_hang(tmp_path):
    """As many thermometers as the channels of a board allow, at the rate of a calibration."""
    def rom(number):
        code = bytes((onewire_rom.FAMILY, number, 0, 0, 0, 0, 0))
        return (code + bytes((onewire_rom.crc8(code),))).hex()

    path = tmp_path / f"{NAME}.toml"
    path.write_text(TEXT + "".join(
        thermometer("reservoir" if number == 0 else f"pot_{number}", rom(number))
        for number in range(23)))
    build.build_image(str(path), tmp_path / "image")
    resets, said = run_of(
        tmp_path / "run", (compiler.load_file(path), tmp_path / "image"), [], duration_ms=90_000,
        settings={"sample.every_ms": 2_000})
    assert resets == []
    last = records_of(said)[-1]
    assert last["at_ms"] > 60_000
    assert {"reservoir.temp_c", "pot_22.temp_c"} <= set(last["values"])


def test_a_scan_of_the_line_finds_every_thermometer(tmp_path, kit):
    """The code that `board scan` runs on the chip, on the simulated one."""
    board = kit[0]
    pin = board["onewire"]["main"]["pin"]
    code = onewire_scan.ON_BOARD.format(pin=pin) + """
v, roms = _f()
print(repr((v, roms)))
print(repr(_t(roms)))
time.sleep(60)
"""
    (is_high, roms), scratchpads = map(
        ast.literal_eval, run(tmp_path, code, board=board, duration_ms=10_000).console)
    assert is_high
    found = onewire_scan.matched(roms, scratchpads, board["sensors"])
    assert {one.source: one.rom for one in found} == ROMS
    assert all(one.answer == "answers" and 10 < one.temp_c < 35 for one in found)

"""The firmware on a simulated board with Modbus probes: readings, faults, a scan of the line."""

import ast
import json

import pytest

from idroserra.boards import compiler, modbus_map
from idroserra.flash import modbus_scan
from idroserra.image import build
from idrosim.runner import process
from support.simulated_board import START_UNIX_MS, run

BOARD = "esp32s3-rs485"
FAULT_AT_MS, MEND_AT_MS, DURATION_MS = 70_000, 130_000, 260_000
OTHERS = {"reservoir.temp_c", "reservoir.ec_us_cm", "reservoir.level_mm"}
# A probe that no file of ours has: one TOML beside the board, nothing else.
NEW_PROBE = """
text = "Made up: EC as a swapped number, PAR as a little-endian float, oxygen by function 4."
manual = "none: a test"
tried = "documentation"
address = 9
bauds = [4_800]
parities = ["odd"]
draw = { rail = "loads", current_ma = 10 }

[[register]]
quantity = "ec_us_cm"
address = 0x0102
type = "uint32"
order = "cdab"
scale = 0.1
low = 0
high = 20_000

[[register]]
quantity = "ppfd_umol_m2_s"
address = 0x0110
type = "float32"
order = "dcba"
low = 0
high = 3_000

[[register]]
quantity = "do_mg_l"
function = 4
address = 0
type = "int16"
order = "ba"
scale = 0.01
low = 0
high = 25

[[register]]
quantity = "moisture_pct"
function = 4
address = 7
type = "uint16"
scale = 0.01
low = 0
high = 100
"""
NEW_BOARD = """
[board]
name = "new-probe"
chip = "esp32"

[rs485.shed]
tx_pin = 25
rx_pin = 26
baud = 4_800
parity = "odd"

[[sensor]]
source = "reservoir"
part = "oddity"
measures = ["do_mg_l", "ec_us_cm", "ppfd_umol_m2_s", "moisture_pct"]
bus = "rs485.shed"
address = 77
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    build.build_image(BOARD, folder)
    return folder


def records_of(folder, image, board, **more):
    """Return the records of a run of the whole firmware."""
    job = process.make_job("node-1", board, folder, start_unix_ms=START_UNIX_MS, **more)
    process.install_image(job, image)
    said = []
    assert process.run_lockstep(job, said.append).resets == []
    return [record for line in said
            if line["t"] == "up" and line["topic"].endswith("/telemetry")
            for record in json.loads(line["payload"])["records"]], said


FAULTS = {"unplugged": "no_ack", "noisy": "crc", "cut": "crc", "foreign": "crc",
          "occupied": "timeout", "refused": "mismatch"}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_broken_probe_is_a_fault_and_the_others_go_on(tmp_path, image, kind):
    args = {"args": {"target": "reservoir.ph"}}
    records, _ = records_of(
        tmp_path, image, compiler.load(BOARD), duration_ms=DURATION_MS, timeline=[
            {"at_ms": FAULT_AT_MS, "fault": kind} | args,
            {"at_ms": MEND_AT_MS, "fault": "none"} | args])
    during = [r for r in records if FAULT_AT_MS + 15_000 < r["at_ms"] < MEND_AT_MS - 15_000]
    assert during
    assert {r["faults"].get("reservoir.ph") for r in during} == {FAULTS[kind]}
    assert all("reservoir.ph" not in r["values"] for r in during)
    assert all(r["values"].keys() >= OTHERS for r in during)
    assert "reservoir.ph" in records[-1]["values"]


def test_a_probe_in_no_list_is_one_toml_file(tmp_path):
    (tmp_path / "modbus").mkdir()
    (tmp_path / "modbus" / "oddity.toml").write_text(NEW_PROBE)
    path = tmp_path / "new-probe.toml"
    path.write_text(NEW_BOARD)
    board = compiler.load_file(path)
    build.build_image(str(path), tmp_path / "image")
    records, said = records_of(
        tmp_path / "run", tmp_path / "image", board, duration_ms=120_000,
        plant={"start.hour": 12.0}, trace_every_ms=10_000)
    true = [line for line in said if line["t"] == "truth"][-1]["values"]
    values = records[-1]["values"]
    assert abs(values["reservoir.do_mg_l"] - true["reservoir.do_mg_l"]) < 0.1
    assert abs(values["reservoir.ec_us_cm"] - true["reservoir.ec_us_cm"]) < 40
    assert abs(values["reservoir.ppfd_umol_m2_s"] - true["light.ppfd_umol_m2_s"]) < 3
    assert values["reservoir.moisture_pct"] > 99
    assert not any(record["faults"] for record in records)


def test_every_map_reads_what_its_probe_measures(tmp_path):
    """All probes of boards/modbus on one line; each has the water as its surroundings."""
    names = sorted(modbus_map.read_folder(compiler.boards_dir() / modbus_map.FOLDER))
    text = '[board]\nname = "all"\nchip = "esp32s3"\n[rs485.a]\ntx_pin = 17\nrx_pin = 16\n' \
        'de_pin = 15\nbaud = 9_600\n'
    parts = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())
    for address, name in enumerate(names, 1):
        text += f'[[sensor]]\nsource = "{name}"\npart = "{name}"\nbus = "rs485.a"\n' \
            f'measures = {json.dumps(parts[name].measures)}\naddress = {address}\n'
    (tmp_path / "all.toml").write_text(text)
    board = compiler.load_file(tmp_path / "all.toml")
    build.build_image(str(tmp_path / "all.toml"), tmp_path / "image")
    records, said = records_of(
        tmp_path / "run", tmp_path / "image", board, duration_ms=180_000,
        plant={"start.hour": 12.0, "outside.ppfd_umol_m2_s": 700.0}, trace_every_ms=10_000)
    true = [line for line in said if line["t"] == "truth"][-1]["values"]
    near = {"ph": 0.12, "ec_us_cm": 60, "temp_c": 0.4, "level_mm": 3, "do_mg_l": 0.15,
            "ppfd_umol_m2_s": 5}
    found = records[-1]["values"]
    assert true["light.ppfd_umol_m2_s"] > 100
    for name in names:
        for key in parts[name].measures:
            if key == "moisture_pct":
                assert found[f"{name}.{key}"] > 99
                continue
            place = "light" if key == "ppfd_umol_m2_s" else "reservoir"
            wanted = true[f"{place}.{key}"]
            assert abs(found[f"{name}.{key}"] - wanted) <= near[key], f"{name}.{key}"
    assert not records[-1]["faults"]


def test_a_scan_finds_what_is_on_the_line(tmp_path):
    """The code that `board scan` runs on the chip, on the simulated one."""
    board = compiler.load(BOARD)
    expected = {sensor["address"]: sensor for sensor in board["sensors"]}
    frames = {at: modbus_scan.request(at, expected.get(at)) for at in range(1, 7)}
    board["sensors"] = [s | {"address": 5} if s["address"] == 3 else s for s in board["sensors"]]
    code = modbus_scan.setup(board["rs485"]["main"]) + \
        f"for f in {list(frames.values())!r}:print(repr(_a(f)))\ntime.sleep(60)\n"
    outcome = run(tmp_path, code, board=board)
    printed = [line for line in outcome.console if line.startswith("b")]
    found = {at: modbus_scan.meaning(frame, ast.literal_eval(line))
             for (at, frame), line in zip(frames.items(), printed, strict=True)}
    assert found == {1: "answers", 2: "answers", 3: "silent", 4: "silent", 5: "exception 2",
                     6: "silent"}


def test_the_crc_of_the_host_is_that_of_the_standard():
    assert modbus_map.crc(b"\x02\x07") == b"\x41\x12"

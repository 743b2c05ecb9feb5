"""The firmware on a board that `board new` writes for EZO circuits and a laser ranger."""

import json

from idroserra.boards import compiler, scaffold
from idroserra.image import build
from idrosim.runner import process
from support.simulated_board import START_UNIX_MS

PARTS = ("ezo_rtd", "ezo_ph", "ezo_ec", "ezo_do", "vl53l0x")
NEAR = {"temp_c": 0.4, "ph": 0.15, "ec_us_cm": 60, "do_mg_l": 0.15, "level_mm": 3}
FAULT_AT_MS = 120_000


def test_each_reads_the_water_and_fails_alone(tmp_path):
    known = compiler.read_parts((compiler.boards_dir() / compiler.PARTS_FILE).read_bytes())
    answers = scaffold.Answers("esp32s3", sensors=[f"{part}:reservoir" for part in PARTS])
    path = tmp_path / "circuits.toml"
    path.write_text(scaffold.board_text("circuits", answers, known))
    board = compiler.load_file(path)
    assert {s["address"] for s in board["sensors"]} == {0x66, 0x63, 0x64, 0x61, 0x29}
    build.build_image(str(path), tmp_path / "image")
    job = process.make_job(
        "node-1", board, tmp_path / "run", start_unix_ms=START_UNIX_MS, duration_ms=180_000,
        trace_every_ms=10_000, timeline=[
            {"at_ms": FAULT_AT_MS, "fault": "noisy", "args": {"target": "reservoir.do_mg_l"}}])
    process.install_image(job, tmp_path / "image")
    said = []
    assert process.run_lockstep(job, said.append).resets == []
    records = [record for line in said
               if line["t"] == "up" and line["topic"].endswith("/telemetry")
               for record in json.loads(line["payload"])["records"]]
    before = [r for r in records if r["at_ms"] < FAULT_AT_MS][-1]
    true = {line["at_ms"]: line["values"] for line in said if line["t"] == "truth"}
    water = true[min(true, key=lambda at_ms: abs(at_ms - before["at_ms"]))]
    assert not before["faults"]
    for key, off in NEAR.items():
        assert abs(before["values"][f"reservoir.{key}"] - water[f"reservoir.{key}"]) <= off, key
    assert records[-1]["faults"] == {"reservoir.do_mg_l": "crc"}

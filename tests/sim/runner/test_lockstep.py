"""Tests of the firmware in lockstep: it runs, keeps exact time and is reproducible."""

import json
import subprocess
import sys

import pytest

from idroserra.boards import compiler
from idroserra.image import build
from idrosim.runner import process
from support.simulated_board import KEY, START_UNIX_MS, make_job

BOARD = "esp32-reservoir"
# More lines than a pipe holds: the board still runs while the first is read.
TICKING_MS = 2_000_000
TICKING = """
    import time
    while True:
        time.sleep_ms(100)
        print("tick")
    """
INTERRUPTED = """
import json, os, signal, sys
from idrosim.runner import process
signal.signal(signal.SIGINT, signal.SIG_IGN)
printed = []
def on_console(text):
    printed.append(text)
    if len(printed) == 1:
        os.killpg(0, signal.SIGINT)
process.run_lockstep(json.load(sys.stdin), lambda line: None, on_console=on_console)
print(json.dumps(printed))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return (folder of the image, its manifest)."""
    folder = tmp_path_factory.mktemp("image")
    return folder, build.build_image(BOARD, folder)


def run(folder, image_dir, **more):
    """Run the node for as long as `more` says; return its lines and the run."""
    lines = []
    settings = {"dosing.enabled": True, "reservoir.area_cm2": 3_000}
    job = process.make_job(
        "node-1", compiler.load(BOARD), folder, key=KEY, seed=7, start_unix_ms=START_UNIX_MS,
        settings=settings, **more,
    )
    process.install_image(job, image_dir)
    return lines, process.run_lockstep(job, lines.append)


def messages(lines, leaf):
    return [json.loads(line["payload"]) for line in lines
            if line["t"] == "up" and line["topic"].endswith("/" + leaf)]


def test_the_firmware_that_runs_is_the_image_that_was_built(tmp_path, built):
    lines, ended = run(tmp_path, built[0], duration_ms=300_000)
    info = messages(lines, "info")[0]
    assert info["image_sha256"] == built[1].image_sha256
    assert info["board"] == BOARD
    records = [record for batch in messages(lines, "telemetry") for record in batch["records"]]
    assert len(records) >= 25
    last = records[-1]["values"]
    truth = [line for line in lines if line["t"] == "truth"][-1]["values"]
    assert last["reservoir.ph"] == pytest.approx(truth["reservoir.ph"], abs=0.15)
    assert last["reservoir.ec_us_cm"] == pytest.approx(truth["reservoir.ec_us_cm"], rel=0.05)
    assert last["reservoir.temp_c"] == pytest.approx(truth["reservoir.temp_c"], abs=0.3)
    assert last["reservoir.level_mm"] == pytest.approx(truth["reservoir.level_mm"], abs=2)
    assert not ended.resets


def test_ctrl_c_at_the_terminal_does_not_reach_the_board(tmp_path):
    job = make_job(tmp_path, TICKING, duration_ms=TICKING_MS)
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], input=json.dumps(job), text=True,
                          capture_output=True, check=True, timeout=600, start_new_session=True)
    printed = json.loads(done.stdout)
    assert set(printed) == {"tick"}
    assert len(printed) > 0.9 * TICKING_MS / 100


def test_the_same_seed_gives_the_same_bytes(tmp_path, built):
    found = []
    for name in ("first", "again"):
        lines, ended = run(
            tmp_path / name, built[0], duration_ms=3 * 3_600_000,
            timeline=[{"at_ms": 3_600_000, "fault": "power_cut", "args": {"for_ms": 5_000}},
                      {"at_ms": 5_400_000, "network": "down"},
                      {"at_ms": 7_200_000, "network": "up"},
                      {"at_ms": 9_000_000, "fault": "unplugged",
                       "args": {"target": "reservoir.ph"}}],
        )
        assert lines[-1]["t"] == "end"
        lines[-1]["wall_ms"] = 0
        found.append(lines)
        print(f"{ended.speed_up:.0f} times real time")
    assert found[0] == found[1]
    assert any(line["t"] == "pin" and line["name"] == "ph_down" for line in found[0])


def test_every_record_arrives_once_in_order_despite_faults(tmp_path, built):
    lines, ended = run(
        tmp_path, built[0], duration_ms=2 * 3_600_000,
        timeline=[{"at_ms": 600_000, "network": "broker_down"},
                  {"at_ms": 900_000, "network": "up"},
                  {"at_ms": 1_800_000, "network": "down"},
                  {"at_ms": 2_400_000, "fault": "reset"},
                  {"at_ms": 3_600_000, "network": "up"}],
    )
    assert ended.resets == ["reset"]
    seqs = {}
    for line in lines:
        if line["t"] != "up" or line["topic"].rpartition("/")[2] not in ("telemetry", "event"):
            continue
        batch = json.loads(line["payload"])
        seqs.setdefault(batch["boot_id"], set()).update(r["seq"] for r in batch["records"])
    assert len(seqs) == 2
    first, second = seqs.values()
    # Up to a minute of telemetry may be lost from RAM at the reset, but nothing before.
    assert first == set(range(1, max(first) + 1))
    assert max(first) > 2_300_000 // 10_000
    assert second == set(range(1, max(second) + 1))


def test_an_outage_does_not_restart_the_node(tmp_path, built):
    lines, ended = run(
        tmp_path, built[0], duration_ms=1 * 3_600_000,
        timeline=[{"at_ms": 60_000, "network": "down"}],
    )
    assert not ended.resets
    assert [line["level"] for line in lines if line["t"] == "pin"
            and line["name"] == "circulation"] == [1]

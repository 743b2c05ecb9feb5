"""Tests of what a start and an append read from flash, counted on littlefs as a board has it.

A page is 32 bytes; an ESP32 takes about 50 us to read one, 0.5 ms to program eight, and 50 ms to
erase a block. The records of 72 h without a host fill the outbox, the ledger is five weeks old.
"""

import ast
import json
import subprocess
from pathlib import Path

import pytest

from idro.app.reserved_space import BLOCKS
from idro.safety.ledger import Ledger
from idroserra.boards import compiler
from idroserra.image import build
from idrosim.runner import process
from support.outbox_records import new_outbox, values_at
from support.simulated_board import START_UNIX_MS

BOARD = Path(__file__).parents[2] / "support" / "littlefs_board.py"
SAMPLE_MS, HOURS, WEEKS = 10_000, 72, 5
DOSE_EVERY_MS = 3 * 3_600_000
# Pages read. Raise them with a reason: each 20,000 pages are a second.
MOST_START_PAGES = 145_000
MOST_UNFED_PAGES = 40_000
MOST_OUTBOX_PAGES = 12_000
MOST_LEDGER_PAGES = 1_500
MOST_APPEND_PAGES = 25_000


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return the folder with the image and the data of a node after a long outage."""
    folder = tmp_path_factory.mktemp("flash")
    build.build_image("esp32-reservoir", folder)
    (folder / "data" / "outbox").mkdir(parents=True)
    (folder / "data" / "ballast").write_bytes(bytes(BLOCKS * 4_096))
    outbox = new_outbox(folder / "data" / "outbox")
    for step in range(HOURS * 3_600_000 // SAMPLE_MS):
        outbox.append_telemetry(step * SAMPLE_MS, values_at(step), {})
        if step % 90 == 0:
            detail = {"actuator": "ph_down", "on_ms": step}
            outbox.append_event(step * SAMPLE_MS, "dosed", detail)
    outbox.flush()
    now_ms = 0
    paths = tuple(str(folder / "data" / name) for name in ("ledger.a", "ledger.b"))
    ledger = Ledger(paths, lambda: now_ms, existed=False)
    for _ in range(WEEKS * 7 * 8):
        now_ms += DOSE_EVERY_MS
        ledger.settle(ledger.reserve("ph_down", 5_000, 2_000), 5_000, 2_000)
    return folder


def counted(files, step):
    """Return {part: counts} of a step on a board with `files`."""
    command = [process.find_micropython(), "-X", "heapsize=32M", BOARD, files, step]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    print("\n".join(json.dumps(line) for line in lines))
    return {line["part"]: line for line in lines}


def test_a_start_reads_little_flash(files):
    started = counted(files, "start")["start"]
    assert started["reads"] <= MOST_START_PAGES
    assert started["opens"] <= 130
    assert started["programs"] <= 150


def test_the_watchdog_is_fed_during_a_start(files):
    assert counted(files, "start")["start"]["silent"] <= MOST_UNFED_PAGES


def test_main_imports_parts_that_exist(files):
    main = (files / "main.py").read_text()
    parts = next(
        ast.literal_eval(node.value) for node in ast.parse(main).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "PARTS")
    for part in parts:
        assert (files / "idro" / (part.replace(".", "/") + ".mpy")).is_file(), part


def started_with(files, folder, module):
    """Return (run, console) of a simulated minute with `module` in place of control_cycle."""
    job = process.make_job(
        "node-1", compiler.load("esp32-reservoir"), folder, start_unix_ms=START_UNIX_MS,
        duration_ms=60_000)
    process.install_image(job, files)
    app = folder / "flash" / "idro" / "app"
    (app / "control_cycle.mpy").unlink()
    (app / "control_cycle.py").write_text(module)
    console = []
    return process.run_lockstep(job, lambda line: None, on_console=console.append), console


def test_the_watchdog_bites_a_module_that_hangs(files, tmp_path):
    run, _ = started_with(files, tmp_path, "import time\nwhile True:\n    time.sleep(1)\n")
    assert run.resets[:3] == ["wdt"] * 3


def test_a_full_outbox_is_opened_by_its_names(files):
    parts = counted(files, "parts")
    assert parts["outbox"]["count"] > 4_000
    assert parts["outbox"]["reads"] <= MOST_OUTBOX_PAGES
    assert parts["outbox"]["opens"] <= 5
    assert parts["ledger"]["reads"] <= MOST_LEDGER_PAGES


def test_no_append_to_a_full_outbox_reads_for_long(files):
    appended = counted(files, "append")["append"]
    assert (appended["lost"], appended["failures"]) == (0, 0)
    assert appended["reads"] <= MOST_APPEND_PAGES
    assert appended["erases"] <= 8


def test_a_board_runs_as_fast_as_its_chip_can(files, tmp_path):
    _, console = started_with(files, tmp_path, "import machine\nprint(machine.freq())\n")
    assert "240000000" in console

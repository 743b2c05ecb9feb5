"""Tests of what a start and an append read from flash, counted on littlefs as a board has it.

A page is 32 bytes; an ESP32 takes about 50 us to read one, 0.5 ms to program eight, and 50 ms to
erase a block. The records of 72 h without a host fill the outbox, the ledger is five weeks old.
"""

import json
import subprocess
from pathlib import Path

import pytest

from idro.app.reserved_space import BLOCKS
from idro.safety.ledger import Ledger
from idroserra.image import build
from idrosim.runner.process import find_micropython
from support.outbox_records import new_outbox, values_at

BOARD = Path(__file__).parents[2] / "support" / "littlefs_board.py"
SAMPLE_MS, HOURS, WEEKS = 10_000, 72, 5
DOSE_EVERY_MS = 3 * 3_600_000
# Pages read. Raise them with a reason: each 20,000 pages are a second.
MOST_IMPORT_PAGES = 85_000
MOST_OUTBOX_PAGES = 12_000
MOST_LEDGER_PAGES = 1_500
MOST_NODE_PAGES = 60_000
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
    done = subprocess.run(
        [find_micropython(), "-X", "heapsize=32M", BOARD, files, step], capture_output=True,
        text=True, check=True, timeout=300)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    print("\n".join(json.dumps(line) for line in lines))
    return {line["part"]: line for line in lines}


def test_a_start_reads_little_flash(files):
    started = counted(files, "start")
    assert started["import"]["reads"] <= MOST_IMPORT_PAGES
    assert started["node"]["reads"] <= MOST_NODE_PAGES
    assert started["node"]["opens"] <= 60
    assert started["node"]["programs"] <= 150


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

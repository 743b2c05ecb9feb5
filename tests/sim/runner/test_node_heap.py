"""Tests of the heap use of the firmware, from the image of a board, without the simulator.

Bytes are those of a 64-bit interpreter; bench/RESULTS.md has the figures for 32 bits.
"""

import subprocess
from pathlib import Path

import pytest

from idro.safety.ledger import MAX_RECORDS, Ledger
from idroserra.image import build
from idrosim.runner.process import find_micropython

BARE_NODE = Path(__file__).parents[2] / "support" / "bare_node.py"
# Raise them with a reason, and bench/RESULTS.md with them. A long path of the image counts, too.
MOST_IMPORTED_BYTES = 254_500
MOST_BYTES = 331_000
HEAP = "384K"
# Additional heap of a ledger of five weeks with eight doses a day: the doses of one day.
MOST_LEDGER_BYTES = 6_000
DOSE_EVERY_MS = 10_800_000
# Share of the free heap in one block. It was 20 % without collection before the heap is full.
LEAST_IN_ONE_PCT = 75


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the image of the reference board, not yet started."""
    folder = tmp_path_factory.mktemp("image")
    build.build_image("esp32-reservoir", folder)
    return folder


@pytest.fixture(scope="module")
def steps(folder):
    """Return {step: (bytes added, bytes in all)}, and of "piece": (largest free, all free)."""
    return started(folder)


def started(folder):
    done = subprocess.run(
        [find_micropython(), "-X", f"heapsize={HEAP}", BARE_NODE, folder],
        capture_output=True, text=True, timeout=600, check=False,
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-500:]
    found = {}
    for line in done.stdout.splitlines():
        words = line.split()
        if len(words) == 3 and words[2].isdigit():
            found[words[0]] = (int(words[1]), int(words[2]))
    return found


def test_the_node_fits_its_share_of_the_heap(steps):
    for step in ("imports", "built", "cycles"):
        print(f"{step}: {steps[step][1]} bytes in all, 64 bit")
    modules = [step for step in steps.items() if step[0].startswith("idro.")]
    dearest = sorted(modules, key=lambda step: -step[1][0])[:8]
    print("dearest: " + ", ".join(f"{name} {added}" for name, (added, _) in dearest))
    assert steps["imports"][1] <= MOST_IMPORTED_BYTES
    assert steps["cycles"][1] <= MOST_BYTES


def test_free_heap_is_contiguous(steps):
    piece, free = steps["piece"]
    print(f"{piece} of {free} bytes")
    assert piece * 100 >= LEAST_IN_ONE_PCT * free


def test_a_full_ledger_uses_no_more_heap_than_its_last_day(folder, steps):
    now_ms = 0
    paths = (str(folder / "data" / "ledger.a"), str(folder / "data" / "ledger.b"))
    ledger = Ledger(paths, lambda: now_ms, existed=False)
    for _ in range(MAX_RECORDS // 2 - 2):
        now_ms += DOSE_EVERY_MS
        ledger.settle(ledger.reserve("ph_down", 1_000, 1_000), 1_000, 1_000)
    full = started(folder)
    assert full["cycles"][1] - steps["cycles"][1] < MOST_LEDGER_BYTES


def test_texts_of_the_host_are_not_loaded(steps):
    assert "idro.protocol.messages" in steps
    assert "idro.protocol.descriptions" not in steps

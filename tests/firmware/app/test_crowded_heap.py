"""Tests of settings and messages on a fragmented heap."""

import subprocess
from pathlib import Path

from support.micropython_program import micropython

ROOT = Path(__file__).resolve().parents[3]
CROWDED = Path(__file__).parents[2] / "support" / "crowded_heap.py"
WANTED = """\
taken None 1 5.1
in pieces None 2 5.2
info True True
config True True
batch True True
full memory_send_again() 2 5.2
full memory_send_again() 2 5.2
kept 2 5.2
after None 4 5.4
kept 4 5.4
"""


def test_settings_and_messages_work_on_a_fragmented_heap(tmp_path):
    done = subprocess.run(
        [micropython(), "-X", "heapsize=600K", CROWDED, tmp_path], capture_output=True, text=True,
        timeout=600, check=False, env={"MICROPYPATH": str(ROOT / "firmware") + ":.frozen"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == WANTED

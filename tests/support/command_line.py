"""Runs the command line in a child process, and reads what it shows on a terminal."""

import os
import select
import subprocess
import sys
import time


def idroserra(*words, url=None, wait_s=180):
    """Run `idroserra` without a terminal; return the completed process."""
    more = [] if url is None else ["--url", url]
    return subprocess.run(
        [sys.executable, "-m", "idroserra.cli", *words, *more], capture_output=True, text=True,
        timeout=wait_s, stdin=subprocess.DEVNULL, env=os.environ | {"COLUMNS": "120"}, check=False)


def read_until(terminal, text, wait_s=180):
    """Read from the descriptor of a pseudo-terminal until `text` came; return what came."""
    seen, ends = b"", time.monotonic() + wait_s
    while text not in seen.decode(errors="replace"):
        assert time.monotonic() < ends, f"{text!r} never came: {seen[-600:]!r}"
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 4_096)
    return seen.decode(errors="replace")

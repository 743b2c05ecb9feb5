"""Runs the command line in a child process."""

import os
import subprocess
import sys


def idroserra(*words, url=None, wait_s=180):
    """Run `idroserra` without a terminal; return the completed process."""
    more = [] if url is None else ["--url", url]
    return subprocess.run(
        [sys.executable, "-m", "idroserra.cli", *words, *more], capture_output=True, text=True,
        timeout=wait_s, stdin=subprocess.DEVNULL, env=os.environ | {"COLUMNS": "120"}, check=False)

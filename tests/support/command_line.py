"""Runs the command line in a child process, and reads what it shows on a terminal.

Most of the time of a command is that of its imports. So the children are forked from a process
that has made them. Tests of signals, pipes and the start itself start `python -m idroserra.cli`.
"""

import multiprocessing
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from idroserra.cli.main import COMMANDS, main

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(sorted({place.partition(":")[0] for place in COMMANDS.values()}))


def idroserra(*words, url=None, wait_s=600, typed="", env=None, cwd=None):
    """Run `idroserra` without a terminal; return the completed process with its texts.

    `typed`: its stdin, text or bytes. `env`: variables beside those of this process."""
    arguments = [*map(str, words), *([] if url is None else ["--url", url])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").write_bytes(typed if isinstance(typed, bytes) else typed.encode())
        process = _FORKS.Process(target=_run, args=(
            arguments, folder, os.environ | {"COLUMNS": "120"} | (env or {}), cwd or os.getcwd()))
        process.start()
        process.join(wait_s)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, wait_s)
        out, err = ((folder / one).read_text("utf-8") for one in ("out", "err"))
        return subprocess.CompletedProcess(arguments, process.exitcode, out, err)


def _run(arguments, folder, env, cwd):
    """Be the command: in its folder, with its variables and its own stdin, stdout and stderr."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the fork server ignores it
    flags = os.O_WRONLY | os.O_CREAT
    for number, (file, how) in enumerate((("in", os.O_RDONLY), ("out", flags), ("err", flags))):
        opened = os.open(folder / file, how)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  until the process ends
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.argv = ["idroserra", *arguments]
    main()


def read_until(terminal, text, wait_s=180):
    """Read from the descriptor of a pseudo-terminal until `text` came; return what came."""
    seen, ends = b"", time.monotonic() + wait_s
    while text not in seen.decode(errors="replace"):
        assert time.monotonic() < ends, f"{text!r} never came: {seen[-600:]!r}"
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 4_096)
    return seen.decode(errors="replace")

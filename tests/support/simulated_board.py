"""Runs a few lines of firmware on the simulated reference board and returns its output."""

import hashlib
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from idroserra.boards import compiler
from idrosim.runner import process

START_UNIX_MS = 1_760_000_000_000
KEY = hashlib.sha256(b"test").hexdigest()


@dataclass
class Outcome:
    run: process.Run
    lines: list[process.Line] = field(default_factory=list)
    console: list[str] = field(default_factory=list)

    def of(self, kind: str) -> list[process.Line]:
        return [line for line in self.lines if line["t"] == kind]


def make_job(folder: Path, main: str, *, duration_ms: int = 60_000, **more: Any) -> dict[str, Any]:
    """Return a job whose board runs `main` as its main.py. `board`: else the reference board."""
    flash = folder / "flash"
    flash.mkdir(parents=True, exist_ok=True)
    (flash / "main.py").write_text(textwrap.dedent(main), encoding="utf-8")
    board = more.pop("board", None) or compiler.load("esp32-reservoir")
    more.setdefault("seed", 7)
    return process.make_job(
        "node-1", board, folder, key=KEY, start_unix_ms=START_UNIX_MS, duration_ms=duration_ms,
        **more,
    )


def run(folder: Path, main: str, **more: Any) -> Outcome:
    """Run `main` to the end of the job."""
    outcome = Outcome(process.Run())
    outcome.run = process.run_lockstep(
        make_job(folder, main, **more), outcome.lines.append, on_console=outcome.console.append
    )
    return outcome

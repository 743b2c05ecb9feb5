"""A host process that can be killed and restarted within a fraction of a second."""

from __future__ import annotations

import json
import os
import queue
import resource
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from support.wait import wait_until

_NO_LIMIT = resource.RLIM_INFINITY


class HostProcess:
    """One host on one data folder. start() returns when the process exists.

    A host that exits is started again, as by systemd; `ends` holds the reason of each exit.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder = folder
        self.ends: list[str] = []
        self._clock = folder / "clock"
        self._config = config
        self._reports: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._pidfd: int | None = None
        self._pid = 0
        self._is_wanted = False
        self.step_clock(0)
        script = Path(__file__).with_name("forked_hosts.py")
        with (folder / "forked_hosts.log").open("ab") as log:
            self._forker = subprocess.Popen(
                [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True,
            )
        self._reader = threading.Thread(target=self._read_reports, daemon=True)
        self._reader.start()

    def start(self) -> None:
        """Fork a host, which then opens its files."""
        assert not self.is_alive(), "the host is already running"
        self._is_wanted = True
        job = {"config": self._config, "clock": str(self._clock),
               "log": str(self.folder / "host.log")}
        assert self._forker.stdin is not None
        self._forker.stdin.write(json.dumps(job) + "\n")
        self._forker.stdin.flush()
        while not (line := self._reports.get(timeout=120)).startswith("forked"):
            pass
        self._pid = int(line.split()[1])
        try:
            self._pidfd = os.pidfd_open(self._pid)
        except ProcessLookupError:
            self._pidfd = None

    def is_alive(self) -> bool:
        """Return whether the process exists."""
        return self._pidfd is not None and not select.select([self._pidfd], [], [], 0)[0]

    def keep_alive(self) -> None:
        """Start the host again if it has exited."""
        if self._is_wanted and not self.is_alive():
            self._forget()
            self.start()

    def kill(self) -> None:
        """End the host with SIGKILL, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End the host with SIGTERM."""
        self._end(signal.SIGTERM)

    def close(self) -> None:
        """End the host and the process that forks hosts."""
        self.kill()
        assert self._forker.stdin is not None
        self._forker.stdin.close()
        self._forker.wait(60)
        self._reader.join(60)
        assert self._forker.stdout is not None
        self._forker.stdout.close()

    def step_clock(self, offset_ms: int) -> None:
        """Set the offset of the host's wall clock from that of the machine."""
        self._clock.write_bytes(offset_ms.to_bytes(8, "little", signed=True))

    def limit_files(self, most_bytes: int | None) -> None:
        """Limit the size of the running host's files; None removes the limit."""
        if self.is_alive():
            limit = _NO_LIMIT if most_bytes is None else most_bytes
            resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (limit, _NO_LIMIT))

    def _end(self, how: signal.Signals) -> None:
        self._is_wanted = False
        if self._pidfd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, how)
            wait_until(lambda: not self.is_alive(), 60, "the host ends")
            self._forget()

    def _forget(self) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)
        self._pidfd = None

    def _read_reports(self) -> None:
        assert self._forker.stdout is not None
        for line in self._forker.stdout:
            if line.startswith("ended"):
                self.ends.append(line[6:].strip())
            self._reports.put(line)

"""The host as a process of its own that dies and comes back in a fraction of a second."""

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
    """One host on one data folder. start() returns when the process is there, not when it works.

    A host that ends by itself is started again, as systemd would; `ends` says why each ended.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder = folder
        self.ends: list[str] = []
        self._clock = folder / "clock"
        self._config = config
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._pidfd: int | None = None
        self._pid = 0
        self._is_wanted = False
        self.step_clock(0)
        nursery = Path(__file__).with_name("forked_hosts.py")
        with (folder / "nursery.log").open("ab") as log:
            self._nursery = subprocess.Popen(
                [sys.executable, str(nursery)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True,
            )
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    def start(self) -> None:
        """Have a new host, which begins to open its files."""
        assert not self.is_alive(), "it runs already"
        self._is_wanted = True
        job = {"config": self._config, "clock": str(self._clock),
               "log": str(self.folder / "host.log")}
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(json.dumps(job) + "\n")
        self._nursery.stdin.flush()
        while not (said := self._said.get(timeout=120)).startswith("born"):
            pass
        self._pid = int(said.split()[1])
        try:
            self._pidfd = os.pidfd_open(self._pid)
        except ProcessLookupError:
            self._pidfd = None

    def is_alive(self) -> bool:
        """True while the process is there."""
        return self._pidfd is not None and not select.select([self._pidfd], [], [], 0)[0]

    def keep_alive(self) -> None:
        """Start it again where it has ended by itself."""
        if self._is_wanted and not self.is_alive():
            self._forget()
            self.start()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it politely."""
        self._end(signal.SIGTERM)

    def close(self) -> None:
        """End everything."""
        self.kill()
        assert self._nursery.stdin is not None
        self._nursery.stdin.close()
        self._nursery.wait(60)
        self._reader.join(60)
        assert self._nursery.stdout is not None
        self._nursery.stdout.close()

    def step_clock(self, offset_ms: int) -> None:
        """Put the host's wall clock so many milliseconds beside that of the machine."""
        self._clock.write_bytes(offset_ms.to_bytes(8, "little", signed=True))

    def limit_files(self, most_bytes: int | None) -> None:
        """Let no file of the running host grow past most_bytes; None: as they like."""
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

    def _listen(self) -> None:
        assert self._nursery.stdout is not None
        for line in self._nursery.stdout:
            if line.startswith("ended"):
                self.ends.append(line[6:].strip())
            self._said.put(line)

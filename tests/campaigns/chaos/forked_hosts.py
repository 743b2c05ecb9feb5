"""Hosts that start in milliseconds: the host's modules are imported once, each host is a fork.

One line of JSON on stdin ({"config", "clock", "log"}) starts one; "born PID" and later
"started" or "ended WHY" come on stdout. The clock is a file with the offset of the host's clock in
ms.
"""

import json
import os
import signal
import sys
import threading

from idroserra import pki, recipes, reports, web  # noqa: F401  packages, before the fork
from idroserra.core.config import load_config
from idroserra.history.influx import store as influx_store  # noqa: F401
from idroserra.history.sqlite import store as sqlite_store  # noqa: F401
from idroserra.mqtt.connection import wall_unix_ms
from idroserra.server.service import Service

OFFSET_BYTES = 8


def run_host(job: dict) -> None:
    """Be a host until SIGTERM."""
    clock = os.open(job["clock"], os.O_RDONLY)

    def now_unix_ms() -> int:
        return wall_unix_ms() + int.from_bytes(
            os.pread(clock, OFFSET_BYTES, 0), "little", signed=True)

    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    service = Service(load_config(None, job["config"]), now_unix_ms)
    service.start()
    say("started")
    ended.wait()
    service.stop()


def be_born(job: dict) -> None:
    """In the child: log to a file, run, and end; the harness is told why."""
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 2)
    sys.excepthook = tell_end
    say(f"born {os.getpid()}")
    run_host(job)
    raise SystemExit


def tell_end(kind: type[BaseException], error: BaseException, trace: object) -> None:
    """Say in one line why this host ended, and all of it in its log."""
    sys.__excepthook__(kind, error, trace)
    say(f"ended {kind.__name__}: {error}".replace("\n", " "))


def say(line: str) -> None:
    """Tell the harness a line, whole or not at all: the process may be killed at any instant."""
    os.write(1, f"{line}\n".encode())


def main() -> None:
    """Take orders until stdin ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            be_born(json.loads(line))


if __name__ == "__main__":
    main()

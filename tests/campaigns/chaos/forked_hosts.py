"""Forks hosts from a process that has imported their modules, so that each starts in milliseconds.

One line of JSON on stdin ({"config", "clock", "log"}) starts a host. Stdout gets "forked PID" and
later "started" or "ended REASON". `clock` is a file with the offset of the host's clock in ms.
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
    """Run a host until SIGTERM."""
    clock = os.open(job["clock"], os.O_RDONLY)

    def now_unix_ms() -> int:
        return wall_unix_ms() + int.from_bytes(
            os.pread(clock, OFFSET_BYTES, 0), "little", signed=True)

    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    service = Service(load_config(None, job["config"]), now_unix_ms)
    service.start()
    report("started")
    ended.wait()
    service.stop()


def run_child(job: dict) -> None:
    """Run a host in the forked process, log to a file and report its end to the harness."""
    log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 2)
    sys.excepthook = report_error
    report(f"forked {os.getpid()}")
    run_host(job)
    raise SystemExit


def report_error(kind: type[BaseException], error: BaseException, trace: object) -> None:
    """Log the traceback and report the error in one line."""
    sys.__excepthook__(kind, error, trace)
    report(f"ended {kind.__name__}: {error}".replace("\n", " "))


def report(line: str) -> None:
    """Write a line to the harness in one call, because the process may be killed at any time."""
    os.write(1, f"{line}\n".encode())


def main() -> None:
    """Fork a host for each line until stdin ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            run_child(json.loads(line))


if __name__ == "__main__":
    main()

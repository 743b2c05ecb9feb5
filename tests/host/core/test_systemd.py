"""sd_notify messages, received by a real datagram socket."""

import configparser
import os
import pwd
import signal
import socket
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from idroserra.cli.main import app
from idroserra.core import systemd

UNPRIVILEGED = pwd.getpwnam("daemon")


@pytest.fixture
def listening(tmp_path):
    """(path, next_line): next_line() returns the next line received by the socket at path."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(path))
        line.settimeout(120)
        yield path, lambda: line.recv(4_096).decode()


def test_no_notification_is_sent_without_systemd(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    assert systemd.notify("READY=1") is False
    assert systemd.watchdog_interval_s() is None
    monkeypatch.setenv("NOTIFY_SOCKET", "/nothing/there")
    assert systemd.notify("READY=1") is False


@pytest.mark.parametrize(("usec", "pid", "every_s"), [
    ("60000000", None, 30), ("60000000", "own", 30), ("60000000", "1", None),
    ("400000", None, 0.5), ("0", None, None), ("soon", None, None), ("", None, None),
])
def test_the_watchdog_interval_is_half_the_systemd_timeout(monkeypatch, usec, pid, every_s):
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    if pid is None:
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
    else:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)
    assert systemd.watchdog_interval_s() == every_s


def test_a_host_is_ready_beats_and_says_when_it_stops(listening, tmp_path, mosquitto):
    path, next_line = listening
    config = tmp_path / "host.toml"
    config.write_text(f'data_dir = "{tmp_path / "data"}"\n[http]\nport = 0\n'
                      f'[mqtt]\nurl = "mqtt://127.0.0.1:{mosquitto.port}"\n')
    environment = os.environ | {"WATCHDOG_USEC": "1000000", "NOTIFY_SOCKET": str(path)}
    environment.pop("WATCHDOG_PID", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "idroserra.cli", "serve", "--config", str(config)],
        env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert next_line() == "READY=1"
        assert [next_line(), next_line()] == ["WATCHDOG=1", "WATCHDOG=1"]
        process.send_signal(signal.SIGTERM)
        while (line := next_line()) == "WATCHDOG=1":
            pass
        assert line == "STOPPING=1"
        process.communicate(timeout=600)
        assert process.returncode in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.communicate()


def test_the_unit_runs_this_installation_and_may_write_its_data_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    config = tmp_path / "host.toml"
    config.write_text(f'data_dir = "{tmp_path / "data"}"\n')
    monkeypatch.setattr(os, "geteuid", lambda: UNPRIVILEGED.pw_uid)
    refused = CliRunner().invoke(app, ["unit", "--config", str(config)])
    assert refused.exit_code == 1
    assert "create it first: mkdir -p" in str(refused.exception)
    (tmp_path / "data").mkdir()
    printed = CliRunner().invoke(app, ["unit", "--config", str(config)])
    assert printed.exit_code == 0, printed.output
    unit = configparser.RawConfigParser(strict=True)
    unit.optionxform = str
    unit.read_string(printed.stdout)
    service = unit["Service"]
    assert service["User"] == UNPRIVILEGED.pw_name
    assert service["ExecStart"] == (
        f"{sys.executable} -m idroserra.cli serve --config {config}")
    assert service["ReadWritePaths"] == f"{tmp_path / 'data'} {tmp_path / 'state' / 'idroserra'}"
    (tmp_path / "data-broker").mkdir()  # for the certificates of nodes
    printed = CliRunner().invoke(app, ["unit", "--config", str(config)])
    assert f" {tmp_path / 'data-broker'}\n" in printed.output
    with config.open("a") as file:
        file.write("[standby]\nurl = 'file:///mnt/standby/copies'\n")
    printed = CliRunner().invoke(app, ["unit", "--config", str(config)])
    # systemd ignores it where it is missing: without its standby the host starts all the same.
    assert " -/mnt/standby/copies\n" in printed.output
    assert (service["Type"], service["WatchdogSec"]) == ("notify", "60")
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""


def test_no_unit_runs_the_host_as_root(tmp_path, monkeypatch):
    config = tmp_path / "host.toml"
    (tmp_path / "data").mkdir()
    config.write_text(f'data_dir = "{tmp_path / "data"}"\n')
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("USER", UNPRIVILEGED.pw_name)  # what sudo leaves there is not who runs it
    refused = CliRunner().invoke(app, ["unit", "--config", str(config)])
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert "sudo -u USER" in str(refused.exception)

"""`idroserra feed`: how far each database is, and the past for a new one."""

import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from support.command_line import idroserra, read_until
from support.real_host import Host

AWAY = {"name": "away", "url": "http://127.0.0.1:9", "timeout_ms": 500}
RECORDS = 40


@pytest.fixture
def cloud(influxd):
    """The feed of an InfluxDB that no host has fed yet."""
    return {"name": "cloud", "url": influxd.url, "database": f"fed{os.getpid()}",
            "write_api": "v1"}


@contextmanager
def running(folder, broker_port, wait, feeds):
    """Run a host with these feeds on a folder."""
    host = Host(folder, broker_port, wait, more={"feed": feeds})
    try:
        yield host
    finally:
        host.stop()


def stored(folder, broker_port, wait):
    """Leave a host's folder with RECORDS readings, one a minute."""
    with running(folder, broker_port, wait, []) as host:
        host.node("idro-a").live(RECORDS)
        host.settle("idro-a", RECORDS)
        assert idroserra("feed", "list", url=host.url).stdout == (
            "No [[feed]] in the configuration of the host.\n")


def test_a_new_feed_is_sent_the_past(tmp_path, mosquitto, eventually, influxd, cloud):
    stored(tmp_path / "host", mosquitto.port, eventually)
    with running(tmp_path / "host", mosquitto.port, eventually, [cloud]) as host:
        assert "up to date" in idroserra("feed", "list", url=host.url).stdout
        done = idroserra("feed", "fill", "cloud", "--from", "2100-01-01", url=host.url)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == (
            "cloud: the past is sent; 0 readings and events since the feed was added\n")
        done = idroserra("feed", "fill", "cloud", "--json", url=host.url)
        assert (done.returncode, done.stderr) == (0, "")
        state = json.loads(done.stdout)
        assert state["written"] >= RECORDS
        [[_, count]] = influxd.rows("SELECT count(ph) FROM sample", cloud["database"])
        assert count == RECORDS
        shown = idroserra("feed", "list", url=host.url)
        assert (shown.returncode, shown.stderr) == (0, "")
        [titles, row] = shown.stdout.splitlines()
        assert titles.split() == ["feed", "database", "state", "waits", "sent", "refused"]
        assert row.split() == ["cloud", f"{influxd.url},", "database", cloud["database"], "works",
                               "up", "to", "date", str(state["written"]), "0"]


def test_a_feed_that_takes_nothing_says_why_and_the_host_goes_on(
        tmp_path, mosquitto, eventually):
    stored(tmp_path / "host", mosquitto.port, eventually)
    with running(tmp_path / "host", mosquitto.port, eventually, [AWAY]) as host:
        command = [sys.executable, "-m", "idroserra.cli", "feed", "fill", "away", "--url",
                   host.url]
        filling = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert filling.stderr.readline().startswith("away takes nothing since ")
        filling.send_signal(signal.SIGINT)
        out, more = filling.communicate(timeout=60)
        assert (filling.returncode, out) == (1, "")
        assert more == "The host goes on. `idroserra feed list` shows what waits for away.\n"
        ours, theirs = pty.openpty()
        filling = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs,
                                   env=os.environ | {"COLUMNS": "120", "TERM": "xterm"})
        os.close(theirs)
        read_until(ours, "0%")
        read_until(ours, "39.0 min of history, oldest ")
        filling.send_signal(signal.SIGINT)
        read_until(ours, "The host goes on.")
        assert filling.wait(60) == 1
        os.close(ours)
        shown = idroserra("feed", "list", url=host.url).stdout
        assert "takes nothing since" in shown
        assert "39.0 min of history" in " ".join(shown.split())
        [state] = json.loads(idroserra("feed", "list", "--json", url=host.url).stdout)
        assert (state["name"], "refused" in state["why"]) == ("away", True)


def test_an_unknown_feed_and_a_wrong_date_are_errors(host):
    done = idroserra("feed", "fill", "other", url=host.url)
    assert (done.returncode, done.stderr) == (
        1, "idroserra: no feed 'other' in the configuration\n")
    done = idroserra("feed", "fill", "other", "--from", "soon", url=host.url)
    assert done.returncode == 2
    assert "not an ISO 8601 time" in done.stderr

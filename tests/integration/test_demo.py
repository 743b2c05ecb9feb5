"""`idroserra demo` runs live, has a history, and loses no record."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from itertools import pairwise
from math import inf
from pathlib import Path

import pytest

from idroserra.broker import local_server
from idroserra.broker.local import free_port
from idroserra.client.http import HostClient
from idroserra.core.errors import HostError
from idroserra.demo.app import Demo, Options
from idroserra.image import build
from support.databases import Influxd
from support.home_assistant import FakeHomeAssistant
from support.wait import wait_until

DAY_MS = 86_400_000
PLAUSIBLE = {
    "reservoir.ph": (5.0, 7.5), "reservoir.ec_us_cm": (1_000, 2_500),
    "reservoir.temp_c": (15, 28), "reservoir.level_mm": (100, 250), "air.temp_c": (10, 35),
    "air.rh_pct": (20, 95),
}


def start_demo(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "idroserra.cli", "demo", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        stdin=subprocess.DEVNULL, env={**os.environ, **environment}, process_group=0,
    )


def ask(port: int, path: str):
    return HostClient(f"http://127.0.0.1:{port}").get(path)


@pytest.mark.parametrize(("broker", "store"), [("mosquitto", "influx"), ("amqtt", "sqlite")])
def test_a_short_demo_loses_nothing_and_runs_the_firmware_of_this_tree(
    broker: str, store: str, tmp_path: Path
) -> None:
    port = free_port()
    demo = start_demo("--duration", "3600", "--history", "0.05", "--port", str(port), "--broker",
                      broker, "--json", "--keep", str(tmp_path / "kept"),
                      "--store", "influxdb" if store == "influx" else store)
    try:
        wait_until(lambda: _nodes_online(demo, port) == 2, 60, "two greenhouses online")
        wait_until(lambda: _is_history_stored(port), 60, "their history in the store")
    finally:
        os.killpg(demo.pid, signal.SIGINT)  # as Ctrl-C does in a terminal
        out, err = demo.communicate(timeout=300)
    assert demo.returncode == 0, err
    report = json.loads(out)
    built = build.build_image("esp32-reservoir", tmp_path / "built")
    assert report["store"]["kind"] == store
    assert report["store"]["points"] > report["store"]["events"] > 0
    assert len(report["nodes"]) == 2
    if store == "influx":
        _check_database(tmp_path / "kept" / "influxdb", report["nodes"])
    for node in report["nodes"]:
        assert node["sent"] == node["stored"] > 400, node
        assert node["lost"] == 0
        assert node["history"]["done_ms"] == node["history"]["total_ms"]
        assert node["image_sha256"] == built.image_sha256
        for channel, (low, high) in PLAUSIBLE.items():
            assert low <= node["last"][channel]["value"] <= high, (channel, node["last"])


def _check_database(folder: Path, nodes: list[dict[str, int]]) -> None:
    """Check that an InfluxDB has what a demo has stored, and its roll-ups."""
    with Influxd(folder) as influxd:
        for node in nodes:
            where = f"WHERE node='{node['node']}'"
            instants = {row[0] for row in influxd.rows(f"SELECT * FROM sample {where}")}
            events = influxd.rows(f"SELECT seq FROM event {where}")
            newer = len(instants) + len(events) - node["stored"]
            assert 0 <= newer < 20, (node, len(instants), len(events))
        policies = {row[0] for row in influxd.rows("SHOW RETENTION POLICIES ON idroserra")}
    assert policies >= {"minutes", "quarters", "hours", "daily"}


@pytest.mark.parametrize(("version", "why"), [
    (None, "influxd is not installed: apt install influxdb"),
    ("InfluxDB v2.7.12 (git: ec9dcde5d6)", "is InfluxDB v2.7.12 .*: the demo starts a 1.x only"),
])
def test_without_an_influxd_of_a_1x_the_demo_says_what_to_do(
    version: str | None, why: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(local_server, "SBIN", str(tmp_path))
    if version is not None:
        program = tmp_path / "influxd"
        program.write_text(f"#!/bin/sh\necho '{version}'\n")
        program.chmod(0o755)
    options = Options(1, 0, free_port(), "amqtt", influx=True)
    with pytest.raises(HostError, match=why), Demo(tmp_path / "demo", options, print):
        pass


def test_stored_counts_what_the_database_keeps(tmp_path: Path) -> None:
    """Of two hours of history a database that keeps one hour stores a part; exit code 3."""
    port = free_port()
    with Influxd(tmp_path / "influxd") as influxd:
        influxd.run("CREATE DATABASE demo WITH DURATION 1h SHARD DURATION 1h")
        demo = start_demo(
            "--nodes", "1", "--duration", "3600", "--history", "0.1", "--port", str(port),
            "--json", IDROSERRA_STORE__KIND="influx", IDROSERRA_STORE__URL=influxd.url,
            IDROSERRA_STORE__DATABASE="demo", IDROSERRA_STORE__WRITE_API="v1")
        try:
            wait_until(lambda: _nodes_online(demo, port) == 1, 60, "a greenhouse online")
            wait_until(lambda: _is_history_stored(port), 60, "its history in the store")
        finally:
            demo.terminate()
            out, err = demo.communicate(timeout=300)
        node, = json.loads(out)["nodes"]
        instants = {row[0] for row in influxd.rows("SELECT * FROM sample", "demo")}
        events = influxd.rows("SELECT seq FROM event", "demo")
    assert demo.returncode == 3, err
    assert node["lost"] == 0
    assert node["refused"] > 100
    assert node["stored"] == node["sent"] - node["refused"]
    newer = len(instants) + len(events) - node["stored"]
    assert 0 <= newer < 20, (node, len(instants), len(events))  # since the count was taken


def test_both_greenhouses_are_online_and_have_a_history(tmp_path: Path) -> None:
    port = free_port()
    demo = start_demo("--history", "0.1", "--port", str(port), "--keep", str(tmp_path / "kept"))
    try:
        wait_until(lambda: _nodes_online(demo, port) == 2, 60, "two greenhouses online")
        wait_until(lambda: _history_hours(port) > 2.2, 90, "their history in the charts")
        names = [node["node"] for node in ask(port, "/api/nodes")["nodes"]]
        assert names == sorted(names) == ["serra-basil", "serra-lettuce"]
        for node in names:
            wait_until(lambda node=node: _is_live(port, node), 60, "readings of the live node")
            assert _jumps(port, node) == {}
    finally:
        demo.terminate()
        _, err = demo.communicate(timeout=600)
    assert demo.returncode == 0, err


def test_the_time_before_the_last_day_lies_before_it(tmp_path: Path) -> None:
    port = free_port()
    demo = start_demo("--nodes", "1", "--history", "1.05", "--port", str(port),
                      "--keep", str(tmp_path / "kept"))
    node = "serra-lettuce"
    try:
        wait_until(lambda: _nodes_online(demo, port) == 1, 60, "the greenhouse online")
        wait_until(lambda: ask(port, f"/api/nodes/{node}")["history_progress"] is None, 120,
                   "its whole history")
        now_unix_ms = ask(port, f"/api/nodes/{node}")["last_seen_unix_ms"]
        span = f"from_unix_ms={now_unix_ms - 3 * DAY_MS}&to_unix_ms={now_unix_ms + 3 * DAY_MS}"
        boots = ask(port, f"/api/nodes/{node}/events?kinds=boot&{span}")["events"]
        readings = ask(port, f"/api/nodes/{node}/series?channels=reservoir.ph&columns=4000"
                             f"&{span}")["series"]["reservoir.ph"]
        ages_h = [(now_unix_ms - boot["unix_us"] / 1_000) / 3_600_000 for boot in boots]
        assert ages_h == pytest.approx([25.2, 24, 0], abs=0.1)
        assert (now_unix_ms - readings[0][0]) / 3_600_000 == pytest.approx(25.2, abs=0.1)
        assert readings[-1][0] < now_unix_ms + 60_000
    finally:
        demo.terminate()
        _, err = demo.communicate(timeout=600)
    assert demo.returncode == 0, err


def test_home_assistant_operates_a_greenhouse_of_the_demo(tmp_path: Path, monkeypatch) -> None:
    """It takes the entities, sets the pH, switches dosing, stops it, and sees a node go silent."""
    monkeypatch.setenv("IDROSERRA_HOMEASSISTANT__ENABLED", "true")
    node = "serra-lettuce"
    said: list[str] = []
    with Demo(tmp_path, Options(1, 0, free_port(), "mosquitto"), said.append) as demo:
        port, = re.findall(r"starting the broker \(mosquitto\) on port (\d+)", "\n".join(said))
        home = FakeHomeAssistant(int(port))
        try:
            wait_until(lambda: "ph_target" in (home.device(node) or {"cmps": ()})["cmps"], 60,
                       "the device with its controls")
            assert home.refused == []
            assert len(home.device(node)["cmps"]) > 25
            wait_until(lambda: home.of(node, "settings").get("dosing.enabled"), 60, "its settings")
            wait_until(lambda: home.is_available(node, "reservoir_ph")
                       and "reservoir.ph" in home.of(node, "telemetry"), 60, "its pH")
            home.set(node, "ph_target", "5.8")
            home.set(node, "dosing_enabled", "OFF")
            wait_until(lambda: _of(home, node) == (5.8, False), 30, "the setpoint, dosing off")
            home.set(node, "dosing_enabled", "ON")
            wait_until(lambda: _of(home, node) == (5.8, True), 30, "dosing on")
            home.set(node, "stop", "PRESS")
            wait_until(lambda: any(
                where.endswith(f"/{node}/event") and event["event_type"] == "stopped"
                for where, event, _ in list(home.every))
                and home.of(node, "command").get("text", "").startswith("stop: done"), 30,
                       "that it is stopped")
            assert home.is_available(node, "stop")
            os.kill(demo.greenhouses[0].live.pid, signal.SIGKILL)
            wait_until(lambda: not home.is_available(node, "reservoir_ph"), 30, "a silent node")
            assert home.is_available(node, "alarm")
        finally:
            home.close()


def _of(home: FakeHomeAssistant, node: str) -> tuple[float, bool]:
    """Return the pH setpoint and whether dosing is on, as the node has confirmed them."""
    settings = home.of(node, "settings")
    return settings["ph.target"], settings["dosing.enabled"]


def _nodes_online(demo: subprocess.Popen[str], port: int) -> int:
    """Return how many nodes are online, have reported their image, and have readings.

    A node publishes up/info after up/status; readings may be of its history."""
    assert demo.poll() is None, demo.communicate()[1]
    try:
        nodes = ask(port, "/api/nodes")["nodes"]
    except HostError:
        return 0
    return sum(
        bool(node["online"] and node["image_sha256"] and node["channels"]) for node in nodes)


def _is_history_stored(port: int) -> bool:
    """Return whether all history is sent and 400 records of each node are stored."""
    stored = ask(port, "/api/health")["nodes"]
    nodes = ask(port, "/api/nodes")["nodes"]
    return all(
        node["history_progress"] is None and stored[node["node"]]["stored"] > 400 for node in nodes
    )


def _history_hours(port: int) -> float:
    """Return the hours between the first and last pH of the chart's last day."""
    now_unix_ms = ask(port, "/api/nodes/serra-lettuce")["last_seen_unix_ms"]
    found = ask(
        port, "/api/nodes/serra-lettuce/series?channels=reservoir.ph&columns=500"
        f"&from_unix_ms={now_unix_ms - 86_400_000}&to_unix_ms={now_unix_ms}",
    )["series"]["reservoir.ph"]
    return (found[-1][0] - found[0][0]) / 3_600_000 if found else 0.0


def _seam(port: int, node: str) -> tuple[float, dict[str, list[list[float]]]]:
    """Return the last boot, that of the live node, and the readings of the two hours around it.

    The boot is infinity until it is stored, which may be after the first live readings."""
    now_unix_ms = ask(port, f"/api/nodes/{node}")["last_seen_unix_ms"]
    span = f"from_unix_ms={now_unix_ms - 7_200_000}&to_unix_ms={now_unix_ms + 1}"
    boots = ask(port, f"/api/nodes/{node}/events?kinds=boot&{span}")["events"]
    series = ask(port, f"/api/nodes/{node}/series?channels={','.join(PLAUSIBLE)}&columns=4000"
                       f"&{span}")["series"]
    return boots[-1]["unix_us"] // 1_000 if boots else inf, series


def _is_live(port: int, node: str) -> bool:
    boot_unix_ms, series = _seam(port, node)
    return all(rows and rows[-1][0] >= boot_unix_ms for rows in series.values())


def _jumps(port: int, node: str) -> dict[str, tuple[float, float]]:
    """Return the channels that jump at the last boot: (step, largest step of the hour before)."""
    boot_unix_ms, series = _seam(port, node)
    found = {}
    for channel, rows in series.items():
        before = [row[2] for row in rows if row[0] < boot_unix_ms]
        step = abs(next(row[2] for row in rows if row[0] >= boot_unix_ms) - before[-1])
        usual = max(abs(one - other) for one, other in pairwise(before[-360:]))
        if step > 1.5 * usual:
            found[channel] = (step, usual)
    return found


def test_a_port_in_use_gives_one_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        demo = start_demo("--duration", "5", "--port", str(used.getsockname()[1]))
        _, err = demo.communicate(timeout=600)
    assert demo.returncode == 2
    assert "Traceback" not in err
    assert "in use" in err

"""`idroserra demo` runs live, has a history, and loses no record."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from idroserra.broker.local import free_port
from idroserra.client.http import HostClient
from idroserra.core.errors import HostError
from idroserra.image import build
from support.wait import wait_until

PLAUSIBLE = {
    "reservoir.ph": (5.0, 7.5), "reservoir.ec_us_cm": (1_000, 2_500),
    "reservoir.temp_c": (15, 28), "reservoir.level_mm": (100, 250), "air.temp_c": (10, 35),
    "air.rh_pct": (20, 95),
}


def start_demo(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "idroserra.cli", "demo", *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        stdin=subprocess.DEVNULL,
    )


def ask(port: int, path: str):
    return HostClient(f"http://127.0.0.1:{port}").get(path)


@pytest.mark.parametrize("broker", ["mosquitto", "amqtt"])
def test_a_short_demo_loses_nothing_and_runs_the_firmware_of_this_tree(
    broker: str, tmp_path: Path
) -> None:
    port = free_port()
    demo = start_demo("--duration", "3600", "--history", "0.05", "--port", str(port), "--broker",
                      broker, "--json")
    try:
        wait_until(lambda: _nodes_online(demo, port) == 2, 60, "two greenhouses online")
        wait_until(lambda: _is_history_stored(port), 60, "their history in the store")
    finally:
        demo.terminate()
        out, err = demo.communicate(timeout=300)
    assert demo.returncode == 0, err
    report = json.loads(out)
    built = build.build_image("esp32-reservoir", tmp_path)
    assert len(report["nodes"]) == 2
    for node in report["nodes"]:
        assert node["sent"] == node["stored"] > 400, node
        assert node["lost"] == 0
        assert node["history"]["done_ms"] == node["history"]["total_ms"]
        assert node["image_sha256"] == built.image_sha256
        for channel, (low, high) in PLAUSIBLE.items():
            assert low <= node["last"][channel]["value"] <= high, (channel, node["last"])


def test_both_greenhouses_are_online_and_have_a_history(tmp_path: Path) -> None:
    port = free_port()
    demo = start_demo("--history", "0.1", "--port", str(port), "--keep", str(tmp_path / "kept"))
    try:
        wait_until(lambda: _nodes_online(demo, port) == 2, 60, "two greenhouses online")
        wait_until(lambda: _history_hours(port) > 2.2, 90, "their history in the charts")
        names = [node["node"] for node in ask(port, "/api/nodes")["nodes"]]
        assert names == sorted(names) == ["serra-basil", "serra-lettuce"]
    finally:
        demo.terminate()
        _, err = demo.communicate(timeout=180)
    assert demo.returncode == 0, err


def _nodes_online(demo: subprocess.Popen[str], port: int) -> int:
    assert demo.poll() is None, demo.communicate()[1]
    try:
        nodes = ask(port, "/api/nodes")["nodes"]
    except HostError:
        return 0
    return sum(node["online"] and bool(node["channels"]) for node in nodes)


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


def test_a_port_in_use_gives_one_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        demo = start_demo("--duration", "5", "--port", str(used.getsockname()[1]))
        _, err = demo.communicate(timeout=180)
    assert demo.returncode == 2
    assert "Traceback" not in err
    assert "in use" in err

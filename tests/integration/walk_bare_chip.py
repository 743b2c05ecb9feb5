"""`make walk`: from an empty chip to the first dose as in docs/commissioning.md. Ten minutes.

Every step is a real program: `idroserra flash` and `provision` at the virtual board, mosquitto,
`idroserra serve`, `node adopt`, `node set`, `calibrate`, `node dose`. The probe is moved from cup
to cup when the calibration asks for it. After provisioning, the files and the NVS of the board run
in the simulator.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from idroserra.auth.local_token import token_for
from idroserra.boards import compiler
from idroserra.broker.local import free_port
from idroserra.calibration.reference_solutions import buffer_ph
from idrosim.runner import process
from support.nvs_rig import values
from support.programs import program
from support.server_process import Server
from support.wait import wait_until

BOARD, NODE = "esp32-reservoir", "serra-1"
ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "the password of the Wi-Fi"
HOST_PASSWORD, NODE_PASSWORD = "the host's at the broker", "the node's at the broker"
# An aged probe: with factory calibration it reads half a pH too high or low.
PLANT = {"reservoir.acid_ml": 10.0, "probe.ph.slope_ratio": 0.93, "probe.ph.offset_mv": 25.0,
         "probe.ph.slope_loss_per_month": 0.0}


class Broker(Server):
    """mosquitto configured as on the page, with passwords and access list, on loopback."""

    def command(self):
        folder = self.folder
        passwords, access, config = folder / "passwd", folder / "acl", folder / "idroserra.conf"
        for more, name, password in (("-c", "host", HOST_PASSWORD), ("", NODE, NODE_PASSWORD)):
            words = [word for word in ("mosquitto_passwd", more, "-b") if word]
            subprocess.run([*words, str(passwords), name, password], check=True)
        access.write_text(here_document("sudo tee /etc/mosquitto/acl <<'END'\n"))
        access.chmod(0o600)
        text = here_document("sudo tee /etc/mosquitto/conf.d/idroserra.conf <<'END'\n")
        config.write_text(text.replace("/etc/mosquitto", str(folder)).replace(
            "listener 1883", f"listener {self.port} 127.0.0.1") + "user root\n")
        return [program("mosquitto"), "-c", str(config)]


def here_document(line):
    """Return the here-document that follows the command `line` on the page."""
    page = (ROOT / "docs" / "commissioning.md").read_text()
    return page.split(line)[1].split("END\n")[0]


class Site:
    """The host's machine: a broker, `idroserra serve` and the command line."""

    def __init__(self, folder):
        self.folder = folder
        self.broker = Broker(folder / "broker")
        self.broker.start()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = os.environ | {
            "IDROSERRA_DATA_DIR": str(folder / "host"), "IDROSERRA_HTTP__PORT": str(self.port),
            "IDROSERRA_MQTT__URL": f"mqtt://127.0.0.1:{self.broker.port}",
            "IDROSERRA_MQTT__USERNAME": "host", "IDROSERRA_MQTT__PASSWORD": HOST_PASSWORD,
            "COLUMNS": "120",
        }
        self.outputs = []

    def __enter__(self):
        with (self.folder / "host.log").open("wb") as log:
            self._host = subprocess.Popen(
                [sys.executable, "-m", "idroserra.cli", "serve"], env=self._environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.is_up, 60, "the host answers")
        return self

    def __exit__(self, *_):
        self._host.terminate()
        self._host.wait(120)
        self.broker.stop()

    def is_up(self):
        assert self._host.poll() is None, (self.folder / "host.log").read_text()
        try:
            headers = {"Authorization": f"Bearer {token_for(self.url)}"}
            answer = httpx.get(f"{self.url}/api/health", headers=headers, trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    def run(self, *words, code=0, host=True, **environment):
        """Run a command and return its output. `code` None allows any exit code."""
        at = {"IDROSERRA_URL": self.url} if host else {
            "IDROSERRA_HTTP__PORT": "1", "IDROSERRA_DATA_DIR": str(self.folder / "no-host")}
        done = subprocess.run(
            [sys.executable, "-m", "idroserra.cli", *words], capture_output=True, text=True,
            env=self._environment | at | environment, stdin=subprocess.DEVNULL, check=False)
        output = done.stdout + done.stderr
        self._add(words, output)
        assert code is None or done.returncode == code, output
        return done.stdout if code == 0 else output

    def walk(self, *words, hands):
        """Run an interactive command and return its output.

        At each prompt, call `hands` with the line before it, then press Enter."""
        command = [sys.executable, "-m", "idroserra.cli", *words]
        with subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env=self._environment | {"IDROSERRA_URL": self.url}) as running:
            said = b""
            while chunk := running.stdout.read1():
                said += chunk
                step = said.rpartition(b"\n")
                if step[2] in (b"Press Enter when done: ", b"Apply this calibration? [Y/n]: "):
                    hands(step[0].decode().splitlines()[-1])
                    said += b"\n"
                    running.stdin.write(b"\n")
                    running.stdin.flush()
        self._add(words, said.decode())
        assert running.returncode == 0, said
        return said.decode()

    def _add(self, words, output):
        self.outputs.append(output)
        print("$ idroserra", *words, "\n" + output)

    def view(self):
        """Return the host's view of the node, None if it is unknown."""
        found = json.loads(self.run("node", "list", "--json"))
        return next((node for node in found if node["node"] == NODE), None)


@pytest.fixture
def site(tmp_path):
    with Site(tmp_path) as running:
        yield running


def simulated(board, folder, on_line):
    """Return a simulated node with the files and the NVS of the board."""
    job = process.make_job(
        NODE, compiler.load(BOARD), folder, mode="live", start_unix_ms=time.time_ns() // 1_000_000,
        trace_every_ms=1_000, plant=PLANT)
    job["nvs"] = {
        name: value.hex() if name == "key" else value.decode() if isinstance(value, bytes)
        else value for name, value in values(board.nvs_file).items()}
    for name, data in board.files().items():
        path = folder / "flash" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return process.LiveNode(job, on_line=on_line)


def test_from_an_empty_chip_to_the_first_dose(plug_in, binary_file, site, tmp_path):
    board = plug_in(has_micropython=False)
    assert board.files() == {}

    site.run("flash", BOARD, "--port", board.port, "--micropython", str(binary_file()), "--yes")
    said = site.run("provision", "--port", board.port, "--show")
    assert "none: does not connect" in said

    key_file = tmp_path / f"{NODE}.key"
    site.run("provision", "--port", board.port, "--node-id", NODE, "--wifi-ssid", "greenhouse",
             "--broker", f"127.0.0.1:{site.broker.port}", "--key-to", str(key_file), "--yes",
             host=False, IDROSERRA_WIFI_PASSWORD=PASSWORD,
             IDROSERRA_BROKER_PASSWORD=NODE_PASSWORD)
    key = values(board.nvs_file)["key"]

    truth = {}
    node = simulated(board, tmp_path / "node",
                     lambda line: truth.update(line["values"]) if line["t"] == "truth" else None)
    node.start()
    try:
        wait_until(lambda: (site.view() or {}).get("online"), 60, "the node is online")
        assert f"{NODE} ({BOARD}): not adopted" in site.run("node", "list")
        refused = site.run("node", "dose", NODE, "ph_down", "1", code=1)
        assert "dose refused: not adopted" in refused

        site.run("node", "adopt", NODE, "--key-file", str(key_file))
        refused = site.run("node", "dose", NODE, "ph_down", "1", code=1)
        assert "dose refused: watching pH first" in refused  # by the node's safety gate
        site.run("node", "set", NODE, "reservoir.area_cm2=3000", "level.low_mm=100",
                 "level.target_mm=190", "level.full_mm=240")

        calibrate_ph(site, node, truth)

        depth_mm = round(truth["reservoir.level_mm"]) - 6  # as measured with a ruler
        site.run("calibrate", "level", NODE, "--points", str(depth_mm), "--yes")
        wait_until(lambda: error_of(site, "reservoir.level_mm", depth_mm) < 2, 60,
                   "the level equals that of the ruler")

        before_ph = truth["reservoir.ph"]
        wait_until(lambda: try_dose(site), 240, "the gate permits the first dose")
        wait_until(lambda: truth["reservoir.ph"] < before_ph - 0.005, 120, "acid in the water")
        events = json.loads(site.run("node", "show", NODE, "--json"))["events"]
        assert any(event["kind"] == "dosed" and event["detail"]["actuator"] == "ph_down"
                   for event in events)
    finally:
        node.stop()
    assert node.error is None
    secrets = (PASSWORD, NODE_PASSWORD, HOST_PASSWORD, key.hex())
    output = "".join(site.outputs) + (tmp_path / "host.log").read_text()
    assert not [secret for secret in secrets if secret in output]
    flash = b"".join(path.read_bytes() for path in (tmp_path / "node" / "flash").rglob("*")
                     if path.is_file())
    on_board = (PASSWORD.encode(), NODE_PASSWORD.encode(), key)
    assert not [secret for secret in on_board if secret in flash]


def calibrate_ph(site, node, truth):
    """Move the probe from cup to cup as instructed, and check the calibrated reading."""
    wait_until(lambda: truth and 0.2 < error_of(site, "reservoir.ph", truth["reservoir.ph"])
               < 1.0, 60, "the probe has an error")
    cups = []

    def hands(step):
        if "buffer" in step:
            cups.append(step.rpartition("buffer ")[2].rstrip("."))
            temp_c = truth["reservoir.temp_c"]
            node.apply({"set": {"probe.ph.in_buffer_ph": buffer_ph(cups[-1], temp_c)}})
        elif "back into the tank" in step:
            node.apply({"set": {"probe.ph.in_buffer_ph": 0.0}})

    said = site.walk("calibrate", "ph", NODE, hands=hands)
    assert cups == ["7.00", "4.01"]
    assert "Calibration applied" in said
    wait_until(lambda: error_of(site, "reservoir.ph", truth["reservoir.ph"]) < 0.08, 240,
               "the probe reads correctly")


def error_of(site, channel, truth):
    """Return the error of a reading, a large number without one."""
    value = site.view()["channels"][channel]["value"]
    return 1_000 if value is None else abs(value - truth)


def try_dose(site):
    """Request a dose; return whether it was given."""
    output = site.run("node", "dose", NODE, "ph_down", "1", code=None)
    is_given = "confirmed, 1 ml of ph_down given" in output
    assert is_given or "dose refused: " in output
    return is_given

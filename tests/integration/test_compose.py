"""compose.yaml: its contents, and its environment with the real programs.

No container runs here: each program runs with the environment, command and health check of its
service, except for ports and folder. `make check-compose` validates the file with Docker Compose.
"""

import json
import os
import re
import ssl
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import yaml

from idroserra.auth.local_token import token_for
from idroserra.broker.local import free_port
from idroserra.core.config import Config, field_types
from support.listening_ports import LOOPBACK, listening
from support.programs import program
from support.wait import wait_until

DEPLOY = Path(__file__).resolve().parents[2] / "host/deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
INSIDE = "/var/lib/idroserra"
PORTS = ("8080", "8443", "8883", "8884", "8086", "8088")
HELD = "net"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_restarts_and_has_a_health_check(name):
    service = SERVICES[name]
    tag, _, digest = service["image"].partition("@")
    assert tag == "idroserra:local" or is_digest(digest)
    tag = tag.rpartition(":")[2]
    assert re.search(r"\d", tag) or tag == "local"
    assert "latest" not in tag
    assert "version" not in COMPOSE
    if name == HELD:
        return
    assert service["network_mode"] == f"service:{HELD}"
    assert "ports" not in service
    for mount in service.get("volumes", ()):
        source = mount.split(":")[0]
        assert source in COMPOSE["volumes"] or (DEPLOY / source).exists()
    for secret in service.get("secrets", ()):
        assert secret in COMPOSE["secrets"]
    if name != "line":
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"


def is_digest(text):
    return re.fullmatch(r"sha256:[0-9a-f]{64}", text) is not None


def test_the_image_of_the_host_is_built_from_a_pinned_one():
    used = re.findall(r"^FROM (\S+)", (DEPLOY / "Containerfile").read_text(), re.M)
    assert len(used) == 2
    assert len(set(used)) == 1
    assert is_digest(used[0].partition("@")[2])


def test_the_broker_has_a_user_and_a_volume_of_its_own():
    of_host, = re.findall(r"^USER (\d+):(\d+)$", (DEPLOY / "Containerfile").read_text(), re.M)
    user, group = SERVICES["mosquitto"]["user"].split(":")
    assert user not in ("0", *of_host)
    assert group not in ("0", *of_host)
    assert "user" not in SERVICES["host"]
    volumes = [mount.split(":")[0] for mount in SERVICES["mosquitto"]["volumes"]]
    assert volumes == ["broker"]  # keys and passwords of the host are elsewhere


def test_no_secret_is_in_the_file():
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            is_secret = re.search("PASSWORD|TOKEN|SECRET|KEY", key.upper())
            assert not is_secret or value == "" or str(value).startswith("/"), key
    ignored = (DEPLOY.parents[1] / ".gitignore").read_text().splitlines()
    assert "host/deploy/secrets/" in ignored


def test_only_encrypted_ports_are_public():
    public = [port for port in SERVICES[HELD]["ports"] if not port.startswith("127.0.0.1:")]
    assert public == ["8443:8443", "8883:8883"]


def test_every_variable_is_a_setting_of_the_host():
    for key in SERVICES["host"]["environment"]:
        place = field_types(Config)
        *sections, name = key.removeprefix("IDROSERRA_").lower().split("__")
        for section in sections:
            place = field_types(place[section])
        assert name in place


class LocalServices:
    """The services of the file with free ports, a temporary folder and default values."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {port: str(free_port()) for port in PORTS}

    def text(self, text):
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(text)).replace(INSIDE, str(self.folder))
        return re.sub(r"(?<=[:\s])\d{4}\b|^\d{4}$",
                      lambda found: self.ports.get(found[0], found[0]), text)

    def environment(self, name):
        mine = {"PATH": os.environ["PATH"], "HOME": str(self.folder),
                "XDG_STATE_HOME": os.environ["XDG_STATE_HOME"]}
        return mine | {key: self.text(value)
                       for key, value in SERVICES[name].get("environment", {}).items()}

    def command(self, name):
        words = [self.text(word) for word in SERVICES[name]["command"]]
        is_ours = name in ("host", "line")
        return [sys.executable, "-m", "idroserra.cli", *words] if is_ours else words

    def is_healthy(self, name):
        first, *rest = (self.text(word) for word in SERVICES[name]["healthcheck"]["test"][1:])
        # Debian packages these two programs separately, so the check is made in Python.
        if first == "nc":
            rest = ["-c", "import socket; socket.create_connection"
                          f"(('{rest[1]}', {rest[2]}), 4)"]
        elif first == "influx":
            address = f"http://127.0.0.1:{self.ports['8086']}/query?q=SHOW%20DATABASES"
            rest = ["-c", f"import urllib.request; urllib.request.urlopen('{address}')"]
        return subprocess.run([sys.executable, *rest], capture_output=True,
                              check=False).returncode == 0


def test_the_environment_starts_broker_database_and_web_server(tmp_path):
    here = LocalServices(tmp_path / "data")
    (tmp_path / "data").mkdir()
    running = {}
    with ExitStack() as opened:
        def start(name, command, **more):
            log = opened.enter_context((tmp_path / f"{name}.log").open("w"))
            process = subprocess.Popen(command, env=here.environment(name) | more,
                                       cwd=tmp_path, stdout=log, stderr=log)
            opened.callback(process.wait, 60)
            opened.callback(process.terminate)
            running[name] = process.pid
            wait_until(lambda: here.is_healthy(name) or process.poll() is not None, 40,
                       f"{name} is healthy")
            assert process.poll() is None, (tmp_path / f"{name}.log").read_text()

        made = subprocess.run(
            [*here.command("line"), "--port", here.ports["8883"], "--host-port",
             here.ports["8884"]],
            env=here.environment("line"), capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        start("mosquitto", [program("mosquitto"), *here.command("mosquitto")[1:]])
        places = {f"INFLUXDB_{key}": str(tmp_path / key) for key in
                  ("META_DIR", "DATA_DIR", "DATA_WAL_DIR")}
        start("influxdb", [program("influxd")], **places)
        start("host", here.command("host"))

        url = f"http://127.0.0.1:{here.ports['8080']}"
        with httpx.Client(base_url=url, trust_env=False,
                          headers={"Authorization": f"Bearer {token_for(url)}"}) as client:
            def health():
                return client.get("/api/health").json()
            wait_until(lambda: health()["broker"]["state"] == "connected", 30, "the broker")
            assert health()["store"] == {"kind": "influx", "state": "ok"}
        unverified = ssl.create_default_context()
        unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
        request = urllib.request.Request(
            f"https://127.0.0.1:{here.ports['8443']}/login",
            headers={"Host": f"greenhouse.local:{here.ports['8443']}"})
        with urllib.request.urlopen(request, context=unverified, timeout=60) as page:
            assert page.status == 200
        assert json.loads(here.environment("host")["IDROSERRA_LAN__NAMES"]) == ["greenhouse.local"]
        # S16: only HTTPS and the nodes' TLS listener are reachable beyond loopback.
        found = {name: listening(pid) for name, pid in running.items()}
        assert all(found.values()), "each program listens"
        public = {(name, port) for name, rows in found.items()
                  for address, port in rows if address != LOOPBACK}
        assert public == {("host", int(here.ports["8443"])),
                          ("mosquitto", int(here.ports["8883"]))}

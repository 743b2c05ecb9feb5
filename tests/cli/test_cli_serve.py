"""`idroserra serve` as a process: it says where it is, ends on a signal, and refuses clearly."""

import os
import re
import signal
import socket
import subprocess
import sys

import httpx

from idroserra.auth.local_token import token_for


def serve(*words, env=None):
    return subprocess.Popen(
        [sys.executable, "-m", "idroserra.cli", "serve", *words], stderr=subprocess.PIPE,
        text=True, env=os.environ | (env or {}))


def config_file(tmp_path, broker_port, http_port=0):
    path = tmp_path / "host.toml"
    path.write_text(
        f'data_dir = "{tmp_path / "data"}"\n[mqtt]\nurl = "mqtt://127.0.0.1:{broker_port}"\n'
        f"[http]\nport = {http_port}\n")
    return path


def test_it_serves_until_a_signal_stops_it(tmp_path, mosquitto):
    process = serve("--config", str(config_file(tmp_path, mosquitto.port)), "--simulated")
    try:
        url = None
        while url is None:
            line = process.stderr.readline()
            assert line, "it ended before it said where the page is"
            url = re.search(r"http://127\.0\.0\.1:\d+", line)
        headers = {"Authorization": f"Bearer {token_for(url[0])}"}
        with httpx.Client(base_url=url[0], trust_env=False, headers=headers) as client:
            assert "SIMULATED" in client.get("/").text
            assert client.get("/api/health").json()["store"]["kind"] == "sqlite"
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def refusal(*words, env=None):
    process = serve(*words, env=env)
    try:
        _, said = process.communicate(timeout=600)
    finally:
        process.kill()
    return process.returncode, said


def test_a_taken_port_is_one_clear_line(tmp_path, mosquitto):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = refusal("--config", str(config_file(tmp_path, mosquitto.port, port)))
        assert (code, said) == (2, f"idroserra: http: port {port}: in use by another program: "
                                   "choose another --port, or stop that program\n")
        path = config_file(tmp_path, mosquitto.port, 0)
        path.write_text(path.read_text() + f'[lan]\nenabled = true\nport = {port}\n'
                        'host = "127.0.0.1"\n')
        code, said = refusal("--config", str(path))
    assert (code, said) == (2, f"idroserra: lan: port {port}: in use by another program: "
                               "choose another lan.port, or stop that program\n")


def test_a_broken_configuration_names_file_and_key(tmp_path):
    path = tmp_path / "host.toml"
    path.write_text("[http]\nprot = 80\n")
    assert refusal("--config", str(path)) == (
        2, f"idroserra: {path}: http.prot: unknown key (known: host, port, public_url)\n")
    path.write_text("[http\n")
    code, said = refusal("--config", str(path))
    assert code == 2
    assert said.startswith(f"idroserra: {path}: not TOML")
    assert refusal("--config", str(tmp_path / "none.toml"))[0] == 2
    code, said = refusal(env={"IDROSERRA_MQTT__URL": "http://nowhere"})
    assert (code, said.count("\n")) == (2, 1)
    assert "mqtt.url" in said

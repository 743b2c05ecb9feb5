"""Without --url a command finds the host that runs on this machine."""

import http.server
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from idroserra.auth.local_token import LocalToken, pointer_file, token_for
from idroserra.cli.main import app
from idroserra.client.http import FIRST_PORT, url_of_host
from idroserra.core.errors import ConfigError
from support.command_line import idroserra
from support.real_host import KEY


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    """Give the host and the commands of a test a state folder of their own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("IDROSERRA_URL", raising=False)


def stands(port):
    """Leave the files of a host at this port that was killed."""
    code = ("import os, pathlib, signal, sys\n"
            "from idroserra.auth.local_token import LocalToken\n"
            "LocalToken(pathlib.Path(sys.argv[1])).open(int(sys.argv[2]))\n"
            "os.kill(os.getpid(), signal.SIGKILL)")
    folder = pointer_file(port).parents[1]
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-c", code, str(folder), str(port)], check=False, timeout=60)
    assert pointer_file(port).is_file()


@contextmanager
def runs(folder, port):
    """Have a running host of this user at this port."""
    folder.mkdir()
    local = LocalToken(folder)
    local.open(port)
    yield f"http://127.0.0.1:{port}"
    local.close()


def typed(monkeypatch, *words):
    """Return the result of a command in this process, where no host has the usual port."""
    monkeypatch.setattr("idroserra.client.http.FIRST_PORT", 2)
    return CliRunner().invoke(app, words)


def test_the_only_host_is_found_whatever_its_port(node, host, monkeypatch):
    stands(1)  # nothing listens there
    listed = typed(monkeypatch, "node", "list")
    assert (listed.exit_code, listed.stderr) == (0, "")
    assert "idro-a" in listed.stdout


def test_of_several_hosts_one_must_be_named(host, tmp_path):
    with runs(tmp_path / "other", 1) as other:
        asked = idroserra("node", "list")
    assert asked.returncode == 2
    assert len(asked.stderr.splitlines()) == 1
    for url in (host.url, other):
        assert url in asked.stderr
    assert "--url" in asked.stderr
    assert idroserra("node", "list", url=host.url).returncode == 0


def test_without_a_host_it_is_the_usual_port_and_the_error_says_how_to_name_one():
    stands(1)
    assert url_of_host() == f"http://127.0.0.1:{FIRST_PORT}"
    asked = idroserra("node", "list", url="http://127.0.0.1:1")
    assert asked.returncode == 1
    assert len(asked.stderr.splitlines()) == 1
    assert "--url" in asked.stderr


def test_the_usual_port_is_preferred(host, tmp_path):
    with runs(tmp_path / "other", 1) as other:
        assert url_of_host(preferred=urlsplit(host.url).port) == host.url
        assert url_of_host(preferred=1) == other


def test_the_file_of_a_killed_host_names_no_host_and_gives_no_token():
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        stands(port)
        assert url_of_host() == f"http://127.0.0.1:{FIRST_PORT}"
        assert token_for(f"http://127.0.0.1:{port}") is None


def test_beside_a_host_of_another_user_on_the_usual_port_one_must_be_named(
    host, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "of-another-user"))
    assert url_of_host(preferred=urlsplit(host.url).port) == host.url
    with runs(tmp_path / "demo", 1) as demo:
        with pytest.raises(ConfigError) as refused:
            url_of_host(preferred=urlsplit(host.url).port)
        assert host.url in str(refused.value)
        assert demo in str(refused.value)
        with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ConfigError):
            url_of_host(preferred=silent.getsockname()[1])


def test_another_program_on_the_usual_port_is_no_host(tmp_path):
    other = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=other.serve_forever)
    thread.start()
    try:
        with runs(tmp_path / "demo", 1) as demo:
            assert url_of_host(preferred=other.server_port) == demo
    finally:
        other.shutdown()
        thread.join()
        other.server_close()


def test_a_change_says_which_host_was_found(host, monkeypatch):
    host.service.nodes.adopt("idro-a", KEY)
    said = f"idroserra: host: {host.url}"
    assert said in typed(monkeypatch, "node", "stop", "idro-a").stderr.splitlines()
    assert said not in idroserra("node", "stop", "idro-a", url=host.url).stderr

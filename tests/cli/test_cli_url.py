"""Without --url a command finds the host that runs on this machine."""

import socket
from urllib.parse import urlsplit

import pytest

from idroserra.auth.local_token import pointer_file
from idroserra.client.http import FIRST_PORT, url_of_host
from support.command_line import idroserra


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    """Give the host and the commands of a test a state folder of their own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("IDROSERRA_URL", raising=False)


def stands(port):
    """Leave the file of a host at this port, as a killed host does."""
    pointer_file(port).parent.mkdir(parents=True, exist_ok=True)
    pointer_file(port).write_text("/nowhere/cli.key")


def test_the_only_host_is_found_whatever_its_port(node, host):
    stands(1)  # nothing listens there
    listed = idroserra("node", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "idro-a" in listed.stdout


def test_of_several_hosts_one_must_be_named(host):
    other = socket.create_server(("127.0.0.1", 0))
    stands(other.getsockname()[1])
    asked = idroserra("node", "list")
    assert asked.returncode == 2
    assert len(asked.stderr.splitlines()) == 1
    for url in (host.url, f"http://127.0.0.1:{other.getsockname()[1]}"):
        assert url in asked.stderr
    assert "--url" in asked.stderr
    other.close()
    assert idroserra("node", "list", url=host.url).returncode == 0


def test_without_a_host_it_is_the_usual_port_and_the_error_says_how_to_name_one():
    stands(1)
    assert url_of_host() == f"http://127.0.0.1:{FIRST_PORT}"
    asked = idroserra("node", "list", url="http://127.0.0.1:1")
    assert asked.returncode == 1
    assert len(asked.stderr.splitlines()) == 1
    assert "--url" in asked.stderr


def test_the_usual_port_is_preferred(host):
    stands(urlsplit(host.url).port)
    with socket.create_server(("127.0.0.1", 0)) as other:
        stands(other.getsockname()[1])
        ports = sorted([urlsplit(host.url).port, other.getsockname()[1]])
        assert url_of_host(preferred=ports[1]) == f"http://127.0.0.1:{ports[1]}"

"""S15: idle and slow connections to the broker and to the web server."""

import re
import socket
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import httpx
import pytest

from idroserra.broker import tls_files
from idroserra.broker.mosquitto import configuration
from idroserra.web.middleware import connection_limits
from support.line_rig import NODES, Rig, trusting
from support.paho_node import PahoNode
from support.real_host import Host
from support.source_tree import ROOT
from support.wait import wait_until

ANSWERED_S = 5  # and no more than so many times what it takes without a crowd
TIMES = 10
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # the beginning of a TLS handshake
HEAD = b"GET /login HTTP/1.1\r\n"
CROWD = ROOT / "tests/support/connection_flood.py"


@contextmanager
def crowd(port, begin=HELLO, more=b"\x00"):
    """500 idle and 50 slow connections; yields a function that waits until all are hung up on."""
    process = subprocess.Popen(
        [sys.executable, CROWD, str(port), begin.hex(), more.hex()], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == "there\n"
        yield lambda: process.stdout.readline() == "gone\n"
    finally:
        process.communicate(timeout=60)
        assert process.returncode == 0


@pytest.fixture
def secured(tmp_path):
    """A host at a broker as `broker init` configures it, with its page on the network."""
    (tmp_path / "line").mkdir()
    rig = Rig(tmp_path / "line")
    rig.start()
    cert, key = rig.files(tls_files.HOST)
    host = Host(tmp_path / "host", rig.host_port, wait_until, more={
        "mqtt": {"url": f"mqtts://127.0.0.1:{rig.host_port}", "cert_file": str(cert),
                 "key_file": str(key), "ca_file": str(tmp_path / "line" / "ca.pem")},
        "lan": {"enabled": True, "host": "127.0.0.1", "port": 0, "names": ["serra.lan"]}})
    yield rig, host
    host.stop()
    rig.stop()


def node_answered_s(rig):
    """Return the seconds from a new TLS connection of a node to its stored record."""
    begun_s = time.monotonic()
    node = PahoNode(NODES[0], rig.node_port, context=trusting(rig, rig.files(NODES[0])))
    seq = node.read()
    wait_until(lambda: seq in node.stored_upto.values(), ANSWERED_S, "the node is answered")
    node.close()
    return time.monotonic() - begun_s


def is_page_there(host, within_s=60):
    return host.client.get("/api/health", timeout=within_s).status_code == 200


def test_idle_connections_block_neither_nodes_nor_users(secured, monkeypatch):
    monkeypatch.setattr(connection_limits, "HEAD_S", 3.0)
    rig, host = secured
    lan = host.service.lan
    trust = ssl.create_default_context(cadata=lan.authority.pem.decode())
    soon_s = max(ANSWERED_S, TIMES * node_answered_s(rig))
    with crowd(rig.node_port):
        with crowd(lan.port), httpx.Client(verify=trust, trust_env=False) as phone:
            assert node_answered_s(rig) < soon_s
            assert is_page_there(host, soon_s)
            assert phone.get(f"https://127.0.0.1:{lan.port}/login", timeout=soon_s,
                             headers={"Host": f"serra.lan:{lan.port}"},
                             extensions={"sni_hostname": "serra.lan"}).status_code == 200
        with crowd(port_of(host), HEAD, b"X-Slow: and slower\r\n") as all_gone:
            assert node_answered_s(rig) < soon_s
            assert is_page_there(host, soon_s)
            assert all_gone()  # more bytes buy no more time
            assert is_page_there(host, soon_s)


def port_of(host):
    return int(host.url.rpartition(":")[2])


def connections(port, count):
    return [socket.create_connection(("127.0.0.1", port), 60) for _ in range(count)]


def test_connections_beyond_the_limit_are_refused_until_one_closes(host, monkeypatch):
    monkeypatch.setattr(connection_limits, "MOST_CONNECTIONS", 3)
    here = connections(port_of(host), 3)

    def is_refused():
        try:
            return httpx.get(f"{host.url}/login", trust_env=False).status_code != 200
        except httpx.TransportError:
            return True

    wait_until(is_refused, 10, "there is no room")
    for one in here:
        one.close()
    wait_until(lambda: not is_refused(), 10, "there is room again")


def test_the_network_leaves_room_for_this_machine_even_in_the_midst_of_handshakes(
    secured, monkeypatch
):
    monkeypatch.setattr(connection_limits, "MOST_WITH_NETWORK", 3)
    monkeypatch.setattr(connection_limits, "HANDSHAKE_S", 1.0)
    _, host = secured
    waiting = connections(host.service.lan.port, 8)
    for one in waiting[4:]:  # the page's own client may be connected, too
        with suppress(ConnectionResetError):
            assert one.recv(1) == b""
    assert is_page_there(host)

    def is_taken():
        [one] = connections(host.service.lan.port, 1)
        one.settimeout(0.2)
        try:
            return one.recv(1) != b""
        except TimeoutError:
            return True  # it waits for our handshake
        except ConnectionResetError:
            return False

    wait_until(is_taken, 20, "those that never went on make room")


def test_a_body_has_longer_than_a_head_and_not_for_ever(host, monkeypatch):
    monkeypatch.setattr(connection_limits, "HEAD_S", 0.3)
    monkeypatch.setattr(connection_limits, "WHOLE_S", 1.0)
    [slow] = connections(port_of(host), 1)
    begun_s = time.monotonic()
    slow.sendall(b"POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n"
                 b"Content-Type: application/json\r\n\r\n{")
    with suppress(ConnectionResetError):
        assert slow.recv(1_024) == b""
    assert time.monotonic() - begun_s >= 1.0


def test_the_broker_configuration_sets_its_limits(tmp_path):
    limits = dict(re.findall(r"^(\w+) (\d+)$", configuration(tmp_path, 1, 2, "127.0.0.1"), re.M))
    for key in ("max_connections", "max_inflight_messages", "max_queued_bytes", "memory_limit",
                "max_packet_size", "max_keepalive"):
        assert int(limits[key]) > 0, key
    assert int(limits["max_queued_bytes"]) < int(limits["memory_limit"])

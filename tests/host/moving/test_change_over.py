"""What the two hosts check before a node changes over, and before its old certificate is revoked;
without a cluster."""

import sqlite3
import time
from contextlib import ExitStack, closing
from importlib.metadata import version

import pytest

from idro.protocol.reason import Reason
from idroserra.broker import tls_files
from idroserra.client.http import HostClient
from idroserra.history.models import SamplePoint
from idroserra.history.sqlite.store import SqliteStore
from idroserra.moving.change_over import finish, forget, send
from idroserra.moving.package import SCHEMA, Arrived, Certificates, MoveError
from idroserra.provisioning import renewal
from support.node_client import NodeClient
from support.real_host import KEY, Host
from support.samples import write_samples
from support.wait import wait_until

NODE, GONE = "basil", "lettuce"
HOUR_MS = 3_600_000


def now_ms():
    return time.time_ns() // 1_000_000


@pytest.fixture
def host(tmp_path, mosquitto):
    running = Host(tmp_path / "data", mosquitto.port, wait_until)
    yield running
    running.stop()


@pytest.fixture
def client(host):
    return HostClient(host.url)


def let_go(host, until_unix_ms, node=NODE):
    host.service.nodes.adopt(node, KEY)
    host.service.nodes.let_go(node, until_unix_ms)


def names(client):
    return [one["node"] for one in client.nodes()]


def test_no_node_changes_over_that_the_old_host_confirms_again(host, client):
    """What it confirms is not in the package, and the node erases it."""
    until_unix_ms = now_ms() + 60_000
    let_go(host, until_unix_ms)
    with pytest.raises(MoveError, match="pack, take and send again"):
        send(client, Certificates("Hall 2", until_unix_ms, {NODE: b"\x30\x00"}), print)
    assert not host.service.commands.recent(NODE)


def test_a_node_that_has_moved_back_is_not_forgotten(host, client):
    """The file of the first move still lies there: its command would revoke a certificate in
    use."""
    host.service.nodes.adopt(NODE, KEY)
    with pytest.raises(MoveError, match=f"node forget {NODE}"):
        forget(client, Arrived("Hall 2", now_ms(), [NODE]), print)
    assert names(client) == [NODE]


def test_a_stop_that_waits_is_not_forgotten(host, client):
    until_unix_ms = now_ms() + 12 * HOUR_MS
    let_go(host, until_unix_ms)
    arrived = Arrived("Hall 2", until_unix_ms, [NODE])
    host.service.commands.send(NODE, "stop", {}, "anna")
    with pytest.raises(MoveError, match="Stop it at the new host"):
        forget(client, arrived, print)
    assert names(client) == [NODE]


def test_all_that_left_with_the_package_are_forgotten(host, client):
    let_go(host, 5)
    for _ in range(2):
        forget(client, Arrived("Hall 2", 5, [NODE]), print)
    assert names(client) == []


def test_a_node_that_does_not_come_keeps_no_other_away(
    host, client, tmp_path, mosquitto, monkeypatch
):
    """The history of those that came is there, and only they are to be forgotten."""
    monkeypatch.setattr(renewal, "PAUSES_S", (0.1,))
    for name in ("old", "new"):
        tls_files.init(tmp_path / name, ["localhost"], node_port=1, host_port=2)
    old, new = (tls_files.BrokerCertificates(tmp_path / name) for name in ("old", "new"))
    path = tmp_path / "site.move"
    with closing(SqliteStore(path)) as store:
        write_samples(store, [SamplePoint(node, "reservoir.ph", now_ms() - HOUR_MS, 6.0)
                              for node in (NODE, GONE)], [])
    with closing(sqlite3.connect(path)) as package, package:
        package.executescript(SCHEMA)
        package.execute("INSERT INTO about VALUES (?,?,?,?,?)", (
            version("idroserra"), "old", "", "Hall 2", 7))
        for node in (GONE, NODE):
            old.issue(node)
            package.execute("INSERT INTO moving VALUES (?,?)", (
                node, old.files(node)[1].read_text("ascii")))
    for node in (GONE, NODE):
        host.service.nodes.adopt(node, KEY)
    with ExitStack() as opened:
        node = NodeClient(mosquitto.port, NODE, KEY)
        node.outcome = "done", Reason("certificate_in_use")
        node.start()
        opened.callback(node.stop)
        wait_until(lambda: host.view(NODE)["online"], 15, "the node")
        found = finish(host.config, client, new, path, 0.5, print, lambda *_: None)
    assert found.arrived == Arrived("Hall 2", 7, [NODE])
    assert list(found.missing) == [GONE]
    assert GONE in found.missing[GONE]
    assert found.copied.points == 1
    assert host.service.store.latest(NODE)["reservoir.ph"][1] == 6.0
    assert not host.service.store.latest(GONE)

"""A host is killed at any moment, its data are gone, and the standby goes on with every record."""

import os
import random
import threading
import time
from contextlib import ExitStack

import pytest

from campaigns.chaos.reconciliation import influx_reader, reconcile, sqlite_reader
from idroserra.nodes.registry import Nodes as Registry
from idroserra.standby import marker
from support.databases import Influxd
from support.ssh_server import SshServer
from support.standby_rig import KEY, Nodes, StandbyRig
from support.wait import wait_until

ROUNDS = int(os.environ.get("IDROSERRA_STANDBY_ROUNDS", "1"))
LONGEST_S = 60
NAMES = ["idro-a", "idro-b", "idro-c"]


def adopt(folder):
    registry = Registry(folder / "state.db", "test")
    for name in NAMES:
        registry.adopt(name, KEY)
    registry.close()


def rig_of(tmp_path, way, opened):
    """Return machines whose copies go to a mounted folder, or over SSH."""
    if way == "file":
        rig = StandbyRig(tmp_path)
    else:
        server = opened.enter_context(SshServer(tmp_path / "ssh"))
        rig = StandbyRig(tmp_path, server.url(tmp_path / "b-copies"), **server.settings)
    opened.callback(rig.close)
    return rig


def store_of(tmp_path, store, opened):
    """Return the database of both hosts and its keys of the configuration."""
    if store == "sqlite":
        return None, {}
    server = opened.enter_context(Influxd(tmp_path / "influxd"))
    return server, {"store": {"kind": "influx", "url": server.url, "write_api": "v1"}}


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize(("way", "store"), [("file", "sqlite"), ("sftp", "influx")])
def test_every_record_is_in_the_store_once(tmp_path, way, store, number):
    with ExitStack() as opened:
        rig = rig_of(tmp_path, way, opened)
        server, more = store_of(tmp_path, store, opened)
        adopt(rig.a)
        host = rig.start_a(**more)
        nodes = Nodes(rig.broker.port, NAMES)
        opened.callback(nodes.stop)
        rig.follow()
        wait_until(lambda: all(one.stored_upto for one in nodes.clients), 20, "first records")
        threading.Event().wait(random.uniform(0, 3))  # the moment of the kill
        host.kill()
        killed_s = time.monotonic()
        rig.lose_a()
        done = rig.take_over()
        next_host = rig.start_b(**more)
        took_s = time.monotonic() - killed_s
        print(f"take-over: {took_s:.1f} s, the data were {done.age_ms / 1_000:.1f} s old")
        try:
            nodes.stop_sampling()
            wait_until(nodes.are_stored, 30, "the nodes' records are confirmed again")
        finally:
            next_host.stop()
        kept = None if server else sqlite_reader(rig.b)
        counts = reconcile(rig.b, nodes.expected(), influx_reader(server) if server else kept[1])
        if kept:
            kept[0].close()
        assert counts[1:] == (0, 0, 0), counts
        assert marker.read(rig.b) == done
        assert 0 <= done.age_ms < took_s * 1_000 + 30_000
        assert took_s < LONGEST_S

"""A host is killed at any moment, its data are gone, and the standby goes on with every record."""

import os
import random
import threading
import time

import pytest

from campaigns.chaos.reconciliation import reconcile, sqlite_reader
from idroserra.nodes.registry import Nodes as Registry
from support.standby_rig import KEY, Nodes, StandbyRig
from support.wait import wait_until

ROUNDS = int(os.environ.get("IDROSERRA_STANDBY_ROUNDS", "2"))
NAMES = ["idro-a", "idro-b", "idro-c"]


@pytest.fixture
def rig(tmp_path):
    rig = StandbyRig(tmp_path)
    yield rig
    rig.close()


def adopt(folder):
    registry = Registry(folder / "state.db", "test")
    for name in NAMES:
        registry.adopt(name, KEY)
    registry.close()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_every_confirmed_record_is_in_the_store_of_the_standby_once(rig, number):
    adopt(rig.a)
    host = rig.start_a()
    nodes = Nodes(rig.broker.port, NAMES)
    try:
        rig.follow()
        wait_until(lambda: all(one.stored_upto for one in nodes.clients), 20, "first records")
        threading.Event().wait(random.uniform(0, 3))  # the moment of the kill
        host.kill()
        killed_s = time.monotonic()
        rig.lose_a()
        done = rig.take_over()
        next_host = rig.start_b()
        print("take-over", time.monotonic() - killed_s, done.age_ms)
        try:
            nodes.stop_sampling()
            wait_until(nodes.are_stored, 30, "the nodes' records are confirmed again")
        finally:
            next_host.stop()
    finally:
        nodes.stop()
    store, read = sqlite_reader(rig.b)
    try:
        counts = reconcile(rig.b, nodes.expected(), read)
    finally:
        store.close()
    assert counts[1:] == (0, 0, 0), counts

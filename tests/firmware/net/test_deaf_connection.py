"""A broker may lose a subscription while the connection lasts: then nothing arrives, no stop
either, and only the host's silence shows it."""

from itertools import pairwise

import pytest

from support.stop_rig import NODE, StopRig

MINUTE_MS = 60_000


@pytest.fixture
def rig(tmp_path):
    made = StopRig(tmp_path, 1)
    yield made
    made.close()


@pytest.fixture
def connections(rig):
    """Return the times at which the node connected, as a list that grows."""
    times_ms, broker = [], rig.host.broker
    subscribed = broker.subscribed

    def note(topic):
        times_ms.append(rig.now_ms())
        subscribed(topic)

    broker.subscribed = note
    return times_ms


def test_a_node_that_hears_nothing_connects_again(rig, connections):
    rig.wait(MINUTE_MS)
    assert len(connections) == 1
    rig.host.broker._peer._subscriptions.clear()
    lost_ms = rig.now_ms()
    rig.wait(2 * MINUTE_MS)
    assert len(connections) == 2
    assert connections[1] - lost_ms < 45_000
    rig.host.commands.send(NODE, "stop", {}, "ann", 10_000)
    rig.wait(2_000)
    assert rig.stopped_ms is not None


def test_a_node_whose_host_is_away_connects_ever_more_rarely(rig, connections):
    rig.wait(MINUTE_MS)
    rig.host.is_running = False
    rig.wait(6 * 60 * MINUTE_MS)
    gaps_ms = [later - earlier for earlier, later in pairwise(connections[1:])]
    assert all(later > earlier - 2_000 for earlier, later in pairwise(gaps_ms))
    assert 10 * MINUTE_MS < gaps_ms[-1] < 12 * MINUTE_MS
    rig.host.is_running = True
    rig.wait(MINUTE_MS)
    assert rig.outbox.count < 10


def test_the_first_answer_makes_it_attentive_again(rig, connections):
    rig.host.is_running = False
    rig.wait(60 * MINUTE_MS)
    rig.host.is_running = True
    rig.wait(2 * MINUTE_MS)
    del connections[:]
    rig.host.broker._peer._subscriptions.clear()
    rig.wait(45_000)
    assert len(connections) == 1

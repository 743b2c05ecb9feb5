"""A connection that the node itself ends, to log in with another certificate."""

import asyncio
import random

import pytest
from test_publisher import Node

from idro.net.publisher import MIN_BACK_OFF_MS
from idro.protocol.messages import Ack
from idro.protocol.reason import Reason
from support.fake_host import FakeHost


@pytest.fixture
def host(mosquitto):
    made = FakeHost(mosquitto.port)
    yield made
    made.close()


@pytest.fixture
def node(tmp_path, mosquitto):
    made = Node(tmp_path / "flash", mosquitto.port)
    yield made
    made.stop()


def test_the_answers_arrive_first_and_nothing_is_lost(node, host, eventually):
    node.append(30)
    eventually(lambda: host.topics.count("info") == 1, 20, "a connection")

    def answer_and_end():
        for number in range(5):
            node.publisher.send_ack(Ack(f"c{number}", "done", Reason("all_stopped"), "b", 1))
        node.publisher.must_reconnect = True

    node.call(answer_and_end)
    eventually(lambda: host.topics.count("info") > 1, 20, "another connection")
    again = host.topics.index("info", host.topics.index("info") + 1)
    assert host.topics[:again].count("ack") == 5
    node.append(30)
    eventually(lambda: node.call(lambda: node.outbox.count) == 0, 20, "an empty outbox")
    assert {seq for _, seq in host.order} == set(range(1, 61))


def test_it_waits_for_the_end_of_a_dose(node, host, eventually):
    """A connection made during a dose waits for its end, and a stop with it."""
    eventually(lambda: host.topics.count("info") == 1, 20, "a connection")
    node.call(lambda: asyncio.ensure_future(node.publisher.dose_or_handshake.acquire()))
    node.call(setattr, node.publisher, "must_reconnect", True)
    node.append(30)
    eventually(lambda: node.call(lambda: node.outbox.count) == 0, 20, "an empty outbox")
    assert host.topics.count("info") == 1
    node.call(node.publisher.dose_or_handshake.release)
    node.append(1)
    eventually(lambda: host.topics.count("info") == 2, 20, "another connection")


def test_repeated_it_delays_no_stop_more_than_the_first_time(node, host, eventually):
    """The host repeats a certificate every half minute: a back-off must not grow to one."""
    back_offs_ms = []

    def jitter(low, high):
        back_offs_ms.append(2 * high)
        return random.randint(low, high)

    node.publisher._randint = jitter
    for count in range(1, 5):
        eventually(lambda count=count: host.topics.count("info") == count, 20, "a connection")
        node.call(setattr, node.publisher, "must_reconnect", True)
        node.append(1)
    eventually(lambda: host.topics.count("info") == 5, 20, "another connection")
    assert back_offs_ms == [MIN_BACK_OFF_MS] * 4


def test_records_confirmed_are_known_by_when_they_were_sent(node, host, eventually):
    eventually(lambda: node.publisher.connected, 20, "a connection")
    assert node.call(lambda: node.publisher.stored_sent_at_ms) == -1
    before_ms = node.clock.now_ms()
    node.append(1)
    eventually(lambda: node.call(lambda: node.publisher.stored_sent_at_ms) >= before_ms, 20,
               "the time of a confirmed batch")

"""Host and broker are killed under live traffic: nothing is lost, nothing is there twice.

The short form runs with every change; `make campaign-kills` runs the figures of the README.
"""

import os
import random
import threading
from pathlib import Path

import pytest
from house import House

from waiting import wait_until

HOST_KILLS = int(os.environ.get("IDROSERRA_HOST_KILLS", "3"))
BROKER_KILLS = int(os.environ.get("IDROSERRA_BROKER_KILLS", "2"))
NODES = ("idro-one", "idro-two")


@pytest.fixture
def chance() -> random.Random:
    """Moments of the kills; the seed is printed, so a failure can be run again."""
    seed = int(os.environ.get("IDROSERRA_SEED", "7"))
    print("seed", seed)
    return random.Random(seed)


def some_records_later(house: House, count: int) -> None:
    """Return when the nodes have sent `count` more records, all in all."""
    until = sum(house.sent().values()) + count
    wait_until(lambda: sum(house.sent().values()) >= until, 90, "the nodes send more")


def assert_each_record_is_stored_once(house: House) -> None:
    house.settle()
    received = house.stop_nodes()
    assert house.lost() == 0
    assert house.rejected() == []
    for name in NODES:
        telemetry, events = house.stored(name)
        assert telemetry + events == sum(n for (node, _), n in received.items() if node == name)


def test_killing_the_host_loses_and_doubles_nothing(tmp_path: Path, chance: random.Random) -> None:
    with House(tmp_path, NODES) as house:
        some_records_later(house, 4)
        for _ in range(HOST_KILLS):
            some_records_later(house, 2)
            threading.Event().wait(chance.random())  # any instant of a second
            house.kill_host()
            house.start_host()
        assert_each_record_is_stored_once(house)


def test_killing_the_broker_loses_and_doubles_nothing(
    tmp_path: Path, chance: random.Random
) -> None:
    with House(tmp_path, NODES) as house:
        for _ in range(BROKER_KILLS):
            some_records_later(house, 4)
            threading.Event().wait(chance.random())
            house.kill_broker()
            house.broker.start()
        assert_each_record_is_stored_once(house)

"""Host, broker and database of real firmware end: nothing is lost, nothing is there twice.

One house for all of it. tests/chaos kills thousands of times, with nodes that cost less; the
figures of the README are from `make campaign-kills` and `make campaign-outage`.
"""

import os
import random
import threading
from pathlib import Path

from support.databases import Influxd
from support.e2e_stack import EVERY_RECORD, EndToEndStack
from support.wait import wait_until

HOST_KILLS = int(os.environ.get("IDROSERRA_HOST_KILLS", "1"))
BROKER_KILLS = int(os.environ.get("IDROSERRA_BROKER_KILLS", "1"))
OUTAGE_S = float(os.environ.get("IDROSERRA_OUTAGE_S", "2"))
NODES = ("idro-one", "idro-two")


def test_kills_and_an_outage_lose_double_and_disorder_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("IDROSERRA_SEED", "7"))
    print("seed", seed)  # a failure can be run again
    chance = random.Random(seed)
    with Influxd(tmp_path / "influx") as influx:
        store = {"kind": "influx", "url": influx.url, "write_api": "v1"}
        with EndToEndStack(tmp_path / "house", NODES, store=store) as house:
            some_records_later(house, 4)
            for _ in range(HOST_KILLS):
                threading.Event().wait(chance.random())  # any instant of a second
                house.kill_host()
                house.start_host()
                some_records_later(house, 2)
            for _ in range(BROKER_KILLS):
                threading.Event().wait(chance.random())
                house.kill_broker()
                house.broker.start()
                some_records_later(house, 4)
            influx.kill()
            threading.Event().wait(OUTAGE_S)  # live traffic has no faster clock
            some_records_later(house, 4)
            influx.start()
            house.settle()
            received = house.stop_nodes()
            assert house.lost() == 0
            assert house.rejected() == []
            for name in NODES:
                assert_every_record_is_there_once(influx, name, received)


def some_records_later(house: EndToEndStack, count: int) -> None:
    """Return when the nodes have sent `count` more records, all in all."""
    until = sum(house.sent().values()) + count
    wait_until(lambda: sum(house.sent().values()) >= until, 90, "the nodes send more")


def assert_every_record_is_there_once(
    influx: Influxd, node: str, received: dict[tuple[str, str], int]
) -> None:
    """Count and order in the database itself; a sequence number without its record is a loss."""
    quantity = EVERY_RECORD.split(".")[1]
    samples = influx.rows(
        f"SELECT {quantity} FROM sample WHERE node='{node}' AND source='node'"  # noqa: S608
    )
    seqs = influx.rows(f"SELECT seq FROM event WHERE node='{node}'")  # noqa: S608
    instants_ns = [row[0] for row in samples]
    assert instants_ns == sorted(set(instants_ns))
    assert len({row[1] for row in seqs}) == len(seqs)
    sent = sum(count for (name, _), count in received.items() if name == node)
    assert len(samples) + len(seqs) == sent

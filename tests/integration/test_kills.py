"""Kills of host, broker and database with the real firmware lose and duplicate no record.

tests/campaigns/chaos kills thousands of times with lighter nodes. `make campaign-kills` and
`make campaign-outage` run this test with larger counts.
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


def test_kills_and_an_outage_lose_and_duplicate_no_record(tmp_path: Path) -> None:
    seed = int(os.environ.get("IDROSERRA_SEED", "7"))
    print("seed", seed)  # to repeat a failure
    chance = random.Random(seed)
    with Influxd(tmp_path / "influx") as influx:
        store = {"kind": "influx", "url": influx.url, "write_api": "v1"}
        with EndToEndStack(tmp_path / "stack", NODES, store=store) as stack:
            wait_for_records(stack, 4)
            for _ in range(HOST_KILLS):
                threading.Event().wait(chance.random())
                stack.kill_host()
                stack.start_host()
                wait_for_records(stack, 2)
            for _ in range(BROKER_KILLS):
                threading.Event().wait(chance.random())
                stack.kill_broker()
                stack.broker.start()
                wait_for_records(stack, 4)
            influx.kill()
            threading.Event().wait(OUTAGE_S)
            wait_for_records(stack, 4)
            influx.start()
            stack.settle()
            received = stack.stop_nodes()
            assert stack.lost() == 0
            assert stack.rejected() == []
            for name in NODES:
                assert_each_record_is_stored_once(influx, name, received)


def wait_for_records(stack: EndToEndStack, count: int) -> None:
    """Wait until the nodes have sent `count` more records in total."""
    until = sum(stack.sent().values()) + count
    wait_until(lambda: sum(stack.sent().values()) >= until, 90, "the nodes send more records")


def assert_each_record_is_stored_once(
    influx: Influxd, node: str, received: dict[tuple[str, str], int]
) -> None:
    """Check number and order of the records in the database itself."""
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

"""The database goes away under live traffic and comes back: every record is there, once.

`make campaign-outage` runs it with the ten minutes of the README.
"""

import os
import threading
from pathlib import Path

from databases import Influxd
from house import EVERY_RECORD, House

from waiting import wait_until

OUTAGE_S = float(os.environ.get("IDROSERRA_OUTAGE_S", "8"))
NODES = ("idro-one", "idro-two")


def test_an_outage_of_influxdb_loses_doubles_and_disorders_nothing(tmp_path: Path) -> None:
    with Influxd(tmp_path / "influx") as influx:
        store = {"kind": "influx", "url": influx.url, "write_api": "v1"}
        with House(tmp_path / "house", NODES, store=store) as house:
            wait_until(lambda: sum(house.sent().values()) > 30, 60, "one record a second flows")
            house.settle()
            influx.stop()
            before = sum(house.sent().values())
            threading.Event().wait(OUTAGE_S)  # live traffic has no faster clock
            wait_until(lambda: sum(house.sent().values()) > before + OUTAGE_S, 60,
                       "the nodes go on sending")
            influx.start()
            house.settle()
            received = house.stop_nodes()
            assert house.lost() == 0
            assert house.rejected() == []
            for name in NODES:
                assert_every_record_is_there_once(influx, name, received)


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
    gaps_ms = [(b - a) / 1e6 for a, b in zip(instants_ns, instants_ns[1:], strict=False)]
    assert max(gaps_ms[5:]) < 1_000 * OUTAGE_S, "a hole where the database was down"

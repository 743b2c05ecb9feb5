"""What one node sent before costs its next message neither time nor memory."""

import sqlite3
from contextlib import closing

import pytest

from idro.protocol.messages import AS_FLASHED, Batch, Info, Record
from idro.protocol.system_host import UNKNOWN_SYSTEM
from idroserra.ingest.receipts import MAX_BOOTS, MAX_NODE_RANGES, MAX_RANGES
from idroserra.ingest.received import NodeInfoMessage, Received
from idroserra.ingest.spool import Spool
from support.peak_bytes import peak_bytes

NODE, OTHER = "idro-a1", "idro-b2"
NOW = 1_795_507_200_000
BOOTS = 30
GAPS = 2_000  # of each boot: more than MAX_NODE_RANGES in all
LOADED_MAX_BYTES = 8_000_000


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / "spool.db")
    yield spool
    spool.close()


def telemetry(seqs, boot_id, node=NODE):
    records = [Record(seq, 1_000, {"reservoir.ph": 6.0}, {}) for seq in seqs]
    return Received(node, "telemetry", Batch(boot_id, None, None, 1, records), NOW)


def info(boot_id, boots):
    return NodeInfoMessage(NODE, Info(
        "0.1.0", "esp32-reservoir", "esp32", boot_id, 5_000, None, "none", "power_on", "", (),
        {}, tuple((boot_id, 1_000) for boot_id in boots), False, 100, 0, AS_FLASHED,
        UNKNOWN_SYSTEM), NOW)


def even(count, start=2):
    return range(start, start + 2 * count, 2)


def rows(tmp_path, node):
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database:
        found = database.execute(
            "SELECT count(*) FROM seen JOIN boots USING (boot) WHERE node=?", (node,))
        return found.fetchone()[0]


def send_gaps(spool, boots=BOOTS, gaps=GAPS):
    for number in range(boots):
        spool.commit([telemetry(even(gaps), f"n{number}")])


def test_gaps_of_a_node_are_bounded_over_all_its_boots(spool, tmp_path):
    spool.commit([telemetry(even(50), "other", OTHER)])
    send_gaps(spool)
    assert rows(tmp_path, NODE) <= MAX_NODE_RANGES
    assert rows(tmp_path, OTHER) == 50
    # Lost is what the closed gaps miss, and nothing is received twice.
    upto = [spool.stored_upto(NODE, f"n{number}") for number in range(BOOTS)]
    closed = sum(one == 2 * GAPS for one in upto)
    assert upto == [2 * GAPS] * closed + [0] * (BOOTS - closed)
    assert BOOTS - closed >= MAX_RANGES // GAPS
    counts = spool.counts()[NODE]
    assert (counts["received"], counts["lost"]) == (BOOTS * GAPS, closed * GAPS)


def test_a_boot_whose_gaps_were_closed_takes_new_records_only(spool):
    send_gaps(spool)
    before = spool.counts()[NODE]
    committed = spool.commit([telemetry([1, 2, 2 * GAPS, 2 * GAPS + 1], "n0")])
    after = spool.counts()[NODE]
    assert committed.stored_upto == {(NODE, "n0"): 2 * GAPS + 1}
    assert [one.records[0].seq for one in committed.accepted] == [2 * GAPS + 1]
    assert after["duplicates"] - before["duplicates"] == 3
    assert after["lost"] == before["lost"]


def test_no_gap_of_as_many_records_as_an_outbox_has_is_closed(spool, tmp_path):
    send_gaps(spool)
    boots = [f"late{number}" for number in range(100)]
    for boot_id in boots:  # 100 boots and 10,000 records: the outbox of a node
        spool.commit([telemetry(even(50), boot_id)])
    send_gaps(spool, boots=1)  # its duplicates
    for boot_id in boots:
        spool.commit([telemetry(even(50, 1), boot_id)])
    assert [spool.stored_upto(NODE, boot_id) for boot_id in boots] == [100] * 100


def test_the_limits_count_again_after_a_start(spool, tmp_path):
    send_gaps(spool, boots=5)
    again = Spool(tmp_path / "spool.db")
    for number in range(5, BOOTS):
        again.commit([telemetry(even(GAPS), f"n{number}")])
    assert rows(tmp_path, NODE) <= MAX_NODE_RANGES
    again.close()


def test_a_file_that_is_above_the_limit_is_brought_below_it(spool, tmp_path):
    spool.commit([telemetry([1], f"n{number}") for number in range(BOOTS)])
    with closing(sqlite3.connect(tmp_path / "spool.db")) as database, database:
        database.executemany("INSERT INTO seen VALUES (?,?,?)", (
            (boot, seq, seq) for boot in range(1, BOOTS + 1) for seq in range(3, 4_000, 2)))
    again = Spool(tmp_path / "spool.db")
    again.commit([telemetry([1], "n7")])  # a duplicate
    assert rows(tmp_path, NODE) <= MAX_NODE_RANGES
    again.close()


def test_an_info_over_many_boots_loads_none_of_their_records(spool):
    send_gaps(spool, boots=12)  # all below the limit
    boots = [f"n{number}" for number in range(12)]
    spool.commit([telemetry([1], f"m{number}") for number in range(20)])  # others are loaded
    assert peak_bytes(lambda: spool.commit([info("n11", boots[:11])])) < 100_000


def test_one_commit_of_all_boots_holds_no_more_than_the_limit(spool):
    send_gaps(spool, boots=100)
    boots = [f"n{number}" for number in range(100)]
    items = []
    for boot_id in boots[:40]:
        items += [telemetry([2], boot_id), info("n99", boots[:99])]
    assert peak_bytes(lambda: spool.commit(items)) < LOADED_MAX_BYTES
    assert spool.counts()[NODE]["duplicates"] == 40


def test_the_limits_of_a_node_agree():
    """The newest boot, and one range of each other, are never above what is kept."""
    assert MAX_RANGES + MAX_BOOTS <= MAX_NODE_RANGES // 2

"""What a spool knows of the records of a node moves with it, whatever has come."""

import sqlite3
from contextlib import closing

from hypothesis import given, settings
from hypothesis import strategies as st

from idro.protocol.messages import Batch, Record
from idroserra.ingest.received import Received
from idroserra.ingest.spool import Spool
from idroserra.moving.package import SCHEMA, insert_rows, save_rows

NODE, OTHER = "idro-a1", "idro-b2"
NOW = 1_795_507_200_000
BOOTS = st.lists(st.sampled_from(("b1", "b2", "b3")), min_size=1, max_size=4, unique=True)
SEQS = st.sets(st.integers(1, 40), min_size=1)


def message(node, boot_id, seqs, oldest_seq=1):
    records = [Record(seq, seq * 1_000, {"reservoir.ph": 6.0}, {}) for seq in sorted(seqs)]
    return Received(node, "telemetry", Batch(boot_id, None, None, oldest_seq, records), NOW)


def move(old, new, folder):
    """Move what the spool in `old` knows of NODE to the one in `new`."""
    package = folder / "package"
    with closing(sqlite3.connect(package, uri=True, isolation_level=None)) as database:
        database.executescript(SCHEMA)
        database.execute("INSERT INTO moving VALUES (?,'')", (NODE,))
        save_rows(database, old)
    for _ in range(2):  # as after an interruption
        insert_rows(package, new)


@given(BOOTS, BOOTS, st.data())
@settings(max_examples=40, deadline=None)
def test_the_new_host_goes_on_where_the_old_one_ended(tmp_path_factory, boots, others, data):
    """Other nodes of the new host keep theirs, though boots have numbers of each host."""
    folder = tmp_path_factory.mktemp("spools")
    old, new = folder / "old" / "spool.db", folder / "new" / "spool.db"
    came = {boot: data.draw(SEQS) for boot in boots}
    with closing(Spool(old)) as spool:
        for boot, seqs in came.items():
            spool.commit([message(NODE, boot, [seq]) for seq in seqs])
        spool.commit([message(OTHER, "b9", [1, 2])])
        upto = {boot: spool.stored_upto(NODE, boot) for boot in boots}
        epochs = {boot: spool.epoch(NODE, boot) for boot in boots}
    with closing(Spool(new)) as spool:
        spool.commit([message(OTHER, boot, [1, 5]) for boot in others])
    move(old, new, folder)
    with closing(Spool(new)) as spool:
        for boot in boots:
            assert spool.stored_upto(NODE, boot) == upto[boot]
            assert spool.epoch(NODE, boot) == epochs[boot]
            # The node sends what the old host has not confirmed, and perhaps some of it again.
            again = set(range(data.draw(st.integers(1, upto[boot] + 1)), 46))
            new_ones = spool.commit([message(NODE, boot, again, min(again))]).accepted
            taken = {one.seq for batch in new_ones for one in batch.records}
            assert taken == again - came[boot]
            assert spool.stored_upto(NODE, boot) == 45
        counts = spool.counts()
        assert counts[NODE]["lost"] == 0
        assert counts[NODE]["received"] == 45 * len(boots)
        assert counts[NODE]["stored"] == sum(map(len, came.values()))  # it waited at the old host
        assert counts[OTHER]["received"] == 2 * len(others)
        assert [spool.stored_upto(OTHER, boot) for boot in others] == [1] * len(others)

"""Unreadable records: bounded for each node, and read again in steps."""

from idro.protocol import messages_host
from idro.protocol.messages import Batch
from idroserra.ingest import refusals
from idroserra.ingest.decoder import UnreadableRecord
from idroserra.ingest.received import Received
from idroserra.ingest.spool import Spool

NODE, OTHER = "idro-a1", "idro-b2"
NOW = 1_795_507_200_000


def unreadable(seqs, node=NODE, more=b""):
    """A message of records of a kind of event that the host does not know."""
    return Received(node, "event", Batch("b1", None, None, 1, []), NOW, tuple(
        UnreadableRecord(seq, b'{"v":1,"boot_id":"b1","oldest_seq":1,"records":'
                         b'[{"seq":%d,"at_ms":5,"kind":"sang","detail":{}}]}%s' % (seq, more),
                         "kind: 'sang' is none of")
        for seq in seqs))


def test_they_are_kept_up_to_a_size_for_each_node(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(refusals, "MOST_UNREAD_BYTES", 20_000)
    spool = Spool(tmp_path / "spool.db")
    spool.commit([unreadable([1], OTHER)])
    spool.commit([unreadable(range(1, 101), more=b" " * 900)])
    kept = spool.rejected(1_000)
    of_node = [one for one in kept if f"/{NODE}/" in one.topic]
    assert len(of_node) == len(kept) - 1
    assert 15_000 < sum(len(one.payload) for one in of_node) <= 20_000
    assert any(b'"seq":100,' in one.payload for one in of_node)
    counts = spool.counts()
    assert (counts[NODE]["rejected"], counts[NODE]["lost"]) == (100, 100 - len(of_node))
    assert counts[OTHER]["lost"] == 0
    [line] = [record.message for record in caplog.records]
    assert line.startswith(f"{NODE}: ")
    spool.close()


def test_records_are_read_again_in_steps(tmp_path, monkeypatch):
    spool = Spool(tmp_path / "spool.db")
    spool.commit([unreadable(range(1, 2 * refusals.STEP_ROWS + 2))])
    monkeypatch.setattr(messages_host, "EVENTS", (*messages_host.EVENTS, "sang"))
    steps = spool.retry_unreadable()
    assert next(steps) == refusals.STEP_ROWS
    assert spool.depth == refusals.STEP_ROWS
    assert list(steps) == [refusals.STEP_ROWS, 1]
    assert spool.depth == 2 * refusals.STEP_ROWS + 1
    spool.close()

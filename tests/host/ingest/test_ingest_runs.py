"""Messages that go on where the one before ended are booked as one: nothing else may differ."""

import tempfile
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from idro.protocol.messages import Batch, Record
from idroserra.ingest.received import Received
from idroserra.ingest.spool import Spool

NODE = "idro-a1"
NOW = 1_795_507_200_000

# first seq, how many records, oldest_seq, sent_at_ms, wall time of the boot, delay on the way
MESSAGES = st.lists(st.tuples(
    st.integers(1, 12), st.integers(1, 4), st.sampled_from([1, 1, 1, 3, 20]),
    st.sampled_from([None, 50_000, 60_000, 70_000]), st.sampled_from([None, None, NOW - 90_000]),
    st.integers(0, 9_000)), min_size=1, max_size=12)


def received(first, count, oldest_seq, sent_at_ms, boot_unix_ms, delay_ms):
    records = [Record(seq, seq * 1_000, {"reservoir.ph": 6.0}, {})
               for seq in range(first, first + count)]
    batch = Batch("b1", boot_unix_ms, sent_at_ms, oldest_seq, records)
    return Received(NODE, "telemetry", batch, NOW + delay_ms)


def one_after_the_other(messages):
    """Return the messages with most of them going on from the one before."""
    found, at = [], 1
    for first, *rest in messages:
        first = at if first > 3 else first
        found.append((first, *rest))
        at = max(at, first + rest[0])
    return found


def booked(groups):
    """Return all that a spool knows after these commits."""
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool.db")
        commits = [spool.commit(group) for group in groups]
        records = [record for row in spool.pending(1_000)
                   for record in msgspec.json.decode(row.body)]
        known = (commits[-1].stored_upto, spool.counts(), spool.epoch(NODE, "b1"), records,
                 [accepted.news[-1] for one in commits for accepted in one.accepted])
        spool.close()
    return known


@settings(max_examples=60, deadline=None)
@given(MESSAGES, st.integers(1, 6))
def test_a_run_is_booked_as_its_messages_are(messages, of_group):
    messages = one_after_the_other(messages)
    cuts = range(0, len(messages), of_group)
    alone = [[received(*one) for one in messages[at : at + of_group]] for at in cuts]
    runs = []
    for at in cuts:
        group = []
        for one in messages[at : at + of_group]:
            item = received(*one)
            if not group or not group[-1].extend_with(item.batch, item.unix_ms):
                group.append(item)
        runs.append(group)
    assert booked(runs) == booked(alone)

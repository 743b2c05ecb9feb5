"""Which blocks a database may lose points of, and which it keeps waiting."""

from collections import Counter

import pytest

from idroserra.core.errors import StoreRejected, StoreUnavailable
from idroserra.history.block_writer import HOPELESS_POINTS, BlockWriter
from idroserra.history.models import EventPoint, Instant

HOUR_MS = 3_600_000
MANY = 2 * HOPELESS_POINTS


class Database:
    """Refuses a block with a point of before `damaged_until_ms`, and drops those of one node."""

    def __init__(self, damaged_until_ms, too_old="none"):
        self.damaged_until_ms, self.too_old = damaged_until_ms, too_old
        self.kept, self.tries = set(), 0

    def write(self, instants, events):
        self.tries += 1
        kept = [one for one in instants if one.node != self.too_old]
        if any(one.unix_ms < self.damaged_until_ms for one in kept):
            raise StoreRejected("damaged")
        self.kept |= {(one.node, one.unix_ms) for one in kept}
        return Counter(one.node for one in instants if one.node == self.too_old)


def late(node, count=MANY):
    return [Instant(node, at, {"air.temp_c": 20.0}) for at in range(count)]


@pytest.mark.parametrize("node", ["a", "b"])
def test_the_newest_of_a_node_shows_that_only_an_hour_is_damaged(node):
    """Also of the same node, and wherever in the block it is."""
    database = Database(HOUR_MS)
    good = Instant(node, HOUR_MS, {"air.temp_c": 21.0})
    for block in ([*late("a"), good, *late("c")], [*late("a"), good]):
        outcome = BlockWriter(database.write).write(block, [])
        assert len(outcome.refused) == len(block) - 1
        assert outcome.missing.total() == len(block) - 1
        assert database.kept == {(node, HOUR_MS)}


@pytest.mark.parametrize("nodes", [2, 4 * MANY])
def test_a_database_that_refuses_each_newest_instant_keeps_the_block_waiting(nodes):
    """What it drops as too old, and its events, say nothing of the readings."""
    database = Database(HOUR_MS, too_old="old")
    block = [*late("a"), *(one for number in range(nodes) for one in late(f"n{number}", 2)),
             *late("old", 1)]
    event = EventPoint("a", 5_000_000, 1, "b1", "boot", {})
    with pytest.raises(StoreUnavailable, match="refuses everything"):
        BlockWriter(database.write).write(block, [event])
    assert database.kept == set()
    assert database.tries < 4 * MANY

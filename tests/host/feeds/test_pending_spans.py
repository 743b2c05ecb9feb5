"""The spans of a feed never lose an instant, whatever order marks, rounds and restarts have."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from idroserra.feeds.pending_spans import NEAR_MS, PIECE_MS, PendingSpans, Span, joined

HOUR_MS = 3_600_000
NODES = ("idro-a1", "idro-b2")

spans = st.builds(
    lambda node, start, length: Span(node, start * HOUR_MS // 4, start * HOUR_MS // 4 + length),
    st.sampled_from(NODES), st.integers(0, 200), st.integers(1, 30 * HOUR_MS))
steps = st.lists(st.one_of(
    st.tuples(st.just("mark"), st.lists(spans, min_size=1, max_size=4)),
    st.tuples(st.just("add"), st.lists(spans, min_size=1, max_size=2)),
    st.tuples(st.sampled_from(("claim", "done", "release", "restart")), st.none())), max_size=25)


def quarters(found):
    """Return every quarter of an hour that spans touch, by node."""
    step = HOUR_MS // 4
    return {(node, number) for node, start, end in found
            for number in range(start // step, -(-end // step))}


@given(steps)
def test_what_was_marked_waits_until_it_was_sent(made):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "feeds.db"
        found = PendingSpans(path, ["one", "other"])
        missing, claimed = set(), []
        for what, given_spans in made:
            if what == "mark":
                found.mark(given_spans)
                missing |= quarters(given_spans)
            elif what == "add":
                found.add("one", given_spans)
                missing |= quarters(given_spans)
            elif what == "claim":
                claimed = found.claim("one")
                assert all(0 < end - start <= PIECE_MS for _, start, end in claimed)
                marked_since = set()
            elif what == "done" and claimed:
                found.done("one", claimed, 1, 0)
                missing -= quarters(claimed) - marked_since
                claimed = []
            elif what == "release":
                found.release("one")
                claimed = []
            elif what == "restart":
                found.close()
                found = PendingSpans(path, ["one", "other"])
                claimed = []
            if what in ("mark", "add") and claimed:
                marked_since |= quarters(given_spans)
        found.release("one")
        sent = set()
        while rest := found.claim("one"):
            sent |= quarters(rest)
            found.done("one", rest, 0, 0)
        assert missing <= sent
        assert found.waiting("one").span_ms == 0
        found.close()


@given(st.lists(spans, max_size=12))
def test_joined_spans_cover_the_same_and_are_apart(some):
    found = joined(some)
    assert quarters(some) <= quarters(found)
    for before, after in zip(found, found[1:], strict=False):
        assert before.node != after.node or after.from_unix_ms - before.to_unix_ms > NEAR_MS


def test_a_mark_costs_the_store_one_row_for_any_number_of_feeds(tmp_path):
    found = PendingSpans(tmp_path / "feeds.db", [f"feed{number}" for number in range(8)])
    found.mark([Span("idro-a1", 0, HOUR_MS)])
    assert found.query("SELECT count(*) FROM marks") == [(1,)]
    for number in range(8):
        assert found.waiting(f"feed{number}").span_ms == HOUR_MS
    assert found.query("SELECT count(*) FROM marks") == [(0,)]
    found.close()

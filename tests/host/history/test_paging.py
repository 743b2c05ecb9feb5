"""History in pages: the same as in one read, in little memory."""

from itertools import chain, count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idroserra.history import paging
from idroserra.history.copy import CopyProgress, copy
from idroserra.history.models import EventPoint, Instant
from idroserra.history.sqlite.store import SqliteStore
from support.peak_bytes import peak_bytes
from support.store_rig import HOUR_MS, NODE, T0, maintain, sqlite_store

CHANNELS = ("air.rh_pct", "air.temp_c", "reservoir.ph")
KINDS = ("boot", "dosed", "gap")
BOUND = st.integers(-2, 14)
NODES = (f"{NODE}-{number}" for number in count())

store = sqlite_store


@pytest.fixture(scope="module")
def store_of_all(tmp_path_factory):
    opened = SqliteStore(tmp_path_factory.mktemp("paging") / "store.db")
    yield opened
    opened.close()


def event(seq, at_ms, kind="dosed", node=NODE):
    return EventPoint(node, (T0 + at_ms) * 1_000 + seq % 1_000, seq, "b1", kind, {"seq": seq})


@settings(max_examples=60)
@given(times=st.lists(st.integers(0, 12), max_size=40), page=st.integers(1, 12),
       kinds=st.none() | st.lists(st.sampled_from(KINDS)), begin=BOUND, end=BOUND)
def test_pages_of_events_are_what_one_read_returns(
    store_of_all, times, page, kinds, begin, end
):
    """Of one ms, the first page."""
    span = (next(NODES), T0 + begin, T0 + end, kinds)
    store_of_all.write([], [event(seq, at_ms, KINDS[seq % 3], span[0])
                            for seq, at_ms in enumerate(times)])
    whole = store_of_all.events(*span)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paging, "PAGE", page)
        pages = list(paging.event_pages(store_of_all, *span))
    assert list(chain.from_iterable(pages)) == [
        one for at, one in enumerate(whole) if at < page
        or whole[at - page].unix_us // 1_000 < one.unix_us // 1_000]
    assert all(0 < len(one) <= page for one in pages)


@settings(max_examples=60)
@given(points=st.dictionaries(st.integers(0, 12), st.sets(st.sampled_from(CHANNELS), min_size=1)),
       page=st.integers(1, 6), begin=BOUND, end=BOUND, is_packed=st.booleans())
def test_pages_of_instants_are_what_one_read_returns(
    store_of_all, points, page, begin, end, is_packed
):
    span = (next(NODES), T0 - HOUR_MS + begin, T0 + end)
    # Some in the hour before, so that pages cross the border of packed hours.
    store_of_all.write([
        Instant(span[0], T0 + at_ms - at_ms % 2 * HOUR_MS, dict.fromkeys(channels, 6.0))
        for at_ms, channels in points.items()], [])
    if is_packed:
        maintain(store_of_all)
    whole = store_of_all.instants(*span)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paging, "PAGE", page)
        pages = list(paging.instant_pages(store_of_all, *span))
    assert list(chain.from_iterable(pages)) == whole
    assert all(0 < len(one) <= page for one in pages)


def test_more_events_than_for_one_result_are_refused(store, monkeypatch):
    monkeypatch.setattr(paging, "PAGE", 3)
    monkeypatch.setattr(paging, "MOST_EVENTS", 7)
    store.write([], [event(seq, seq) for seq in range(8)])
    span = (store, NODE, T0)
    assert len(list(paging.bounded_events(*span, T0 + 7, ["dosed"]))) == 7
    with pytest.raises(paging.TooManyEvents, match="more than 7 events in this period: choose"):
        list(paging.bounded_events(*span, T0 + 8, ["dosed"]))


def test_a_flood_of_another_kind_is_not_scanned(store):
    store.write([], [event(seq, seq, "dosed" if seq % 1_000 == 0 else "gap")
                     for seq in range(10_000)])
    steps = []
    store._reader.set_progress_handler(lambda: steps.append(1), 100)
    for limits in ({"oldest": 5}, {"newest": 5}, {}):
        found = store.events(NODE, T0, T0 + HOUR_MS, ["boot", "dosed"], **limits)
        assert len(found) == limits.get("oldest", limits.get("newest", 10))
    assert len(steps) < 50


@pytest.mark.usefixtures("any_number_of_events")
def test_the_spans_of_nodes_are_found_without_a_scan_of_their_events(store):
    assert store.spans() == {}
    store.write([], [event(seq, seq) for seq in range(10_000)]
                + [event(seq, at, node=f"{NODE}{seq}") for seq, at in enumerate((7, 3))])
    steps = []
    store._reader.set_progress_handler(lambda: steps.append(1), 100)
    assert store.spans() == {NODE: (T0, T0 + 9_999), f"{NODE}0": (T0 + 7,) * 2,
                             f"{NODE}1": (T0 + 3,) * 2}
    assert len(steps) < 50


def test_the_span_of_a_node_is_found_without_those_of_others(store):
    assert store.span(NODE) is None
    store.write([], [event(seq, seq, node=f"{NODE}{seq % 500}") for seq in range(1_000)])
    store.write([Instant(NODE, T0 + at, {"reservoir.ph": 6}) for at in (5, 9)], [event(1, 7)])
    steps = []
    store._reader.set_progress_handler(lambda: steps.append(1), 100)
    assert store.span(NODE) == (T0 + 5, T0 + 9)
    assert len(steps) < 5


@pytest.mark.usefixtures("any_number_of_events")
def test_a_flood_of_events_and_readings_in_an_hour_takes_a_page_of_memory(store):
    many = 20 * paging.PAGE
    store.write([Instant(NODE, T0 + at, {"reservoir.ph": 6.0}) for at in range(many)],
                [event(seq, seq // 4) for seq in range(many)])
    span = (NODE, T0, T0 + HOUR_MS)
    counts = []
    peak = peak_bytes(lambda: counts.extend((
        sum(1 for _ in paging.events(store, *span)),
        sum(len(page) for page in paging.instant_pages(store, *span)))))
    assert counts == [many, many]
    assert peak < 5_000_000


@pytest.mark.usefixtures("any_number_of_events")
def test_a_flood_is_copied_in_little_memory(store, tmp_path):
    many = 5 * paging.PAGE
    store.write([Instant(NODE, T0 + 300 * at, {"reservoir.ph": 6.0}) for at in range(many)],
                [event(seq, seq // 4) for seq in range(many)])
    target = SqliteStore(tmp_path / "target.db")
    done = []
    try:
        peak = peak_bytes(lambda: done.append(
            copy(store, target, CopyProgress(None, "x"), lambda *_: None)))
        span = (NODE, T0, T0 + HOUR_MS)
        assert target.instants(*span) == store.instants(*span)
        assert target.events(*span) == store.events(*span)
    finally:
        target.close()
    assert done == [(1, many, many, 0)]
    assert peak < 5_000_000

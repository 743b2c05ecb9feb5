"""Events with any detail: the state of the node is found, and memory stays bounded."""

import tracemalloc

import pytest

from idro.protocol.messages import AS_FLASHED, Info
from idro.protocol.system_host import UNKNOWN_SYSTEM
from idroserra.core.errors import StoreUnavailable
from idroserra.history.models import EventPoint
from idroserra.nodes.dosing_state import authority_of
from idroserra.nodes.latest_events import (
    DAY_MS,
    LEDGER_FAILED,
    MAX_BOOTS,
    MAX_SUBJECTS,
    LatestEvents,
)
from idroserra.nodes.node import Node
from support.store_rig import sqlite_store

NOW = 1_795_507_200_000
NODE = "idro-a"
HOUR_MS = 3_600_000
MANY = 20_000


store = sqlite_store


class NoStore:
    def newest_events(self, *_):
        raise StoreUnavailable("none")


@pytest.fixture
def events():
    return LatestEvents(NoStore, lambda: NOW)


@pytest.mark.parametrize("granted", ["all", "", None, True, -5, 2**40])
def test_a_granted_share_that_is_no_number_is_none(events, granted):
    info = Info("1", "b", "esp32", "b1", 0, None, "none", "", "", (), {}, (), False, 25, 0,
                AS_FLASHED, UNKNOWN_SYSTEM)
    node = Node(NODE, "site", info=info, boot_epoch_unix_ms=NOW - 1_000)
    events.take(NODE, (NOW - 10) * 1_000, "authority", {"granted_pct": granted})
    found = authority_of(events, node, 100, NOW)
    assert 0 <= found.granted_pct <= 100


@pytest.mark.parametrize(("kind", "key"), [("decided", "loop"), ("fault_began", "channel")])
def test_decisions_and_faults_are_kept_for_a_number_of_subjects(events, kind, key):
    events.take(NODE, NOW * 1_000, "stopped", {})
    events.take("other", NOW * 1_000, kind, {key: "ph"})
    for number in range(10 * MAX_SUBJECTS):
        events.take(NODE, (NOW + number) * 1_000, kind, {key: f"subject {number}"})
    kept = events.all(NODE)
    assert len(kept) == MAX_SUBJECTS + 1
    assert {"stopped", f"{kind} subject {10 * MAX_SUBJECTS - 1}"} <= kept.keys()
    assert f"{kind} ph" in events.all("other")


def test_boots_are_kept_up_to_a_number(events):
    for number in range(3 * MAX_BOOTS):
        events.take(NODE, (NOW - number) * 1_000, "boot", {})
    assert events.boots_unix_ms(NODE) == tuple(range(NOW - MAX_BOOTS + 1, NOW + 1))


@pytest.mark.usefixtures("any_number_of_events")
def test_the_past_of_a_flood_takes_little_memory(store):
    def flood(kind, begin_ago_ms, boot_id, detail):
        store.write([], [
            EventPoint(NODE, (NOW - begin_ago_ms + seq) * 1_000, seq, boot_id, kind, detail)
            for seq in range(MANY)])

    for kind in ("latched", "boot"):
        flood(kind, 2 * DAY_MS, f"old {kind}", {"reset": "panic"})
    flood("boot", HOUR_MS, "b1", {"reset": "panic"})
    flood("gap", HOUR_MS, "b2", {"from": 1, "to": 2})
    flood("decided", HOUR_MS, "b3", {"loop": "ph"})
    events = LatestEvents(lambda: store, lambda: NOW)
    tracemalloc.start()
    try:
        assert events.is_read(NODE, with_doses=True)
        assert events.has_decisions(NODE, ["light"])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000
    last_unix_ms = NOW - HOUR_MS + MANY - 1
    assert events.newest(NODE, "latched").unix_ms == NOW - 2 * DAY_MS + MANY - 1
    assert events.newest(NODE, "gap").unix_ms == last_unix_ms
    assert events.decision(NODE, "ph").unix_ms == last_unix_ms
    assert events.boots_unix_ms(NODE) == tuple(
        range(last_unix_ms - MAX_BOOTS + 1, last_unix_ms + 1))


def test_an_older_failure_of_the_ledger_is_read_beside_newer_ones_of_files(store):
    store.write([], [EventPoint(NODE, (NOW - 90_000_000 + seq) * 1_000, seq, "b1", "flash_failed",
                                {"part": part}) for seq, part in enumerate(("ledger", "files"))])
    events = LatestEvents(lambda: store, lambda: NOW)
    assert events.is_read(NODE)
    assert events.newest(NODE, "flash_failed").detail == {"part": "files"}
    assert events.newest(NODE, LEDGER_FAILED).detail == {"part": "ledger"}

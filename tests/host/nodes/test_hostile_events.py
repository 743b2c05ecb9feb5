"""Events with any detail: the state of the node is found, and memory stays bounded."""

import pytest

from idro.protocol.messages import AS_FLASHED, Info
from idro.protocol.system_host import UNKNOWN_SYSTEM
from idroserra.core.errors import StoreUnavailable
from idroserra.nodes.dosing_state import authority_of
from idroserra.nodes.latest_events import MAX_BOOTS, MAX_SUBJECTS, LatestEvents
from idroserra.nodes.node import Node

NOW = 1_795_507_200_000
NODE = "idro-a"


class NoStore:
    def events(self, *_):
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

"""The ingest takes a limited number of bytes and log lines of each node."""

from types import SimpleNamespace

import pytest

from host.ingest.test_ingest import NODE, Host, telemetry
from idroserra.ingest import consumer
from idroserra.ingest.quota import (
    BURST_BYTES,
    BYTES_PER_S,
    INVALID_BYTES,
    LINES,
    MESSAGE_BYTES,
    Quota,
)

OTHER = "idro-good"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host for which no time passes: a slow machine would take more of a flood."""
    monkeypatch.setattr(consumer, "time", SimpleNamespace(monotonic=lambda: 100.0))
    host = Host(tmp_path)
    yield host
    host.close()


def stored(host, node):
    return host.spool.counts().get(node, {}).get("received", 0)


def step_until_idle(host):
    while not host.link.inbox.empty():
        host.ingest.step()


def test_a_flood_of_one_node_is_cut_and_loses_nothing_of_others(host):
    count = 3 * BURST_BYTES // MESSAGE_BYTES
    for seq in range(1, count + 1):
        host.arrive("telemetry", telemetry(seq))
    host.arrive("telemetry", telemetry(1, 20), node=OTHER)
    step_until_idle(host)
    assert stored(host, OTHER) == 20
    assert 0 < stored(host, NODE) < count / 2


def test_the_log_tells_of_a_flood_in_a_few_lines(host, caplog):
    caplog.set_level("INFO", "idroserra")
    for index in range(2_000):
        host.arrive("event", b"{%d" % index)
        host.arrive("telemetry", telemetry(index + 1))
    host.arrive("event", b"{", node=OTHER)
    step_until_idle(host)
    lines = [record.getMessage() for record in caplog.records]
    assert sum(NODE in line for line in lines) <= 2 * LINES
    assert any("not logged" in line for line in lines)
    assert 0 < host.spool.counts()[NODE]["rejected"] <= BURST_BYTES // INVALID_BYTES
    assert sum(OTHER in line for line in lines) == 1  # another node's line is there all the same


def test_a_node_is_read_again_once_it_slows_down():
    quota = Quota()
    taken = sum(quota.takes(NODE, 16_000, 100.0) for _ in range(10_000))
    assert taken == BURST_BYTES // (16_000 + MESSAGE_BYTES)
    assert not quota.takes(NODE, 16_000, 100.0)
    assert quota.takes(OTHER, 16_000, 100.0)
    assert quota.takes(NODE, 10_000, 100.1)  # a tenth of a second later
    assert not quota.takes(NODE, BYTES_PER_S, 100.1)


def test_drops_are_logged_once_a_minute(caplog):
    caplog.set_level("INFO", "idroserra")
    quota = Quota()
    for second in range(59):
        for _ in range(1_000):
            quota.takes(NODE, 16_000, 100.0 + second)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert lines[0].startswith(f"{NODE}: sends more than")
    for _ in range(1_000):
        quota.takes(NODE, 16_000, 161.0)
    assert len(caplog.records) == 2
    assert "messages dropped" in caplog.records[1].getMessage()


def test_a_backlog_of_records_drops_no_status_and_no_settings(host):
    """Only records are sent again: after a long pause of the host they come before the rest."""
    for _ in range(4 * BURST_BYTES // MESSAGE_BYTES):
        host.arrive("telemetry", telemetry(1))
    host.arrive("status", b"online")
    step_until_idle(host)
    assert host.nodes.get(NODE).online

"""VictoriaMetrics takes points before they are on its disk: what a kill costs is written again."""

import pytest

from idro.protocol.messages import Batch, Record
from idroserra.core.config import StoreConfig
from idroserra.core.errors import StoreUnavailable
from idroserra.history.influx.store import InfluxStore
from idroserra.ingest.receipts import Received
from idroserra.ingest.spool import Spool
from idroserra.ingest.store_writer import StoreWriter
from support.databases import VictoriaMetrics

NODE = "idro-a1"
T0 = 1_767_225_600_000
COUNT = 20


class Hasty(VictoriaMetrics):
    """Saves every second."""

    def command(self):
        return [*super().command(), "-inmemoryDataFlushInterval=1s"]


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path / "spool.db")
    records = [Record(seq, seq * 1000, {"reservoir.ph": 6.0}, {}) for seq in range(1, COUNT + 1)]
    spool.commit([Received(NODE, "telemetry", Batch("b1", T0, None, 1, records), T0)])
    yield spool
    spool.close()


@pytest.fixture
def server(tmp_path):
    with Hasty(tmp_path / "victoria") as server:
        yield server


@pytest.fixture
def writer(spool, server):
    store = InfluxStore(StoreConfig(kind="influx", url=server.url, write_api="v2"), "farm")
    yield StoreWriter(spool, store, lambda: T0)
    store.close()


def moved(writer):
    """Move a block; None if the store takes nothing yet."""
    try:
        return writer.move_block()
    except StoreUnavailable:
        return None


def values(server):
    return [value for series in server.export("sample_ph") for value in series["values"]]


def test_what_was_not_saved_at_a_kill_is_written_again(spool, server, writer, eventually):
    eventually(lambda: moved(writer) == COUNT, 60, "it was written")
    assert moved(writer) == 0  # once
    server.kill()
    server.start()
    assert values(server) == []  # that is what VictoriaMetrics promises, and no more
    assert spool.depth == COUNT
    eventually(lambda: moved(writer) == COUNT, 60, "it was written again")
    eventually(lambda: moved(writer) == 0 and spool.depth == 0, 60, "it was saved")
    server.kill()
    server.start()
    assert values(server) == [6.0] * COUNT
    assert spool.counts()[NODE]["stored"] == COUNT


def test_a_host_that_ends_before_it_was_saved_writes_it_again(spool, server, writer, eventually):
    eventually(lambda: moved(writer) == COUNT, 60, "it was written")
    assert not writer.drain(20)
    assert spool.depth == COUNT
    again = InfluxStore(StoreConfig(kind="influx", url=server.url, write_api="v2"), "farm")
    assert StoreWriter(spool, again, lambda: T0).move_block() == COUNT
    again.close()
    assert values(server) == [6.0] * COUNT


def test_one_that_does_not_say_when_it_started_takes_nothing(spool, tmp_path):
    class Locked(Hasty):
        def command(self):
            return [*super().command(), "-metricsAuthKey=secret"]

    with Locked(tmp_path / "locked") as server:
        store = InfluxStore(StoreConfig(kind="influx", url=server.url, write_api="v2"), "farm")
        writer = StoreWriter(spool, store, lambda: T0)
        with pytest.raises(StoreUnavailable, match="/metrics of VictoriaMetrics .HTTP 401."):
            writer.move_block()
        store.close()
    assert spool.depth == COUNT

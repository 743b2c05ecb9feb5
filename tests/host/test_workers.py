"""Several processes on one spool: what is acknowledged is committed, whoever took it."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from threading import Barrier, Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from node_client import NodeClient

from idro.protocol.messages import AS_FLASHED, Batch, EventRecord, Info, Record
from idroserra.backups.archive import BackupError
from idroserra.backups.restore import JOURNAL, restore
from idroserra.config import load_config
from idroserra.errors import ConfigError
from idroserra.receipts import Announced, Received
from idroserra.service import Service
from idroserra.spool import Spool
from idroserra.worker import Worker
from idroserra.worker_signs import WorkerSign
from waiting import wait_until

NODE = "idro-w1"
KEY = bytes(range(32))
NOW = 1_795_507_200_000


def telemetry(seqs, boot_unix_ms=NOW - 60_000):
    records = [Record(seq, seq * 1000, {"reservoir.ph": 6.0}, {}) for seq in seqs]
    return Received(NODE, "telemetry", Batch("b1", boot_unix_ms, None, 1, records), NOW)


@pytest.fixture
def pair(tmp_path):
    """The spool of a host, and that of a worker on the same file."""
    host = Spool(tmp_path / "spool.db")
    worker = Spool(tmp_path / "spool.db", worker="one")
    yield host, worker
    worker.close()
    host.close()


def upto(committed):
    return committed.stored_upto[NODE, "b1"]


def test_nobody_acknowledges_what_the_other_has_not_committed(pair):
    host, worker = pair
    assert upto(host.commit([telemetry(range(1, 11))])) == 10
    assert upto(worker.commit([telemetry(range(21, 31))])) == 10  # 11 to 20 are nowhere yet
    assert upto(host.commit([telemetry(range(11, 21))])) == 30
    assert upto(worker.commit([telemetry(range(1, 31))])) == 30
    for spool in pair:
        assert spool.counts()[NODE] == {
            "received": 30, "stored": 0, "duplicates": 30, "lost": 0, "rejected": 0}
        assert spool.depth == 30
        assert spool.stored_upto(NODE, "b1") == 30
    host.done(host.pending(100))
    assert (host.depth, worker.depth) == (0, 0)


def test_a_boot_begins_for_all_when_the_first_said(pair):
    host, worker = pair
    told = Info("0.1.0", "esp32-reservoir", "esp32", "b2", 5_000, NOW, "none", "power_on", "", (),
                {}, (("b1", 600_000),), False, 100, 0, AS_FLASHED)
    host.commit([Announced(NODE, told, NOW)])
    worker.commit([telemetry([1], boot_unix_ms=None)])
    host.commit([telemetry([2], boot_unix_ms=NOW - 5)])
    assert {row.epoch_unix_ms for row in host.pending(10)} == {NOW - 600_000}
    assert host.epoch(NODE, "b1") == worker.epoch(NODE, "b1") == NOW - 600_000


@settings(max_examples=12)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 40), st.integers(1, 9)), max_size=25))
def test_three_in_any_order_keep_the_books_of_one(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("spools")
    three = [Spool(folder / "shared.db", worker=f"w{i}" if i else None) for i in range(3)]
    one = Spool(folder / "one.db")
    for who, first, count in steps:
        message = telemetry(range(first, first + count))
        assert upto(three[who].commit([message])) == upto(one.commit([message]))
    assert {str(spool.counts()) for spool in three} == {str(one.counts())}
    assert {spool.depth for spool in three} == {one.depth}
    for spool in (*three, one):
        spool.close()


def test_what_a_worker_commits_is_news_to_the_host(pair):
    host, worker = pair
    last, _ = host.news(None)
    worker.commit([telemetry([1, 2]), telemetry([3])])
    worker.commit([Received(NODE, "event", Batch("b1", None, 9_000, 1, [
        EventRecord(4, 4_000, "decided", {"loop": "ph"})]), NOW)])
    last, (first, second) = host.news(last)
    assert [record.seq for record in first.records] == [2, 3]  # the newest of each message
    assert (first.node, first.epoch_unix_ms) == (NODE, NOW - 60_000)
    assert (second.records[0].kind, second.sent_at_ms) == ("decided", 9_000)
    host.commit([telemetry([5])])
    assert host.news(last) == (last, [])


def test_many_may_open_a_new_file_at_once(tmp_path):
    opened, start = [], Barrier(6)

    def open_one():
        start.wait()
        opened.append(Spool(tmp_path / "spool.db"))

    threads = [Thread(target=open_one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 6
    for spool in opened:
        spool.close()


def config_of(folder, port=1, share="ingest"):
    return load_config(overrides={
        "data_dir": str(folder), "http": {"port": 0},
        "mqtt": {"url": f"mqtt://127.0.0.1:{port}", "share": share}})


def test_a_worker_says_what_is_wrong(tmp_path):
    with pytest.raises(ConfigError, match="share: not set"):
        Worker(config_of(tmp_path, share=None), "1")
    with pytest.raises(ConfigError, match="letters, digits"):
        Worker(config_of(tmp_path), "a b")
    worker = Worker(config_of(tmp_path), "1")
    worker.start()
    with pytest.raises(ConfigError, match="a worker 1 is running"):
        Worker(config_of(tmp_path), "1")
    with pytest.raises(BackupError, match="workers are running"):
        restore(tmp_path / "none", tmp_path, datetime.now(UTC), print)
    worker.stop()
    (tmp_path / JOURNAL).write_text("{}")
    with pytest.raises(ConfigError, match="start the host first"):
        Worker(config_of(tmp_path), "1")


SIGN = WorkerSign("one", NOW, NOW, "connected", 0)


@pytest.mark.parametrize(("change", "later_ms", "trouble"), [
    ({}, 20_000, None), ({}, 20_001, "silent for 20 s"), ({"behind_ms": 30_000}, 0, None),
    ({"behind_ms": 30_001}, 0, "30 s behind"),
    ({"state": "connection refused"}, 0, "not at the broker: connection refused"),
    ({"state": "connection refused"}, 60_000, "silent for 60 s"),
    ({"state": "stopped", "behind_ms": 90_000}, 3_600_000, None),
])
def test_what_is_wrong_with_a_worker(change, later_ms, trouble):
    found = SIGN._replace(**change).trouble(NOW + later_ms)
    assert found is None if trouble is None else found.startswith(trouble)


def test_what_a_worker_takes_is_counted_with_it_and_outlives_it(pair):
    host, worker = pair
    worker.sign_worker(SIGN)
    worker.commit([telemetry(range(1, 11)), telemetry(range(6, 13))])
    worker.commit([telemetry(range(1, 3))])
    host.commit([telemetry(range(20, 30))])  # the host's own is not the worker's
    assert host.workers() == [SIGN._replace(records=12, duplicates=7)]
    worker.sign_worker(SIGN._replace(started_unix_ms=NOW + 5, seen_unix_ms=NOW + 6, behind_ms=40))
    assert host.workers() == [WorkerSign("one", NOW + 5, NOW + 6, "connected", 40, 12, 7)]
    assert host.forget_worker("one")
    assert not host.forget_worker("one")
    assert host.workers() == []


def test_a_worker_that_is_stopped_says_so_and_one_that_runs_is_not_given_up(tmp_path, mosquitto):
    config = config_of(tmp_path, mosquitto.port)
    worker = Worker(config, "one")
    worker.start()
    host = Spool(tmp_path / "spool.db")
    wait_until(lambda: [one.state for one in host.workers()] == ["connected"], 20, "its word")
    with pytest.raises(ConfigError, match="worker one is running: stop it first"):
        Worker.forget(config, "one")
    worker.stop()
    [told] = host.workers()
    assert (told.state, told.trouble(told.seen_unix_ms + 3_600_000)) == ("stopped", None)
    assert Worker.forget(config, "one")
    assert not Worker.forget(config, "one")
    host.close()


def told(host):
    return [(one.name, one.state, one.records > 0) for one in host.workers()]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_worker_beside_the_host_takes_its_part_and_the_host_shows_it(
    tmp_path, mosquitto, protocol
):
    file = tmp_path / "host.toml"
    file.write_text(f'data_dir = "{tmp_path / "data"}"\n[http]\nport = 0\n[mqtt]\n'
                    f'url = "mqtt://127.0.0.1:{mosquitto.port}"\nprotocol = "{protocol}"\n'
                    'share = "ingest"\n')
    host = Service(load_config(file))
    host.start()
    process = subprocess.Popen(
        [sys.executable, "-m", "idroserra.cli", "ingest", "--config", str(file), "one"],
        stderr=(tmp_path / "log").open("w"), env=os.environ)
    node = NodeClient(mosquitto.port, NODE, KEY)
    try:
        wait_until(lambda: "connected to" in (tmp_path / "log").read_text(), 20, "the worker")
        node.start()

        wait_until(lambda: node.sample() and host.spool.news(0)[0], 20, "the worker takes part")
        wait_until(lambda: told(host) == [("one", "connected", True)], 20, "its word")
        assert host.worker_troubles() == {"one": None}
        process.send_signal(signal.SIGKILL)
        last = node.sample(100)
        wait_until(lambda: node.stored_upto == last, 60, "the node's outbox is empty")
        wait_until(lambda: host.counts()["nodes"].get(NODE, {}).get("stored") == last, 20,
                   "all is in the store, once")
        [sign] = host.workers()
        assert "silent for 21 s" in sign.trouble(sign.seen_unix_ms + 21_000)
        newest = host.live.channels(NODE)["reservoir.ph"]
        assert newest["value"] is not None
        assert host.nodes.get(NODE).online
        assert host.nodes.get(NODE).boot_epoch_unix_ms is not None
    finally:
        process.kill()
        process.wait(60)
        node.stop()
        host.stop()

"""The whole host against a real broker: exactly once through kills, outages and nonsense."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import paho.mqtt.client as mqtt
import pytest

from idroserra.backup.restore import JOURNAL, STAGING
from idroserra.core.config import load_config
from idroserra.core.errors import ConfigError
from idroserra.core.reasons import Reason
from idroserra.history.sqlite.store import SqliteStore
from idroserra.mqtt.paho_client import stop_client
from idroserra.pki.broker_ca import HOST, BrokerCA
from idroserra.server.service import Service
from support.adopted_nodes import adopt_nodes
from support.databases import Influxd
from support.node_client import NodeClient
from support.samples import points_of
from support.source_tree import ROOT

NODE = "idro-a1"
KEY = bytes(range(32))


def config_of(folder, port, **more):
    return {"data_dir": str(folder), "mqtt": {"url": f"mqtt://127.0.0.1:{port}"}, **more}


@pytest.fixture
def service(tmp_path, mosquitto):
    service = Service(load_config(None, config_of(tmp_path / "host", mosquitto.port)))
    service.nodes.adopt(NODE, KEY)
    service.start()
    yield service
    service.stop()


@pytest.fixture
def node(mosquitto):
    node = NodeClient(mosquitto.port, NODE, KEY)
    node.start()
    yield node
    node.stop()


def counts(service, node=NODE):
    return service.counts()["nodes"].get(node, {})


def stored_rows(path):
    """(number of events, number of ph samples, seqs of events) in a closed embedded store."""
    store = SqliteStore(path)
    seqs, ph_count = [], 0
    for node, (oldest, newest) in store.spans().items():
        seqs += [(e.unix_us, e.seq) for e in store.events(node, oldest, newest + 1)]
        ph = points_of(store, node, ["reservoir.ph"], oldest, newest + 1)
        ph_count += len(ph["reservoir.ph"])
    store.close()
    seqs = [seq for _, seq in sorted(seqs)]
    return len(seqs), ph_count, seqs


def test_records_are_stored_and_acknowledged(service, node, eventually):
    last = node.sample(100, at_ms=1_000, step_ms=10)
    eventually(lambda: node.stored_upto == last, 15, "down/stored")
    eventually(lambda: counts(service)["stored"] == last, 15, "all in the store")
    # On a slow machine the node may resend some before it receives down/stored.
    assert counts(service) | {"duplicates": 0} == {
        "received": 100, "stored": 100, "refused": 0, "duplicates": 0, "lost": 0, "rejected": 0}
    assert service.counts()["spool"] == {"depth": 0, "state": "ok"}
    epoch = service.spool.epoch(NODE, node.boot_id)
    found = service.store.series(NODE, ["reservoir.ph"], epoch, epoch + 10_000, 20_000)
    assert [c.unix_ms - epoch for c in found["reservoir.ph"]] == [
        1_000 + 10 * i for i in range(100) if (i + 1) % 5]
    assert len(service.store.events(NODE, epoch, epoch + 10_000)) == 20
    eventually(lambda: service.live.channels(NODE), 15, "the live values")
    assert service.live.channels(NODE)["air.temp_c"]["fault"] == "no_ack"
    known = service.nodes.get(NODE)
    assert known.online
    assert known.info.boot_id == node.boot_id
    assert abs(known.boot_epoch_unix_ms - (time.time() * 1000 - node.now_ms())) < 60_000


def waiting(spool_path):
    """Number of records in a spool, whose host may be at work."""
    with closing(sqlite3.connect(spool_path, timeout=60)) as spool:
        return spool.execute("SELECT coalesce(sum(record_count), 0) FROM pending").fetchone()[0]


def test_the_host_says_online_and_offline(tmp_path, mosquitto, eventually):
    said = []
    listener = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    listener.on_message = lambda client, userdata, message: said.append(message.payload)
    listener.connect("127.0.0.1", mosquitto.port)
    listener.subscribe("idro/v1/host/up/status", qos=1)
    listener.loop_start()
    service = Service(load_config(None, config_of(tmp_path, mosquitto.port)))
    service.start()
    eventually(lambda: said[-1:] == [b"online"], 10, "the host says online")
    service.stop()
    eventually(lambda: said[-1:] == [b"offline"], 10, "the host says offline")
    stop_client(listener)


def test_nonsense_is_counted_kept_and_holds_nothing_up(service, node, eventually):
    # Messages published before the host has subscribed are lost; invalid ones are not resent.
    first = node.sample()
    eventually(lambda: node.stored_upto == first, 15, "the host listens")
    node.publish("telemetry", b"\xff\x00 not JSON")
    node.publish("event", b'{"v":1,"boot_id":"b1","records":[{"seq":0}]}')
    node.publish("telemetry", json.dumps({
        "v": 1, "boot_id": "b1", "oldest_seq": 1, "sent_at_ms": None, "boot_unix_ms": None,
        "records": [{"seq": 1, "at_ms": 2**50, "values": {}, "faults": {}}]}).encode())
    node.publish("ack", b'{"v":1,"id":"absent","outcome":"done","boot_id":"b","at_ms":1,'
                        b'"reason":{"code":"all_stopped","values":{}}}')
    stranger = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="stranger")
    stranger.connect("127.0.0.1", node._port)
    stranger.loop_start()
    eventually(stranger.is_connected, 10, "the stranger's connection")
    stranger.publish("idro/v1/UPPER/up/telemetry", b"{}", qos=1)
    stranger.publish("idro/v1/idro-b2/up/nonsense/leaf", b"{}", qos=1)
    last = node.sample(20)
    eventually(lambda: node.stored_upto == last, 15, "good records pass")
    # At least so often: paho sends again what it sent while the broker's word on the connection
    # was on its way, and nonsense has no number to be known by.
    eventually(lambda: service.counts()["rejected"] >= 5, 10, "nonsense is counted")
    eventually(lambda: {item.error.split(":")[0] for item in service.spool.rejected()} == {
        "at_ms", "seq", "telemetry", "topic"}, 10, "each with its reason")
    assert counts(service)["rejected"] >= 3
    stop_client(stranger)


def test_a_stranger_is_seen_and_keeps_its_records_until_it_is_adopted(
    service, mosquitto, eventually
):
    stranger = NodeClient(mosquitto.port, "idro-new", KEY)
    stranger.start()
    last = stranger.sample(5)
    eventually(lambda: counts(service, "idro-new").get("duplicates", 0) >= last, 15,
               "its records are stored, and sent again")
    assert stranger.stored_upto == 0
    assert not service.nodes.get("idro-new").is_adopted
    command = service.commands.state(service.commands.send("idro-new", "stop", {}, "anna"))
    assert (command.state, command.reason) == ("refused", Reason("not_adopted"))
    service.nodes.adopt("idro-new", bytes(32))  # a key that the node does not have
    more = counts(service, "idro-new")["duplicates"] + last
    eventually(lambda: counts(service, "idro-new")["duplicates"] >= more, 15, "sent once more")
    assert stranger.stored_upto == 0
    service.nodes.adopt("idro-new", KEY)
    last = stranger.sample(5)
    eventually(lambda: stranger.stored_upto == last, 15, "its records are confirmed")
    assert counts(service, "idro-new")["received"] == last
    stranger.stop()


def test_the_broker_may_vanish_and_come_back(service, node, mosquitto, eventually):
    for _ in range(2):
        node.sample(50)
        mosquitto.kill()
        eventually(lambda: not service._mqtt.is_connected, 15, "the host notices")
        last = node.sample(50)
        mosquitto.start()
        eventually(lambda upto=last: node.stored_upto == upto, 30, "stored after the restart")
    eventually(lambda: counts(service)["stored"] == last, 10, "all in the store")
    assert counts(service)["lost"] == 0
    eventually(lambda: service.counts()["broker"] == {"state": "connected"}, 30, "the line")


def test_a_full_disk_stops_acknowledging_and_resumes_alone(tmp_path, mosquitto, eventually):
    more = {"spool": {"max_mb": 1}, "store": {"kind": "influx", "write_api": "v1",
                                              "url": "http://127.0.0.1:9"}}
    service = Service(load_config(None, config_of(tmp_path / "host", mosquitto.port, **more)))
    service.nodes.adopt(NODE, KEY)
    service.start()
    node = NodeClient(mosquitto.port, NODE, KEY)
    node.start()
    sent = 0

    def is_full():
        return "full" in service.counts()["spool"]["state"]

    while not is_full():  # as a node does, it waits for the answer: more would be a flood
        node.sample(1_000)
        sent += 1_000
        eventually(lambda upto=sent: node.stored_upto == upto or is_full(), 20, "an answer")
    last = node.sample(1_000)
    eventually(is_full, 20, "a full spool")
    assert node.stored_upto < last

    def is_done():
        service.spool.done(service.spool.pending(10**6))  # as a store that works again does
        return node.stored_upto == last

    eventually(is_done, 30, "it goes on alone, and nothing is lost")
    assert counts(service)["lost"] == 0
    node.stop()
    service.stop()


def test_a_start_completes_an_interrupted_restore_of_the_certificates(tmp_path):
    folder = tmp_path / "host"
    (folder / STAGING / "line").mkdir(parents=True)
    authority = BrokerCA.make(folder / STAGING / "line")
    authority.issue_client(HOST, *(folder / STAGING / "line" / f"host.{end}"
                                   for end in ("pem", "key")))
    (folder / JOURNAL).write_text(json.dumps({"kept": "before-restore-1", "phase": "placing"}))
    line = folder / "line"
    config = load_config(None, config_of(folder, 1) | {"mqtt": {
        "url": "mqtts://localhost:1", "ca_file": str(line / "ca.pem"),
        "cert_file": str(line / "host.pem"), "key_file": str(line / "host.key")}})
    Service(config).stop()
    assert not (folder / JOURNAL).exists()


def test_one_folder_serves_one_host(tmp_path, mosquitto):
    config = load_config(None, config_of(tmp_path / "host", mosquitto.port))
    first = Service(config)
    with pytest.raises(ConfigError, match="data_dir: another host is running"):
        Service(config)
    first.stop()  # never started: it closes all the same
    Service(config).stop()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "host").iterdir()}
    assert modes["state.db"] == 0o600
    assert (tmp_path / "host").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_written_is_named(tmp_path, mosquitto):
    (tmp_path / "file").write_text("")
    config = load_config(None, config_of(tmp_path / "file" / "host", mosquitto.port))
    with pytest.raises(ConfigError, match="data_dir"):
        Service(config)


class HostProcess:
    """The service as a process that can be killed."""

    def __init__(self, config):
        self._config = config
        self._process = None

    def start(self):
        script = ROOT / "tests/support/host_under_test.py"
        self._process = subprocess.Popen(
            [sys.executable, str(script), json.dumps(self._config)], stdout=subprocess.PIPE)
        assert self._process.stdout.readline() == b"started\n"

    def end(self, how):
        self._process.send_signal(how)
        self._process.wait(60)
        self._process.stdout.close()


def test_a_host_killed_at_any_instant_loses_and_doubles_nothing(tmp_path, mosquitto, eventually):
    seed = int(os.environ.get("IDROSERRA_SEED", "1"))
    kill_count = int(os.environ.get("IDROSERRA_KILLS", "3"))
    print(f"seed {seed}, {kill_count} kills")
    rng = random.Random(seed)
    host = HostProcess(config_of(tmp_path / "host", mosquitto.port))
    adopt_nodes(tmp_path / "host", ["idro-k0", "idro-k1"], KEY)
    host.start()
    nodes = [NodeClient(mosquitto.port, f"idro-k{i}", KEY) for i in range(2)]
    for node in nodes:
        node.start()
    last = 0
    for _ in range(kill_count):
        kill_at = last + rng.randrange(1, 900)
        for node in nodes:
            node.sample(900, at_ms=last * 10 + 1, step_ms=10)
        last += 900
        eventually(lambda at=kill_at: nodes[0].stored_upto >= at, 60, "records flow")
        host.end(signal.SIGKILL)
        host.start()
    eventually(lambda: all(n.stored_upto == last for n in nodes), 60, "all stored")
    eventually(lambda: waiting(tmp_path / "host" / "spool.db") == 0, 60, "all in the store")
    host.end(signal.SIGTERM)
    events, ph_samples, _ = stored_rows(tmp_path / "host" / "store.db")
    spool = sqlite3.connect(tmp_path / "host" / "spool.db")
    totals = dict(spool.execute("SELECT name, sum(count) FROM counters GROUP BY name"))
    spool.close()
    assert totals["received"] == totals["stored"] == 2 * last
    assert totals.get("lost", 0) == 0
    assert events == 2 * last // 5
    assert ph_samples == 2 * last - events
    for node in nodes:
        node.stop()


def test_an_outage_of_the_database_delays_and_nothing_else(tmp_path, mosquitto, eventually):
    server = Influxd(tmp_path / "influxd")
    server.start()
    more = {"store": {"kind": "influx", "url": server.url, "write_api": "v1"}}
    service = Service(load_config(None, config_of(tmp_path / "host", mosquitto.port, **more)))
    service.nodes.adopt(NODE, KEY)
    service.start()
    node = NodeClient(mosquitto.port, NODE, KEY)
    node.start()
    last = node.sample(200, at_ms=1, step_ms=10)
    eventually(lambda: counts(service).get("stored") == last, 20, "in the database")
    server.stop()
    last = node.sample(2_000, at_ms=10_001, step_ms=10)
    eventually(lambda: node.stored_upto == last, 30, "down/stored in spite of the outage")
    eventually(lambda: service.counts()["store"]["state"] != "ok", 20, "the outage to be reported")
    assert service.counts()["spool"]["depth"] == 2_000
    assert counts(service)["stored"] == 200
    server.start()
    last = node.sample(100, at_ms=40_001, step_ms=10)
    eventually(lambda: counts(service)["stored"] == last, 30, "drained after the outage")
    eventually(lambda: service.counts()["store"]["state"] == "ok", 10, "the end of the outage")
    seqs = [row[1] for row in server.rows("SELECT seq FROM event ORDER BY time")]
    assert seqs == list(range(5, last + 1, 5))
    (_, ph_count), = server.rows("SELECT count(ph) FROM sample")
    assert ph_count == last - len(seqs)
    node.stop()
    service.stop()
    server.stop()

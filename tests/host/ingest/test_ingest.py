"""Ingest: durable before acknowledged, over MQTT 3.1.1 and 5; bad input does not block it."""

import hashlib
import hmac
import subprocess
import sys
import threading
from itertools import count

import paho.mqtt.client as mqtt
import pytest

from idro.protocol import messages, messages_host, topics
from idro.protocol.messages import AS_FLASHED, Batch, EventRecord, Info, Record
from idro.protocol.system_host import UNKNOWN_SYSTEM
from idroserra.core.config import MqttConfig, load_config
from idroserra.ingest import consumer
from idroserra.ingest.consumer import Ingest
from idroserra.ingest.spool import Spool
from idroserra.mqtt import subscriber
from idroserra.mqtt.connection import IncomingMessage, MqttConnection
from idroserra.mqtt.paho_client import stop_client
from idroserra.nodes.commands import Commands
from idroserra.nodes.latest_events import LatestEvents
from idroserra.nodes.live import LiveState
from idroserra.nodes.registry import Nodes
from idroserra.server.message_handler import MAX_LIVE_EVENTS, HostMessageHandler
from idroserra.server.service import Service
from idroserra.setpoints.history import SettingsHistory
from idroserra.updates.service import Dependencies, UpdateService
from support.node_client import NodeClient

NODE = "idro-a1"
KEY, NEXT_KEY = bytes(range(32)), bytes(range(32, 64))
NOW = 1_795_507_200_000


class Host:
    """Ingest and its neighbours without a broker: messages are put into the link's inbox."""

    def __init__(self, folder):
        self.link = MqttConnection(MqttConfig(), lambda: NOW)
        self.spool = Spool(folder / "spool.db", max_mb=1)
        self.nodes = Nodes(folder / "state.db", "farm")
        self.nodes.adopt(NODE, KEY)
        self.live = LiveState()
        self.commands = Commands(folder / "state.db", self.nodes, self.live, self.link,
                                 self.spool.epoch)
        self.events = LatestEvents(None, lambda: NOW)
        self.settings_history = SettingsHistory(folder / "state.db")
        parts = Dependencies(self.nodes, self.commands, self.link, self.events, list, None, None)
        self.updates = UpdateService(load_config(overrides={"data_dir": str(folder)}), parts)
        self.handler = HostMessageHandler(
            self.nodes, self.commands, self.live, self.updates, self.events,
            self.settings_history)
        self.ingest = Ingest(self.link, self.spool, self.handler)

    def arrive(self, leaf, payload, retained=False, node=NODE):
        self.link.inbox.put(
            IncomingMessage(f"idro/v1/{node}/up/{leaf}", payload, retained, NOW, 1, 1, 0))

    def close(self):
        self.updates.close()
        self.commands.close()
        self.settings_history.close()
        self.nodes.close()
        self.spool.close()


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    yield host
    host.close()


def telemetry(seq_from, count=1, **values):
    records = [Record(seq, seq * 1000, values or {"reservoir.ph": 6.0}, {})
               for seq in range(seq_from, seq_from + count)]
    return messages_host.pack_telemetry(Batch("b1", NOW - 60_000, 60_000, 1, records))


def test_only_the_newest_record_of_a_message_is_news(host):
    subscription = host.live.subscribe()
    host.arrive("telemetry", telemetry(1, 3))
    host.ingest.step()
    message, = (m for m in subscription.take() if m["type"] == "record")
    assert message["unix_ms"] == NOW - 60_000 + 3_000
    host.arrive("telemetry", telemetry(1, 2))  # again: nothing new
    host.ingest.step()
    assert subscription.take() == []
    assert host.live.channels(NODE)["reservoir.ph"]["value"] == 6.0


def test_an_event_long_past_is_history_not_news(host):
    subscription = host.live.subscribe()
    for boot_id, epoch in (("b1", NOW - 10**9), ("b2", NOW - 1_000)):
        record = EventRecord(1, 5, "boot", {"reset": "power_on"})
        host.arrive("event", messages_host.pack_event(Batch(boot_id, epoch, None, 1, [record])))
    host.ingest.step()
    message, = (m for m in subscription.take() if m["type"] == "event")
    assert message["unix_ms"] == NOW - 995
    assert host.spool.depth == 2


def test_of_a_flood_of_events_some_are_news(host):
    subscription = host.live.subscribe(["event"])

    def arrive(boot_id, node, count):
        records = [EventRecord(seq, seq, "gap", {}) for seq in range(1, count + 1)]
        host.arrive("event", messages_host.pack_event(
            Batch(boot_id, NOW - 60_000, None, 1, records)), node=node)

    for boot in range(100):
        arrive(f"b{boot}", NODE, 40)
    arrive("b1", "idro-good", 5)
    commits = 0
    while not host.link.inbox.empty():
        host.ingest.step()
        commits += 1
    messages = subscription.take()
    assert [one["seq"] for one in messages if one["node"] == "idro-good"] == [1, 2, 3, 4, 5]
    seqs = [one["seq"] for one in messages if one["node"] == NODE]
    assert seqs[:MAX_LIVE_EVENTS] == list(range(41 - MAX_LIVE_EVENTS, 41))
    assert len(seqs) <= commits * MAX_LIVE_EVENTS < 1_000
    assert host.events.newest(NODE, "gap") is not None
    arrive("b1", "idro-good", 6)
    host.ingest.step()
    assert [one["seq"] for one in subscription.take()] == [6]


def test_a_stop_ends_the_wait_for_messages(host, mosquitto, eventually, monkeypatch):
    monkeypatch.setattr(consumer, "IDLE_S", 3_600)
    for time_s in ("QUIET_S", "DEAD_S", "KEEPALIVE_S"):  # else a ping or a reconnection ends it
        monkeypatch.setattr(subscriber, time_s, 3_600)
    link = MqttConnection(MqttConfig(url=f"mqtt://127.0.0.1:{mosquitto.port}"), lambda: NOW)
    ingest = Ingest(link, host.spool, host.handler)
    link.start()
    eventually(lambda: not link.inbox.empty(), 5, "the broker")
    ingest.step()  # the connection; then no message comes
    thread = threading.Thread(target=ingest.step, daemon=True)
    thread.start()
    ingest.stop()
    thread.join(60)
    link.stop()
    assert not thread.is_alive()
    ingest.stop()  # without a connection there is nothing to end


def test_a_retained_copy_is_no_sign_of_life(host):
    host.arrive("status", b"online", retained=True)
    host.ingest.step()
    assert host.nodes.get(NODE).online
    assert host.nodes.get(NODE).last_seen_unix_ms is None
    host.arrive("status", b"", retained=True)  # somebody cleared it
    host.arrive("status", b"maybe")
    host.ingest.step()
    assert host.nodes.get(NODE).online
    assert host.spool.counts()[NODE]["rejected"] == 1


def test_our_own_status_is_not_a_nodes(host):
    host.arrive("status", b"online", node="host")
    host.ingest.step()
    assert [one.node for one in host.nodes.all()] == [NODE]
    assert host.spool.counts() == {}


def fill(host):
    """Fill the spool; return the node and message that it could not take."""
    nodes = (f"idro-{number}" for number in count())  # each within its quota
    while host.spool.state == "ok":
        last = next(nodes)
        for at in range(1, 8_000, 20):
            host.arrive("telemetry", telemetry(at, 20), node=last)
        host.ingest.step()
    return last


def test_a_full_spool_takes_no_records_and_their_nodes_send_them_again(host):
    last = fill(host)
    assert host.spool.stored_upto(last, "b1") == 0
    host.spool.done(host.spool.pending(10**6))
    host.ingest.step()
    assert host.spool.stored_upto(last, "b1") == 0
    host.arrive("telemetry", telemetry(1, 20), node=last)
    host.ingest.step()
    assert host.spool.state == "ok"
    assert host.spool.stored_upto(last, "b1") == 20


@pytest.mark.parametrize("message_count", [1, 8_000])
def test_while_the_spool_is_full_a_restarted_node_gets_stops(host, message_count):
    last = fill(host)
    for at in range(message_count):
        host.arrive("telemetry", telemetry(at + 1), node=f"{last}-{at % 50}")
    host.ingest.step()
    host.arrive("info", messages_host.pack_info(Info(
        "0.1.0", "esp32-reservoir", "esp32", "b7", 5_000, None, "none", "power_on", "", (), {}, (),
        False, 25, 0, AS_FLASHED, UNKNOWN_SYSTEM)))
    host.arrive("status", b"online")
    while not host.link.inbox.empty():
        host.ingest.step()
    assert host.nodes.get(NODE).online
    assert host.nodes.get(NODE).info.boot_id == "b7"
    host.spool.done(host.spool.pending(10**6))
    host.arrive("telemetry", messages_host.pack_telemetry(
        Batch("b7", None, None, 1, [Record(1, 1_000, {"reservoir.ph": 6.0}, {})])))
    host.ingest.step()
    assert host.spool.epoch(NODE, "b7") == NOW - 5_000  # by the info


def test_a_record_of_newer_firmware_holds_nothing_up(host):
    unknown = telemetry(3).replace(b"reservoir.ph", b"reservoir.salinity")
    host.arrive("telemetry", telemetry(1, 2))
    host.arrive("telemetry", unknown)
    host.arrive("telemetry", telemetry(4))
    host.ingest.step()
    assert host.spool.stored_upto(NODE, "b1") == 4
    assert host.spool.depth == 3
    kept, = host.spool.rejected()
    assert "reservoir.salinity: unknown quantity" in kept.error
    assert host.nodes.get(NODE).last_seen_unix_ms == NOW


def test_a_message_whose_head_is_newer_is_kept_and_not_sent_for_ever(host):
    published = []
    host.link.publish_qos0 = published.extend
    host.arrive("telemetry", telemetry(1, 2).replace(b'"v":1', b'"v":2'))
    host.ingest.step()
    (topic, payload), = published
    assert topic == f"idro/v1/{NODE}/down/stored"
    assert messages.unpack_stored(NODE, payload).message == ("b1", 2, NOW, 60_000)
    assert [kept.error for kept in host.spool.rejected()] == [
        "v: version 1 needed"] * 2
    assert host.spool.depth == 0


def test_messages_of_one_boot_are_acknowledged_once(host):
    published = []
    host.link.publish_qos0 = published.extend
    for seq in range(1, 41):
        host.arrive("telemetry", telemetry(seq))
    host.ingest.step()
    (_, payload), = published
    assert messages.unpack_stored(NODE, payload).message.seq_upto == 40
    assert host.spool.depth == 40


def test_stored_is_signed_and_answers_the_newest_message(host):
    published = []
    host.link.publish_qos0 = published.extend
    host.nodes.stage_key(NODE, NEXT_KEY)
    for sent_at_ms in (60_000, 61_000):
        host.arrive("telemetry", telemetry(sent_at_ms // 1_000).replace(
            b'"sent_at_ms":60000', b'"sent_at_ms":%d' % sent_at_ms))
    host.arrive("telemetry", telemetry(1).replace(b'"b1"', b'"b0"').replace(
        b'"sent_at_ms":60000', b'"sent_at_ms":null'))
    host.ingest.step()
    signed = [messages.unpack_stored(NODE, payload) for _, payload in published]
    assert [(one.message.boot_id, one.message.sent_at_ms) for one in signed] == [
        ("b1", 61_000), ("b0", None)]
    for one in signed:
        assert one.auth == "".join(
            hmac.new(key, one.signed, hashlib.sha256).hexdigest() for key in (KEY, NEXT_KEY))


def test_without_the_key_of_a_node_its_records_are_stored_and_not_confirmed(host):
    published = []
    host.link.publish_qos0 = published.extend
    host.nodes.forget(NODE)
    for _ in range(2):  # the node sends them again
        host.arrive("telemetry", telemetry(1, 3))
        host.ingest.step()
    assert published == []
    assert host.spool.depth == 3
    host.nodes.adopt(NODE, KEY)
    host.arrive("telemetry", telemetry(1, 3))
    host.ingest.step()
    (_, payload), = published
    assert messages.unpack_stored(NODE, payload).message.seq_upto == 3


def test_what_the_host_itself_fails_on_is_rejected_the_second_time(host):
    host.arrive("telemetry", "text")  # nothing that MQTT brings: stands for a mistake of ours
    host.arrive("telemetry", telemetry(1), node="idro-good")
    with pytest.raises(TypeError):
        host.ingest.step()
    assert host.ingest._failed is not None
    host.ingest.stop()
    host.ingest.run()
    host.ingest.step()
    assert host.spool.stored_upto("idro-good", "b1") == 1
    assert "failed" in host.spool.rejected()[0].error


@pytest.mark.parametrize("leaf", topics.UP)
@pytest.mark.parametrize("field", ["x", "records", "reason", "values", "boot_id"])
def test_no_depth_of_a_message_ends_the_ingest(host, leaf, field):
    deep = b"[" * 1_000 + b"]" * 1_000
    for inner in (deep, b'[{"seq":1,"at_ms":1,"x":' + deep + b"}]"):
        host.arrive(leaf, b'{"v":1,"boot_id":"b1","oldest_seq":1,"records":[],"%s":%s}'
                    % (field.encode(), inner))
        host.ingest.step()
    assert host.ingest._failed is None


def test_a_node_whose_messages_the_host_fails_on_holds_up_no_other(host):
    for seq in range(1, 4):
        host.arrive("telemetry", "text")  # nothing that MQTT brings: stands for a mistake of ours
        host.arrive("telemetry", telemetry(seq), node="idro-good")
    with pytest.raises(TypeError):
        host.ingest.step()
    host.ingest.stop()
    host.ingest.run()
    host.ingest.step()
    assert host.spool.stored_upto("idro-good", "b1") == 3


def config_of(folder, port, **mqtt):
    return load_config(None, {"data_dir": str(folder),
                              "mqtt": {"url": f"mqtt://127.0.0.1:{port}", **mqtt}})


def test_what_came_while_the_host_was_away_waits_at_the_broker(tmp_path, mosquitto, eventually):
    config = config_of(tmp_path / "host", mosquitto.port)
    first = Service(config)
    first.start()
    eventually(lambda: first.counts()["broker"]["state"] == "connected", 10, "a line")
    first.stop()
    node = NodeClient(mosquitto.port, NODE, KEY)
    node.start()
    last = node.sample(40)  # 4 messages of telemetry and events each, then it waits for the host
    eventually(lambda: node.taken_upto() == last, 10, "all at the broker")
    node.stop()
    second = Service(config)
    second.start()
    eventually(lambda: second.spool.stored_upto(NODE, node.boot_id) == last, 10, "they arrive")
    second.stop()


def test_a_broker_without_mqtt_5_is_served_too(tmp_path, free_port, eventually):
    port = free_port()
    broker = subprocess.Popen([sys.executable, "-m", "idroserra.broker.amqtt", str(port)],
                              stderr=subprocess.DEVNULL)
    service = Service(config_of(tmp_path / "host", port, protocol="3.1.1"))
    service.nodes.adopt(NODE, KEY)
    service.start()
    node = NodeClient(port, NODE, KEY)
    node.start()
    last = node.sample(200)
    eventually(lambda: node.stored_upto == last, 60, "all stored")
    node.stop()
    service.stop()
    broker.terminate()
    broker.wait(60)


def test_it_waits_for_a_broker_that_is_not_there_yet(tmp_path, mosquitto, eventually):
    mosquitto.kill()
    service = Service(config_of(tmp_path / "host", mosquitto.port))
    service.start()
    eventually(lambda: "connecting" in service.counts()["broker"]["state"], 5, "it tries")
    mosquitto.start()
    eventually(lambda: service.counts()["broker"]["state"] == "connected", 20, "it connects")
    service.stop()


def test_an_idle_connection_does_not_delay_a_record(
    tmp_path, mosquitto, eventually, monkeypatch
):
    monkeypatch.setattr(subscriber, "_NAP_S", 600.0)  # it ends when the ingest asks the line
    service = Service(config_of(tmp_path / "host", mosquitto.port))
    service.start()
    eventually(lambda: service.counts()["broker"]["state"] == "connected", 10, "a line")
    node = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    node.connect("127.0.0.1", mosquitto.port)
    node.loop_start()
    for seq in (1, 2, 3):
        node.publish(f"idro/v1/{NODE}/up/telemetry", telemetry(seq), qos=1)
        eventually(lambda seq=seq: service.spool.stored_upto(NODE, "b1") == seq, 10, "it is safe")
    stop_client(node)
    service.stop()

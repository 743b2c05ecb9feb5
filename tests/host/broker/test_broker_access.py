"""The access list is one: the demo's broker, that of `broker init`, and the documentation."""

import json
import queue
import threading
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from idroserra.broker import access
from idroserra.broker.local import Broker
from idroserra.homeassistant.discovery import discovery_topic
from idroserra.mqtt.paho_client import stop_client
from idroserra.pki.broker_ca import HOST
from support.home_assistant import FakeHomeAssistant
from support.line_rig import NODES, Rig, trusting
from support.paho_node import PahoNode
from support.wait import wait_until

NODE = NODES[0]
DOCS = Path(__file__).resolve().parents[3] / "docs"
HOME = "homeassistant"


class DemoBroker:
    """The demo's broker: clients give a user name without a password."""

    def __init__(self, folder):
        self._broker = Broker(folder, "mosquitto")
        self._broker.start()
        self.node_port = self.host_port = self._broker.port

    def context(self, user):
        return None

    def stop(self):
        self._broker.stop()


class InitBroker(Rig):
    """The broker of `broker init`: a certificate for each client."""

    def __init__(self, folder):
        super().__init__(folder)
        self.line.issue(HOME)
        self.start()

    def context(self, user):
        return trusting(self, self.files(user))


@pytest.fixture(params=[DemoBroker, InitBroker], ids=["demo", "broker init"], scope="module")
def broker(request, tmp_path_factory):
    running = request.param(tmp_path_factory.mktemp("broker"))
    yield running
    running.stop()


class HostClient:
    """The user `host`, which receives every message."""

    def __init__(self, port, context):
        self.received = queue.Queue()
        subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="host")
        self._client.username_pw_set("host")
        if context is not None:
            self._client.tls_set_context(context)
        self._client.on_message = lambda _c, _u, message: self.received.put(
            (message.topic, message.payload))
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe([("idro/v1/#", 1), ("homeassistant/#", 1)])
        self._client.loop_start()
        assert subscribed.wait(60)

    def publish(self, topic, payload, *, retain=False):
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(60)

    def heard(self):
        return self.received.get(timeout=60)

    def close(self):
        stop_client(self._client)


@pytest.fixture
def people(broker):
    """The host, a node and Home Assistant."""
    clients = [HostClient(broker.host_port, broker.context(HOST)),
               PahoNode(NODE, broker.node_port, context=broker.context(NODE)),
               FakeHomeAssistant(broker.node_port, broker.context(HOME))]
    yield clients
    for client in clients:
        client.close()


def test_home_assistant_reads_what_the_host_publishes_for_it_and_no_more(people):
    host, node, home = people
    home.subscribe(["idro/v1/#"])  # with an ACL file the broker accepts this, and sends nothing
    node.publish_raw("telemetry", b"{}")
    host.publish(f"idro/v1/{NODES[1]}/down/command", b"{}")
    node.publish_raw("status", b"online")
    device = {"avty": [{"t": "idro/v1/host/up/status"}],
              "cmps": {"alarm": {"stat_t": f"idro/v1/host/ha/{NODE}/state"}}}
    host.publish("idro/v1/host/up/status", b"online", retain=True)
    host.publish(discovery_topic(HOME, NODE), json.dumps(device), retain=True)
    wait_until(lambda: home.device(NODE) and home.is_available(NODE, "alarm"), 10, "the device")
    host.publish(f"idro/v1/host/ha/{NODE}/state", b'{"alarms":0}')
    wait_until(lambda: home.of(NODE, "state") == {"alarms": 0}, 10, "its state")
    assert {topic for topic, _payload, _retain in home.every} == {
        discovery_topic(HOME, NODE), f"idro/v1/host/ha/{NODE}/state"}


def test_home_assistant_writes_to_the_host_and_to_no_other(people):
    host, _node, home = people
    for topic in (f"idro/v1/{NODE}/down/command", f"idro/v1/{NODE}/up/status",
                  f"idro/v1/host/ha/{NODE}/state", "idro/v1/host/up/status",
                  discovery_topic(HOME, NODE), "elsewhere"):
        home.publish(topic, b"forged", retain=True)
    home.set(NODE, "stop", b"PRESS")
    home.publish("homeassistant/status", b"online")
    heard = list(iter(host.heard, ("homeassistant/status", b"online")))
    assert [message for message in heard if message[1] == b"forged"] == []
    assert (f"idro/v1/host/ha/{NODE}/stop/set", b"PRESS") in heard


def test_the_certificate_of_home_assistant_is_rotated_and_revoked_like_that_of_a_node(tmp_path):
    broker = InitBroker(tmp_path)
    first = FakeHomeAssistant(broker.node_port, broker.context(HOME))
    assert [one.node for one in broker.line.nodes] == [HOME, *NODES]
    first.close()
    assert broker.line.rotate(HOME), "the broker has refused the old one"
    assert broker.line.revoke(HOME)
    assert [one.node for one in broker.line.nodes] == list(NODES)
    assert broker.line.issue(HOME)
    again = FakeHomeAssistant(broker.node_port, broker.context(HOME))
    assert again.refused == []
    again.close()
    broker.stop()


def test_the_documentation_shows_the_access_list():
    page = (DOCS / "commissioning.md").read_text()
    _before, shown = page.split("sudo tee /etc/mosquitto/acl <<'END'\n")
    assert shown.split("END\n")[0] == access.acl_file()


def test_home_assistant_leaves_nothing_when_its_certificate_is_revoked(tmp_path):
    broker = InitBroker(tmp_path)
    host = HostClient(broker.host_port, broker.context(HOST))
    host.publish(discovery_topic(HOME, NODE), b"{}", retain=True)
    home = FakeHomeAssistant(broker.node_port, broker.context(HOME))
    for number in range(30):
        home.set(f"made-up-{number}", "stop", b"PRESS", retain=True)
    home.publish("homeassistant/status", b"online", retain=True)
    list(iter(host.heard, ("homeassistant/status", b"online")))
    host.close()
    home.close()
    assert broker.line.revoke(HOME)
    later = HostClient(broker.host_port, broker.context(HOST))
    later.publish("idro/v1/host/up/end", b"")
    assert list(iter(later.heard, ("idro/v1/host/up/end", b""))) == [
        (discovery_topic(HOME, NODE), b"{}")]
    later.close()
    broker.stop()

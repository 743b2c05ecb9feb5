"""The log-in of a hub of foreign readings, at a real mosquitto with the list of `broker init`."""

import json
import queue
from pathlib import Path

import paho.mqtt.publish
import pytest

from idroserra.core.config import MqttConfig
from idroserra.core.errors import ConfigError
from idroserra.foreign.messages import parse
from idroserra.foreign.subscription import Subscription
from idroserra.pki.broker_ca import HOST
from support.line_rig import NODES, Rig
from support.server_process import Mosquitto
from support.wait import wait_until

HUB, OTHER = "foreign.hub", "foreign.shed"
NODE = NODES[0]
DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """A running broker whose list was made by a version without foreign readings."""
    running = Rig(tmp_path_factory.mktemp("broker") / "data")
    access = json.loads(running.line.broker.access.read_text())
    for role in access["roles"]:
        role["acls"] = [acl for acl in role["acls"] if not acl["topic"].startswith("foreign")]
    running.line.broker.access.write_text(json.dumps(access))
    running.start()
    for user in (HUB, OTHER):
        running.line.issue(user)
    yield running
    running.stop()


@pytest.fixture
def host(rig):
    client = rig.client(HOST)
    for topic in ("idro/v1/#", "homeassistant/#", "foreign/#"):
        client.subscribe(topic)
    yield client
    client.close()


@pytest.fixture
def hub(rig):
    client = rig.client(HUB)
    yield client
    client.close()


def test_a_hub_writes_below_its_own_prefix_and_nowhere_else(rig, host, hub):
    node = rig.client(NODE)
    node.subscribe(f"idro/v1/{NODE}/down/command")
    for topic in (f"idro/v1/{NODE}/up/telemetry", f"idro/v1/{NODE}/up/status",
                  f"idro/v1/{NODE}/down/command", f"idro/v1/{HUB}/up/telemetry",
                  "idro/v1/host/up/status", f"idro/v1/host/ha/{NODE}/stop/set",
                  "homeassistant/device/x/config", "foreign/shed/temperature", "foreign/hubs/x",
                  "foreign", "$CONTROL/dynamic-security/v1", "elsewhere"):
        hub.publish(topic, b"forged", retain=True)
    hub.publish("foreign/hub/zigbee2mqtt/shed", b'{"temperature":21.3}')
    assert host.heard() == ("foreign/hub/zigbee2mqtt/shed", b'{"temperature":21.3}')
    host.publish(f"idro/v1/{NODE}/down/command", b"{}")
    assert node.heard() == (f"idro/v1/{NODE}/down/command", b"{}")
    node.close()


def test_a_hub_reads_nothing_and_a_node_writes_no_foreign_reading(rig, host, hub):
    for topic in ("#", "idro/v1/#", f"idro/v1/{NODE}/down/command", "foreign/#", "foreign/hub/#"):
        hub.subscribe(topic)  # answered, and refused
    node = rig.client(NODE)
    node.publish("foreign/hub/x", b"forged")
    node.publish(f"foreign/{NODE}/x", b"forged")
    node.publish(f"idro/v1/{NODE}/up/status", b"online")
    assert host.heard() == (f"idro/v1/{NODE}/up/status", b"online")
    host.publish("foreign/hub/y", b"of the host")
    host.publish(f"idro/v1/{NODE}/down/command", b"{}")
    hub.publish("foreign/hub/z", b"last")
    wait_until(lambda: host.heard()[1] == b"last", 30, "what the hub published last")
    with pytest.raises(queue.Empty):
        hub.received.get(timeout=0.2)
    node.close()


def test_a_revoked_hub_is_out_and_leaves_nothing(rig, host):
    hub = rig.client(OTHER)
    for number in range(50):
        hub.publish(f"foreign/shed/{number}", b"21.3", retain=True)
    wait_until(lambda: host.heard()[0] == "foreign/shed/49", 30, "its messages")
    assert [one.node for one in rig.line.nodes] == [HUB, OTHER, *NODES]
    assert rig.line.revoke(OTHER), "the broker has refused it"
    later = rig.client(HOST)
    later.subscribe("foreign/shed/#")
    later.publish("foreign/shed/end", b"")
    assert later.heard() == ("foreign/shed/end", b"")
    later.close()
    hub.close()


@pytest.mark.parametrize("user", ["foreign.", "foreign.Hub", "foreign.a/b", "foreign.+",
                                  "foreign.#", "foreign.a.b", "foreign"])
def test_a_name_that_is_no_level_of_a_topic_is_refused(rig, user):
    if user == "foreign":
        assert rig.line.files(user), "the id of a node like any other"
        return
    with pytest.raises(ConfigError, match="NODE"):
        rig.line.files(user)


class House(Mosquitto):
    """The broker of a house, with the bridge of the documentation."""

    def __init__(self, folder, rig):
        super().__init__(folder)
        page = (DOCS / "integrations.md").read_text()
        cert, key = rig.line.files(HUB)
        self._bridge = page[page.index("connection idroserra"):].split("```")[0]
        for shown, real in (("serra.lan:8883", f"localhost:{rig.node_port}"),
                            ("/etc/mosquitto/idroserra/ca.pem", rig.folder / "ca.pem"),
                            ("/etc/mosquitto/idroserra/foreign.hub.pem", cert),
                            ("/etc/mosquitto/idroserra/foreign.hub.key", key)):
            assert shown in self._bridge
            self._bridge = self._bridge.replace(shown, str(real))

    def command(self):
        command = super().command()
        config = Path(command[-1])
        config.write_text(config.read_text() + self._bridge)
        return command


def test_the_bridge_of_the_documentation_sends_what_the_host_reads(rig, host, tmp_path):
    house = House(tmp_path / "house", rig)
    house.start()
    sent = {"zigbee2mqtt/shed": b'{"temperature":21.3}',
            "zigbee2mqtt/shed/availability": b"online",
            "tele/pump/SENSOR": b'{"ENERGY":{"Power":41}}', "tele/pump/LWT": b"Online",
            "shellies/shellyht-1/sensor/temperature": b"20.5",
            "shellyplusht-1/events/rpc": b'{"params":{"temperature:0":{"tC":19.8}}}',
            "porch/sensor/air/state": b"7.4", "porch/binary_sensor/floor/state": b"OFF",
            "zigbee2mqtt/barn/shed": b'{"temperature":20.1}',
            "zigbee2mqtt/barn/shed/availability": b'{"state":"offline"}',
            "zigbee2mqtt/bridge/state": b'{"state":"online"}',
            "shellyplusht-1/online": b"false", "porch/status": b"online",
            "shellyplusht-1/status/temperature:0": b'{"tC":19.8}',
            "zigbee2mqtt/bridge/devices": b"[]", "cmnd/pump/POWER": b"ON"}
    for topic, payload in sent.items():
        paho.mqtt.publish.single(topic, payload, qos=1, retain=True, port=house.port)
    heard = {}
    expected = {f"foreign/hub/{topic}": payload for topic, payload in sent.items()
                if "devices" not in topic and "cmnd" not in topic}
    wait_until(lambda: heard.update([host.heard()]) or len(heard) == len(expected), 60,
               f"{len(expected)} messages")
    assert heard == expected
    assert all(parse(topic, payload) for topic, payload in heard.items())
    later = rig.client(HOST)
    later.subscribe("foreign/hub/#")
    later.publish("foreign/hub/end", b"")
    assert later.heard() == ("foreign/hub/end", b""), "the bridge left no retained message"
    later.close()
    house.stop()


def test_the_host_says_which_topics_the_broker_refuses(rig, hub):
    cert, key = rig.files(HOST)
    config = MqttConfig(url=f"mqtts://localhost:{rig.host_port}", client_id="reader",
                        ca_file=rig.folder / "ca.pem", cert_file=cert, key_file=key)
    taken = queue.Queue()
    allowed, refused = (
        Subscription(config, [topic], lambda *message: taken.put(message))
        for topic in ("foreign/#", "zigbee2mqtt/#"))
    allowed.start()
    wait_until(lambda: allowed.state == "connected", 30, "the subscription")
    hub.publish("foreign/hub/x", b"21.3")
    assert taken.get(timeout=60) == ("foreign/hub/x", b"21.3", False)
    allowed.stop()
    refused.start()
    wait_until(lambda: refused.state == "refused by the broker: zigbee2mqtt/#", 30, "the refusal")
    refused.stop()

"""/api/foreign at a real host and broker, and that no node and nothing that doses sees it."""

import json

import paho.mqtt.client as mqtt
import pytest

from idroserra.auth.roles import Role
from idroserra.core import protocol
from idroserra.mqtt.paho_client import stop_client
from support.real_host import Host

SHED, FLOOR = "foreign/hub/zigbee2mqtt/shed", "foreign/hub/zigbee2mqtt/floor"
NODE = "idro-a"
DISGUISED = f"foreign:{NODE}"


class Sensors:
    """A client that publishes foreign messages and hears what the host sends to nodes."""

    def __init__(self, port):
        self.commands = []
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self._client.username_pw_set("host")
        self._client.on_message = lambda _c, _u, message: self.commands.append(message.topic)
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("idro/v1/+/down/#")
        self._client.loop_start()

    def send(self, topic, body, *, retain=False):
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(60)

    def close(self):
        stop_client(self._client)


@pytest.fixture
def host(tmp_path, mosquitto, eventually):
    running = Host(tmp_path / "host", mosquitto.port, eventually,
                   more={"foreign": {"topics": ["foreign/#"]}})
    eventually(lambda: listed(running)["state"] == "connected", 30, "the subscription")
    yield running
    running.stop()


@pytest.fixture
def sensors(host):
    made = Sensors(host.broker_port)
    yield made
    made.close()


def listed(host):
    return host.client.get("/api/foreign").json()


def seen(host):
    return {(one["device"], one["field"]): one["text"]
            for one in host.client.get("/api/foreign/seen").json()["seen"]}


def adopt(host, name, device, field, **more):
    return host.client.put(f"/api/foreign/{name}", json={"device": device, "field": field, **more})


def forget(host, name):
    return host.client.request("DELETE", f"/api/foreign/{name}", json={})


def test_a_value_is_adopted_from_the_list_shown_with_its_age_and_forgotten(
        host, sensors, eventually):
    sensors.send(SHED, {"temperature": 21.3})
    eventually(lambda: seen(host), 30, "the value in the list")
    assert seen(host) == {(SHED, "temperature"): "21.3 °C"}
    answer = adopt(host, "shed-air", SHED, "temperature", place="Shed", high=40)
    assert answer.status_code == 200
    assert answer.json() | {"age_ms": 0} == {
        "name": "shed-air", "place": "Shed", "device": SHED, "field": "temperature",
        "quantity": "temp_c", "low": -20, "high": 40, "too_old_s": 7_200, "label": "Temperature",
        "state": "waiting", "value": None, "text": "", "is_leak": False, "refused_text": "",
        "has_value": False, "age_ms": 0}
    assert seen(host) == {}
    sensors.send(SHED, {"temperature": 22.0})
    eventually(lambda: listed(host)["readings"][0]["state"] == "ok", 30, "its value")
    [reading] = listed(host)["readings"]
    assert (reading["text"], reading["value"], reading["age_ms"] < 60_000) == (
        "22.0 °C", 22.0, True)
    sensors.send(SHED, {"temperature": 77.0})
    eventually(lambda: listed(host)["readings"][0]["state"] == "implausible", 30, "the next one")
    [reading] = listed(host)["readings"]
    assert (reading["text"], reading["value"], reading["refused_text"]) == ("", None, "77.0 °C")
    assert forget(host, "shed-air").json()["readings"] == []
    actions = [(one.action, one.target, one.result)
               for one in host.service.access.audit.newest(2)]
    assert actions == [("forget foreign reading", "shed-air", "done"),
                       ("adopt foreign reading", "shed-air", "done")]


def test_bad_requests_are_refused_with_their_reason(host, sensors, eventually):
    sensors.send("foreign/hub/porch/sensor/air/state", b"20.4")
    eventually(lambda: seen(host), 30, "the value in the list")
    device, field = "foreign/hub/porch", "sensor/air"
    for name, more, status, why in (
        ("porch", {"device": "foreign/hub/other"}, 404, "not seen"),
        ("porch", {}, 422, "quantity"),
        ("porch", {"quantity": "ph"}, 422, "quantity: must be one of temp_c, rh_pct"),
        ("porch", {"quantity": "temp_c", "low": 30, "high": 20}, 422, "low"),
        ("porch", {"quantity": "temp_c", "too_old_s": 1}, 422, "too_old_s"),
        ("Porch", {"quantity": "temp_c"}, 422, "name"),
        ("porch", {"quantity": "temp_c", "node": "x"}, 422, "node: unknown field"),
    ):
        answer = adopt(host, name, **{"device": device, "field": field, **more})
        assert answer.status_code == status, answer.text
        assert why in answer.json()["error"]
    assert forget(host, "porch").status_code == 404
    viewer = host.client_with(host.service.access.tokens.make("vera", Role.VIEWER, "tests"))
    assert viewer.get("/api/foreign").status_code == 200
    assert viewer.put("/api/foreign/porch", json={}).status_code == 403
    operator = host.client_with(host.service.access.tokens.make("olga", Role.OPERATOR, "tests"))
    assert operator.put("/api/foreign/porch", json={
        "device": device, "field": field, "quantity": "temp_c"}).status_code == 200


def test_nothing_that_doses_sees_a_foreign_reading(host, sensors, eventually):
    """A reading under the name of a node, wet and implausible, and a node beside it."""
    node = host.node(NODE)
    node.live(3)
    host.settle(NODE, 3)
    eventually(lambda: host.view(NODE)["state"]["level"] == "ok", 10, "a good state")
    before = host.view(NODE)
    sensors.send(SHED, {"temperature": 21.3})
    sensors.send(FLOOR, {"water_leak": True})
    eventually(lambda: len(seen(host)) == 2, 30, "the values in the list")
    adopt(host, NODE, SHED, "temperature")
    adopt(host, "floor", FLOOR, "water_leak")
    sent = list(sensors.commands)
    sensors.send(SHED, {"temperature": 35.0})
    sensors.send(FLOOR, {"water_leak": True})
    store = host.service.store
    eventually(lambda: store.latest(DISGUISED) and store.latest("foreign:floor"), 30, "history")
    eventually(lambda: "foreign_leak/floor" in [
        one["key"] for one in host.client.get("/api/alarms").json()["alarms"]], 30, "the alarm")

    wet = listed(host)["readings"][0]
    assert (wet["name"], wet["text"], wet["is_leak"]) == ("floor", "wet", True)
    assert {key: value for key, (_, value) in store.latest(DISGUISED).items()} == {
        "foreign.temp_c": 35.0}
    assert not protocol.is_node_id(DISGUISED)
    assert [one.node for one in host.service.nodes.all()] == [NODE]
    assert host.service.live.channels(DISGUISED) == {}
    assert not any("foreign" in key for key in (
        *store.latest(NODE), *host.service.live.channels(NODE), *host.view(NODE)["channels"]))
    after = host.view(NODE)
    assert (after["state"]["level"], after["state"]["code"], after["config"]) == (
        before["state"]["level"], before["state"]["code"], before["config"])
    for method, path, body in (
        ("GET", "", None), ("GET", "/series", None), ("GET", "/events", None),
        ("GET", "/report", None), ("GET", "/bottles", None), ("GET", "/dose-preview", None),
        ("PUT", "/config", {"values": {"dosing.enabled": True}}),
        ("POST", "/commands", {"verb": "dose", "args": {"actuator": "ph_down",
                                                        "volume_ul": 1_000}}),
        ("POST", "/recipe", {"recipe": "lettuce"}), ("GET", "/calibrations", None),
    ):
        answer = host.client.request(method, f"/api/nodes/{DISGUISED}{path}", json=body)
        assert answer.status_code in (404, 422), (method, path, answer.text)
    assert node.commands == []
    assert {topic for topic in sensors.commands[len(sent):]} <= {
        f"idro/v1/{NODE}/down/stored"}, "nothing was sent to a node"
    metrics = host.client.get("/metrics").text
    assert "foreign" not in metrics.replace("foreign_", ""), "no series of a node has it"

"""Home Assistant over a real broker: discovery, states and permitted controls."""

import json
import sqlite3
import threading
from contextlib import ExitStack, closing

import paho.mqtt.publish as publish
import pytest
from jinja2 import Environment
from typer.testing import CliRunner

from idro.protocol import messages_host
from idro.protocol.reason import Reason
from idroserra.broker.local import Broker
from idroserra.broker.mosquitto import MAX_PACKET_BYTES
from idroserra.cli.main import app
from idroserra.core import protocol
from idroserra.homeassistant.discovery import device, discovery_topic, packed
from idroserra.nodes.node import Node
from support.home_assistant import FakeHomeAssistant, faults, rendered
from support.real_host import Host

PAGE = "https://serra.example"


@pytest.fixture
def broker(tmp_path):
    """The demo's broker, with its access list."""
    running = Broker(tmp_path / "broker", "mosquitto")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def host(tmp_path, broker, eventually):
    running = Host(tmp_path / "host", broker.port, eventually,
                   more={"homeassistant": {"enabled": True},
                         "http": {"port": 0, "public_url": PAGE}})
    yield running
    running.stop()


@pytest.fixture
def home(host):
    """Home Assistant, at the broker since before the node came."""
    found = FakeHomeAssistant(host.broker_port)
    yield found
    found.close()


@pytest.fixture
def node(host, home, eventually):
    node = host.node("idro-a")
    node.read()
    eventually(lambda: home.device("idro-a") and "switch" in str(home.device("idro-a"))
               and home.of("idro-a", "telemetry"), 10, "discovery and state of the node")
    return node


def test_a_node_is_a_device_with_its_readings_in_units_the_classes_allow(home, node):
    found = home.device("idro-a")
    assert faults(found) == []
    assert found["dev"]["cu"] == f"{PAGE}/nodes/idro-a"
    assert (found["dev"]["mdl"], found["dev"]["sw"]) == ("esp32-reservoir", "0.1.0")
    ec = found["cmps"]["reservoir_ec_us_cm"]
    assert (ec["name"], ec["unit_of_meas"], ec["dev_cla"]) == ("EC", "mS/cm", "conductivity")
    assert "unit_of_meas" not in found["cmps"]["reservoir_ph"]
    payload = home.of("idro-a", "telemetry")
    assert rendered(ec, payload) == "1.59"
    assert rendered(found["cmps"]["reservoir_ph"], payload) == "5.85"
    assert rendered(found["cmps"]["reservoir_temp_c"], payload) == "20.5"


def test_a_fault_is_unknown_and_never_a_number(home, node, eventually):
    node.read(faults={"reservoir.ph": "flat"})
    eventually(lambda: home.of("idro-a", "telemetry").get("reservoir.ph", 0) is None, 10,
               "the fault")
    ph = home.device("idro-a")["cmps"]["reservoir_ph"]
    assert rendered(ph, home.of("idro-a", "telemetry")) == "None"  # MQTT's word for unknown
    assert rendered(ph, {}) == "None"
    # Three samples and a little: after that a probe that is silent is unavailable there.
    assert ph["exp_aft"] == 190


def test_what_is_set_is_done_by_the_node_and_shown_only_when_it_says_so(home, node, eventually):
    entities = home.device("idro-a")["cmps"]
    target = entities["ec_target_us_cm"]
    eventually(lambda: home.of("idro-a", "settings"), 10, "the settings")
    assert rendered(target, home.of("idro-a", "settings")) == "1.6"
    set_to = Environment(autoescape=False).from_string(target["cmd_tpl"]).render(value=1.85)
    assert set_to == "1850"
    home.set("idro-a", "ec_target_us_cm", set_to)
    eventually(lambda: home.of("idro-a", "settings")["ec.target_us_cm"] == 1_850, 10, "the word")
    assert node.values["ec.target_us_cm"] == 1_850
    home.set("idro-a", "dosing_enabled", "OFF")
    eventually(lambda: node.values["dosing.enabled"] is False, 10, "dosing off")
    switch = entities["dosing_enabled"]
    eventually(lambda: rendered(switch, home.of("idro-a", "settings")) == "OFF", 10, "the switch")


def test_buttons_send_commands_and_report_the_result(host, home, node, eventually):
    home.set("idro-a", "stop", "PRESS")
    eventually(lambda: home.of("idro-a", "command"), 10, "the answer")
    assert home.of("idro-a", "command")["text"] == (
        "stop: done, all dosing is stopped until it is resumed")
    node.answer, node.reason = "refused", Reason("water_low", level_mm=90, low_mm=120)
    home.set("idro-a", "run_circulation", "PRESS")
    eventually(lambda: "run" in home.of("idro-a", "command")["text"], 10, "the refusal")
    assert home.of("idro-a", "command")["text"] == (
        "run: refused, the water level is low, 90 mm (minimum 120 mm)")
    assert [(one.verb, one.by) for one in node.commands] == [
        ("stop", "home assistant"), ("run", "home assistant")]
    assert node.commands[1].args == {"actuator": "circulation", "for_ms": 600_000}
    home.set("idro-a", "ph_target", "9.5")
    eventually(lambda: "change settings" in str(written(host)), 10, "what was refused, written")
    rows = written(host)
    assert {row["target"] for row in rows} == {"idro-a"}
    assert [row["result"] for row in rows if row["action"] == "command"].count("asked") == 2
    assert [row["result"] for row in rows if row["action"] == "change settings"] == ["refused"]


def written(host):
    """Return what the audit log holds of Home Assistant, newest first."""
    rows = host.client.get("/api/audit").json()["rows"]
    return [row for row in rows if row["who"] == "home assistant"]


@pytest.mark.parametrize(("name", "payload", "why"), [
    ("ph_target", b"9.5", "ph.target"), ("ph_target", b"NaN", "ph.target"),
    ("ph_target", b"{}", "ph.target"), ("ph_target", b"\xff", "ph.target"),
    ("dosing_enabled", b"maybe", "true or false"),
    ("ec_target_us_cm", b"1600.5", "a whole number"),
])
def test_what_cannot_be_set_is_refused_in_words_and_changes_nothing(
        home, node, eventually, name, payload, why):
    before = dict(node.values)
    home.set("idro-a", name, payload)
    eventually(lambda: home.of("idro-a", "command"), 10, "the refusal")
    assert "refused" in home.of("idro-a", "command")["text"]
    assert why in home.of("idro-a", "command")["text"]
    assert node.values == before


def test_home_assistant_cannot_dose_and_unknown_entities_are_ignored(host, home, node, eventually):
    assert not [key for key in home.device("idro-a")["cmps"] if "dose" in key]
    for name in ("dose", "run_ph_down", "run_light", "reservoir_area_cm2", "ph_neutral_uv"):
        home.set("idro-a", name, "100")
    home.set("absent", "stop", "PRESS")
    home.set("idro-a", "stop", "PRESS", retain=True)  # a retained order is not obeyed later
    home.set("idro-a", "stop", "", retain=True)
    home.set("idro-a", "resume", "PRESS")
    eventually(lambda: node.commands and node.commands[-1].verb == "resume", 10, "resume")
    assert {one.verb for one in node.commands} <= {"stop", "resume"}


def test_a_restarted_home_assistant_receives_everything(home, node, eventually):
    eventually(lambda: home.of("idro-a", "settings"), 10, "the settings")
    home.restart()
    eventually(lambda: home.device("idro-a") and home.device("host"), 15, "the devices")
    for leaf in ("state", "settings", "telemetry"):
        eventually(lambda leaf=leaf: home.of("idro-a", leaf), 15, leaf)
    assert home.is_available("idro-a", "stop")


def test_a_host_without_its_connection_is_not_announced_as_online(host, home, node, eventually):
    host.service._mqtt.leave("another host serves its nodes")
    home.restart()
    eventually(lambda: home.device("host"), 15, "the devices")
    assert not home.is_available("host", "alarm")


def test_a_new_node_is_complete_although_home_assistant_subscribes_after_its_discovery(
        home, node, eventually):
    """Its entities have topics that are not retained: those are published again."""
    for leaf in ("state", "settings", "telemetry"):
        eventually(lambda leaf=leaf: home.of("idro-a", leaf), 15, leaf)
    assert home.refused == []


def test_a_silent_node_is_unavailable_with_its_alarms_still_shown(home, node, eventually):
    entities = ("reservoir_ph", "dosing_enabled", "resume")
    eventually(lambda: all(home.is_available("idro-a", name) for name in entities), 10,
               "the entities of a node that is online")
    node.leave()
    eventually(lambda: not any(home.is_available("idro-a", name) for name in entities), 10,
               "the entities of a node that is offline")
    assert home.is_available("idro-a", "alarm")
    eventually(lambda: home.of("idro-a", "state").get("online") is False, 10, "the node's state")


def test_a_node_that_seems_offline_can_be_stopped(host, home, node, eventually):
    host.service.nodes.set_online("idro-a", False)
    eventually(lambda: not home.is_available("idro-a", "resume"), 10, "the node to be offline")
    assert home.is_available("idro-a", "stop")
    node.answer = None
    home.set("idro-a", "stop", "PRESS")
    eventually(lambda: home.of("idro-a", "command").get("text") ==
               "stop: pending, the node is offline", 10, "why it is not delivered yet")
    node.answer = "done"
    eventually(lambda: "stop: done" in home.of("idro-a", "command")["text"], 10, "the stop")


def test_a_forgotten_node_is_taken_from_home_assistant(host, home, node, eventually):
    node.leave()
    eventually(lambda: not host.service.nodes.get("idro-a").online, 10, "the last will")
    host.service.commands.forget("idro-a")
    eventually(lambda: home.device("idro-a") is None, 10, "the device to be gone")
    assert home.device("host")
    host.node("idro-a")
    eventually(lambda: home.device("idro-a"), 10, "the device again")


def test_events_and_alarms_are_published_with_their_texts(host, home, node, eventually):
    eventually(lambda: home.of("idro-a", "state").get("alarms") == 0, 15, "no alarm")
    alarm = home.device("idro-a")["cmps"]["alarm"]
    assert rendered(alarm, home.of("idro-a", "state")) == "OFF"
    node.tell("latched", {"reason": Reason("latch_no_effect").as_json()})
    eventually(lambda: home.of("idro-a", "state")["alarms"] == 1, 15, "the alarm")
    assert rendered(alarm, home.of("idro-a", "state")) == "ON"
    assert "Dosing is locked" in home.of("idro-a", "state")["worst"]
    eventually(lambda: home.of("idro-a", "event"), 15, "the event")
    event = home.of("idro-a", "event")
    assert event["event_type"] == "latched"
    assert event["event_type"] in home.device("idro-a")["cmps"]["event"]["evt_typ"]
    assert (event["code"], event["reason"]) == ("latch_no_effect", "doses had no effect")
    # Alarms of a chain that does not run are unknown, never "off".
    assert rendered(alarm, {"alarms": None}) == "None"


def test_the_state_of_a_node_is_a_sensor_with_its_code_and_who_ends_it(home, node, eventually):
    sensor = home.device("idro-a")["cmps"]["state"]
    eventually(lambda: home.of("idro-a", "state").get("code") == "dosing_automatically", 15,
               "the state of a node that is well")
    node.tell("stopped", {"by": "ann"})
    eventually(lambda: home.of("idro-a", "state")["code"] == "dosing_stopped", 15, "the stop")
    payload = home.of("idro-a", "state")
    assert rendered(sensor, payload) == "All dosing is stopped, by ann."
    template = Environment(autoescape=False).from_string(sensor["json_attr_tpl"])
    attributes = json.loads(template.render(value_json=payload))
    assert attributes.pop("since")
    assert attributes == {"code": "dosing_stopped", "level": "warn", "mender": "grower",
                          "remedy": "dosing_stopped", "until": None}


def test_home_assistant_discovery_is_off_by_default(
        tmp_path, mosquitto, eventually):
    home = FakeHomeAssistant(mosquitto.port)
    running = Host(tmp_path / "host", mosquitto.port, eventually)
    try:
        running.node("idro-a").read()
        running.settle("idro-a", 1)
        assert home.payloads == {}
    finally:
        home.close()
        running.stop()


def test_clear_takes_our_devices_back_and_leaves_those_of_others(tmp_path, mosquitto, eventually):
    home = FakeHomeAssistant(mosquitto.port)
    other = "homeassistant/device/zigbee/config"
    publish.multiple(
        [(f"homeassistant/device/idroserra_{name}/config", "{}", 1, True)
         for name in ("idro-a", "host")] + [(other, "{}", 1, True)],
        hostname="127.0.0.1", port=mosquitto.port)
    path = tmp_path / "host.toml"
    path.write_text(f'[mqtt]\nurl = "mqtt://127.0.0.1:{mosquitto.port}"\n')
    clear = ["homeassistant", "clear", "--config", str(path)]
    try:
        done = CliRunner().invoke(app, clear)
        assert done.exit_code == 0, done.output
        assert done.output.count("cleared homeassistant/device/idroserra_") == 2
        eventually(lambda: home.device("idro-a") is None and home.device("host") is None, 10,
                   "the devices to be gone")
        assert home.payloads[other] == {}
        assert "has no Idroserra devices" in CliRunner().invoke(app, clear).output
        mosquitto.stop()
        assert CliRunner().invoke(app, clear).exit_code == 1
        mosquitto.start()
    finally:
        home.close()


def test_a_stop_passes_a_flood_of_other_orders(host, home, node, eventually):
    with host.service.commands._lock:  # so that the orders wait
        for _ in range(1_500):
            home._client.publish("idro/v1/host/ha/idro-a/run_circulation/set", "PRESS", qos=1)
        home.set("idro-a", "stop", "PRESS")
        eventually(lambda: "stop" in [one.verb for one in node.commands], 10, "the stop")
        assert len(node.commands) < 400, "it came before what waits"


def test_a_resume_that_was_pressed_before_a_stop_does_not_undo_it(host, home, node, eventually):
    with host.service.commands._lock:  # so that the resume waits
        home.set("idro-a", "resume", "PRESS")
        home.set("idro-a", "stop", "PRESS")
        eventually(lambda: node.commands, 10, "the stop")
    eventually(lambda: "resume: " in home.of("idro-a", "command").get("text", ""), 10, "an answer")
    assert "resume: refused, " in home.of("idro-a", "command")["text"]
    assert [one.verb for one in node.commands] == ["stop"]


def test_stops_are_taken_after_the_bridge_failed_and_was_restarted(host, home, node, eventually):
    host.service.live.publish({"type": "event"})  # without the rest of it
    eventually(lambda: "home assistant" in host.service.counts()["failures"], 10, "the failure")
    home.every.clear()
    eventually(lambda: any(one[0].endswith("/telemetry") for one in home.every), 15,
               "the bridge again")
    for count in (1, 2):
        home.set("idro-a", "stop", "PRESS")
        eventually(lambda: "stop: done" in home.of("idro-a", "command").get("text", ""), 10,
                   "the answer")
        eventually(lambda count=count: [
            row["result"] for row in written(host) if row["action"] == "command"
        ] == ["asked"] * count, 10, "its row in the audit log")


def test_no_writer_of_the_files_delays_stops(host, home, node, tmp_path, eventually):
    nodes = {"idro-a": node} | {name: host.node(name) for name in map("idro-b{}".format, range(9))}
    with ExitStack() as held:
        for name in ("state.db", "audit.db"):
            disk = sqlite3.connect(tmp_path / "host" / name, isolation_level=None)
            held.enter_context(closing(disk)).execute("BEGIN IMMEDIATE")
        waiting = threading.Thread(target=host.service.nodes.adopt, args=("idro-c", bytes(32)))
        waiting.start()
        eventually(lambda: is_held(host.service.nodes._lock), 5, "the registry to wait")
        for name in nodes:
            home.set(name, "stop", "PRESS")
        eventually(lambda: all(one.commands for one in nodes.values()), 5, "every stop")
        assert waiting.is_alive(), "it waits for the disk"
    waiting.join(60)


def is_held(lock):
    """Return whether another thread holds this lock."""
    if not lock.acquire(blocking=False):
        return True
    lock.release()
    return False


def largest_info():
    """The longest names of as many channels and outputs as a node may have."""
    stem = "a" * 22
    channels = [f"{stem}{letter}.{key}" for letter in "ab" for key in protocol.QUANTITIES]
    outputs = {f"{stem}{letter}": "switch" for letter in "abcdefghijklmnopqrstuvwxyz"}
    return protocol.Info(
        "v" * 40, "b" * 40, "esp32", "b1", 0, None, "host", "", "",
        tuple(channels[:32]), outputs | {f"{name}x": kind for name, kind in
                                         list(outputs.items())[:6]}, (), True, 100, 0,
        protocol.AS_FLASHED, protocol.UNKNOWN_SYSTEM)


def test_the_largest_device_fits_into_a_packet_of_the_broker_and_can_be_stopped():
    name = "n" * 32
    payload = device(Node(name, "s" * 60, info=largest_info(), key=b"k" * 32), PAGE)
    size = len(packed(payload)) + len(discovery_topic("homeassistant", name))
    assert 12_000 < size < MAX_PACKET_BYTES - 50  # the fixed header and properties
    assert {"stop", "dosing_enabled", "state", "alarm"} <= payload["cmps"].keys()
    assert faults(payload) == []


def test_a_huge_device_takes_no_other_from_home_assistant(host, home, node, eventually):
    huge = host.node("a-huge-node")
    huge.publish_raw("info", messages_host.pack_info(largest_info()))
    event = "x" * 200
    huge.tell("refused", {"actuator": event,
                          "reason": Reason("b_waits", why=Reason("x", a=event))})
    eventually(lambda: len((home.device("a-huge-node") or {"cmps": ()})["cmps"]) > 30, 10,
               "the device")
    assert max(len(packed(payload)) for _topic, payload, _retain in home.every if payload) < (
        MAX_PACKET_BYTES)
    node.read({"reservoir.ph": 6.01})
    eventually(lambda: home.of("idro-a", "telemetry").get("reservoir.ph") == 6.01, 10, "a reading")

"""Commands over a real broker: outcomes, expiry, unknown nodes; signed, retained settings."""

import pytest

from idro.errors import ProtocolError, SettingsError
from idro.protocol.messages import Ack
from idro.protocol.reason import Reason
from idroserra.core.config import MqttConfig, load_config
from idroserra.core.errors import NotAdopted, UnknownNode
from idroserra.mqtt.connection import MqttConnection
from idroserra.nodes.commands import ANSWER_GRACE_MS, Commands
from idroserra.nodes.live import LiveState
from idroserra.nodes.node import fingerprint
from idroserra.nodes.registry import Nodes
from idroserra.server.service import Service
from support.node_client import NodeClient

NODE = "idro-a1"
KEY = bytes(range(32))
STOPPED = Reason("all_stopped")


@pytest.fixture
def service(tmp_path, mosquitto):
    service = Service(load_config(None, {
        "data_dir": str(tmp_path / "host"),
        "mqtt": {"url": f"mqtt://127.0.0.1:{mosquitto.port}"}}))
    service.nodes.adopt(NODE, KEY)
    service.start()
    yield service
    service.stop()


@pytest.fixture
def node(mosquitto, service, eventually):
    node = NodeClient(mosquitto.port, NODE, KEY)
    node.start()
    node.sample(1)
    eventually(lambda: service.nodes.get(NODE).online and node.stored_upto, 15, "the node is up")
    yield node
    node.stop()


def ended(service, command_id):
    return lambda: service.commands.state(command_id).state != "pending"


@pytest.mark.parametrize(("outcome", "reason"), [
    ("done", Reason("dose_given", actuator="ph_down", volume_ul=2_000)),
    ("refused", Reason("gap", actuator="ph_down", left_ms=118_000)),
    ("failed", Reason("actuator_failed", detail="pump"))])
def test_the_nodes_answer_is_the_end(service, node, eventually, outcome, reason):
    node.outcome = (outcome, reason)
    subscription = service.live.subscribe()
    args = {"actuator": "ph_down", "volume_ul": 2000}
    asked_ms = node.now_ms()
    command_id = service.commands.send(NODE, "dose", args, "anna")
    eventually(ended(service, command_id), 10, "an answer")
    state = service.commands.state(command_id)
    assert (state.state, state.reason, state.by) == (outcome, reason, "anna")
    command, = node.commands
    assert (command.verb, command.args, command.boot_id) == ("dose", args, node.boot_id)
    assert command.not_after_at_ms > asked_ms + 10_000
    assert command.not_after_at_ms <= node.now_ms() + 30_000
    states = []

    def is_complete():
        states.extend(m["state"] for m in subscription.take() if m["type"] == "command")
        return len(states) == 2

    eventually(is_complete, 10, "both states")
    assert states == ["pending", outcome]


def test_a_stop_is_repeated_under_its_id_until_it_is_answered(service, node, eventually):
    node.outcome = None
    command_id = service.commands.send(NODE, "stop", {}, "anna")
    eventually(lambda: len(node.commands) >= 2, 15, "it is sent again")
    assert {one.id for one in node.commands} == {command_id}
    assert service.commands.state(command_id).state == "pending"
    node.outcome = ("done", STOPPED)
    eventually(ended(service, command_id), 10, "an answer")
    assert service.commands.state(command_id).state == "done"
    for _ in range(2):  # the first comes after a stop that was on its way beside the answer
        count = len(node.commands)
        other = service.commands.send(NODE, "resume", {}, "anna")
        eventually(ended(service, other), 10, "the next answer")
    assert len(node.commands) == count + 1, "an answered stop is not sent again"


def test_other_commands_are_sent_once(service, node, eventually):
    node.outcome = None
    args = {"actuator": "ph_down", "volume_ul": 2000}
    service.commands.send(NODE, "dose", args, "anna")
    stop_id = service.commands.send(NODE, "stop", {}, "anna")
    eventually(lambda: [one.id for one in node.commands].count(stop_id) >= 2, 15, "a second stop")
    assert [one.verb for one in node.commands].count("dose") == 1


def test_an_offline_node_is_reported_at_once(service, node, eventually):
    node.stop()
    node._client.loop_start()  # a stop() is a polite end: say so, as the last will would
    node._client.reconnect()
    node.publish("status", b"offline", retain=True)
    eventually(lambda: not service.nodes.get(NODE).online, 10, "it is offline")
    state = service.commands.state(service.commands.send(NODE, "resume", {}, "anna"))
    assert (state.state, state.reason) == ("failed", Reason("node_offline"))


def test_unknown_nodes_and_invalid_commands_raise(service, node):
    with pytest.raises(UnknownNode):
        service.commands.send("idro-none", "stop", {}, "anna")
    for verb, args, by in [("explode", {}, "anna"), ("dose", {"actuator": "ph_down"}, "anna"),
                           ("stop", {"now": 1}, "anna"), ("stop", {}, "a" * 41),
                           ("dose", {"actuator": "ph_down", "volume_ul": 1e3}, "anna")]:
        with pytest.raises(ProtocolError):
            service.commands.send(NODE, verb, args, by)
    assert service.commands.recent(NODE) == []
    with pytest.raises(KeyError):
        service.commands.state("0" * 24)


def test_settings_are_signed_retained_and_reported(service, node, eventually):
    rev = service.commands.set_config(NODE, {"ph.target": 6.1}, "anna")
    eventually(lambda: service.nodes.get(NODE).report, 10, "a report")
    config, = node.configs
    assert (config.rev, config.by, config.values["ph.target"]) == (rev, "anna", 6.1)
    assert service.nodes.get(NODE).report.values["ph.target"] == 6.1
    with pytest.raises(SettingsError, match="ph.target"):
        service.commands.set_config(NODE, {"ph.target": 60}, "anna")
    with pytest.raises(UnknownNode):
        service.commands.set_config("idro-none", {}, "anna")


def test_a_node_that_connects_later_gets_the_wanted_settings(
        service, mosquitto, eventually):
    rev = service.commands.set_config(NODE, {"ph.target": 6.2}, "anna")
    late = NodeClient(mosquitto.port, NODE, KEY)
    late.start()
    eventually(lambda: late.configs, 10, "the retained settings")
    assert late.configs[0].rev == rev
    late.stop()


def test_settings_need_a_key(service, mosquitto, eventually):
    stranger = NodeClient(mosquitto.port, "idro-new", KEY)
    stranger.start()
    stranger.sample(1)
    eventually(lambda: service.spool.stored_upto("idro-new", stranger.boot_id) == 1, 10,
               "its record to be stored")
    with pytest.raises(NotAdopted):
        service.commands.set_config("idro-new", {"ph.target": 6}, "anna")
    stranger.stop()


class Wall:
    """A wall clock that stands until it is moved."""

    def __init__(self):
        self.unix_ms = 1_795_507_200_000

    def __call__(self):
        return self.unix_ms


def test_without_an_answer_it_times_out_and_a_late_answer_is_the_truth(
        tmp_path, mosquitto, service, node, eventually):
    node.outcome = None
    wall = Wall()
    nodes = Nodes(tmp_path / "own.db", "farm")
    nodes.adopt(NODE, KEY)
    nodes.set_info(NODE, node.info())
    nodes.set_online(NODE, True)
    link = MqttConnection(
        MqttConfig(url=f"mqtt://127.0.0.1:{mosquitto.port}", client_id="own"), wall
    )
    commands = Commands(tmp_path / "own.db", nodes, LiveState(), link,
                        lambda node, boot_id: wall.unix_ms - 10_000)
    link.start()
    eventually(lambda: link.is_connected, 10, "a line")
    command_id = commands.send(NODE, "resume", {}, "anna", ttl_ms=20_000)
    eventually(lambda: node.commands, 10, "it arrives")
    assert node.commands[0].not_after_at_ms == 30_000
    wall.unix_ms += 20_000 + ANSWER_GRACE_MS
    assert commands.state(command_id).state == "pending"
    wall.unix_ms += 1
    assert commands.state(command_id).state == "timeout"
    assert commands.state(command_id).reason == Reason("unanswered")
    commands.on_ack("idro-b2", Ack(command_id, "done", STOPPED, "b", 1))  # not that node's to say
    assert commands.state(command_id).state == "timeout"
    commands.on_ack(NODE, Ack(command_id, "done", STOPPED, "b", 1))
    assert commands.state(command_id).state == "done"
    commands.close()
    again = Commands(tmp_path / "own.db", nodes, LiveState(), link, lambda node, boot_id: None)
    assert (again.state(command_id).state, again.state(command_id).reason) == ("done", STOPPED)
    nodes.set_info(NODE, node.info()._replace(boot_id="another"))
    state = again.state(again.send(NODE, "resume", {}, "anna"))
    assert (state.state, state.reason) == ("failed", Reason("boot_unknown"))
    link.stop()
    state = again.state(again.send(NODE, "resume", {}, "anna"))
    assert (state.state, state.reason) == ("failed", Reason("broker_unreachable"))
    again.close()
    nodes.close()


def test_a_node_that_may_have_a_newer_key_is_asked_with_either(tmp_path, mosquitto, eventually):
    wall, older, newer = Wall(), fingerprint(KEY), fingerprint(bytes(32))
    nodes = Nodes(tmp_path / "own.db", "farm")
    nodes.adopt(NODE, KEY)
    nodes.set_info(NODE, NodeClient(mosquitto.port, NODE, KEY).info())
    nodes.set_online(NODE, True)
    link = MqttConnection(
        MqttConfig(url=f"mqtt://127.0.0.1:{mosquitto.port}", client_id="own"), wall
    )
    commands = Commands(tmp_path / "own.db", nodes, LiveState(), link,
                        lambda node, boot_id: wall.unix_ms - 10_000)
    link.start()
    eventually(lambda: link.is_connected, 10, "a line")
    nodes.stage_key(NODE, bytes(32))
    for expected in (older, newer, older, newer):
        assert nodes.get(NODE).fingerprints[0] == expected
        command_id = commands.send(NODE, "resume", {}, "anna", ttl_ms=20_000)
        wall.unix_ms += 20_000 + ANSWER_GRACE_MS + 1
        commands.end_overdue()
        assert commands.state(command_id).state == "timeout"
    command_id = commands.send(NODE, "resume", {}, "anna")
    commands.on_ack(NODE, Ack(command_id, "refused", STOPPED, "b", 1))
    assert nodes.get(NODE).fingerprints == (older,)
    link.stop()
    commands.close()
    nodes.close()

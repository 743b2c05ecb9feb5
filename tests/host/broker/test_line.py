"""TLS and ACLs of a real mosquitto on the network: what is delivered and what is not."""

import json
import os
import signal
import socket
import ssl
import stat
import warnings
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from idro.protocol import topics
from idroserra.broker import tls_files
from idroserra.broker.access import access_file
from idroserra.broker.certificates import broker_folder_of, folder_of
from idroserra.broker.local import free_port
from idroserra.broker.mosquitto import BrokerControlError
from idroserra.cli.main import app
from idroserra.cli.node.adopt import adopt
from idroserra.core import protocol
from idroserra.core.config import MqttConfig
from idroserra.core.errors import ConfigError, UnknownNode
from idroserra.mqtt.connection import IncomingMessage, MqttConnection, RawChunk
from idroserra.nodes.registry import Nodes
from idroserra.pki.broker_ca import HOST
from idroserra.provisioning import validation
from support.line_rig import NODES, Client, Rig, trusting
from support.wait import wait_until

ONE, TWO = NODES


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("line"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def people(rig: Rig) -> Iterator[dict[str, Client]]:
    """The host, which receives all messages of nodes, and two nodes."""
    clients = {who: rig.client(who) for who in (HOST, ONE, TWO)}
    clients[HOST].subscribe("idro/v1/+/up/#")
    yield clients
    for client in clients.values():
        client.close()


def only(people: dict[str, Client], payload: bytes) -> None:
    """Assert that the next message the host receives is the one node two publishes now."""
    people[TWO].publish(f"idro/v1/{TWO}/up/ack", payload)
    assert people[HOST].heard() == (f"idro/v1/{TWO}/up/ack", payload)


def old_tls(context: ssl.SSLContext) -> None:
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):  # that it is old
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1


@pytest.mark.parametrize("who", ["no authority", "another authority", "ended", "TLS 1.1", "plain"])
def test_messages_of_refused_clients_are_not_delivered(rig, people, tmp_path, who):
    other = tmp_path / "other"
    other.mkdir()
    made = {
        "no authority": lambda: trusting(rig, None),
        "another authority": lambda: trusting(rig, Rig(other).files(ONE)),
        "ended": lambda: trusting(rig, rig.ended(ONE, tmp_path)),
        "TLS 1.1": lambda: trusting(rig, rig.files(ONE), old_tls),
    }
    if who == "plain":
        with socket.create_connection(("127.0.0.1", rig.node_port), 60) as plain:
            plain.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04none")
            with suppress(ConnectionResetError):  # it hangs up, one way or the other
                assert plain.recv(4) == b""
    else:
        stranger = Client(rig, None, "idro-none", context=made[who](), waits=False)
        stranger.publish("idro/v1/idro-none/up/ack", b"from a stranger")
        stranger.publish(f"idro/v1/{ONE}/up/ack", b"from a stranger")
        only(people, b"after the stranger")
        assert stranger.connections == 0
        stranger.close()
    only(people, b"in the end")


def test_tls_1_2_is_enough(rig, people):
    def twelve(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    people[ONE].close()
    client = Client(rig, None, ONE, context=trusting(rig, rig.files(ONE), twelve))
    client.publish(f"idro/v1/{ONE}/up/ack", b"with 1.2")
    assert people[HOST].heard()[1] == b"with 1.2"
    client.close()


def test_a_node_speaks_and_hears_for_itself_alone(people):
    one, two, host = people[ONE], people[TWO], people[HOST]
    for topic in ("#", f"idro/v1/{TWO}/down/#", "idro/v1/+/up/#", "$SYS/#", "homeassistant/#"):
        one.subscribe(topic)
    one.subscribe(f"idro/v1/{ONE}/down/command")
    for topic in (f"idro/v1/{TWO}/up/ack", f"idro/v1/{TWO}/down/command", "idro/v1/host/up/status",
                  f"idro/v1/{ONE}/down/command", "homeassistant/x", "idro/v1/up/ack"):
        one.publish(topic, b"not mine")
    two.subscribe(topics.every_down(TWO))
    one.publish(f"idro/v1/{ONE}/up/ack", b"mine")
    assert host.heard() == (f"idro/v1/{ONE}/up/ack", b"mine")
    host.publish(f"idro/v1/{TWO}/down/command", b"for two")
    assert two.heard() == (f"idro/v1/{TWO}/down/command", b"for two")
    host.publish(f"idro/v1/{ONE}/down/command", b"for one")
    assert one.heard() == (f"idro/v1/{ONE}/down/command", b"for one")


def test_a_node_leaves_no_command_behind(rig, people):
    """Retained ones neither for itself nor for another: who comes later finds none."""
    for node in NODES:
        people[ONE].publish(f"idro/v1/{node}/down/command", b"left behind", retain=True)
    people[ONE].publish(f"idro/v1/{ONE}/up/ack", b"it has sent them")
    assert people[HOST].heard()[1] == b"it has sent them"
    people[HOST].subscribe("idro/v1/+/down/#")
    people[HOST].publish(f"idro/v1/{TWO}/down/command", b"fresh")
    assert people[HOST].heard() == (f"idro/v1/{TWO}/down/command", b"fresh")


def test_a_message_that_is_too_long_ends_who_sends_it(people):
    people[ONE].publish(f"idro/v1/{ONE}/up/event", b"x" * 20_000)
    wait_until(lambda: people[ONE].connections > 1 or not people[ONE].is_connected, 10,
               "the broker to hang up")
    only(people, b"the others go on")


def test_a_client_id_cannot_impersonate_another_node(rig, people):
    """A client id is a name in a certificate: node one with two's id is still node one."""
    stranger = Client(rig, rig.files(ONE), TWO)
    wait_until(lambda: not people[ONE].is_connected or people[ONE].connections > 1, 10,
               "node one to notice its double")
    assert people[TWO].connections == 1
    only(people, b"two is still there")
    stranger.close()


def test_a_revoked_node_is_disconnected_and_others_are_unaffected(tmp_path):
    rig = Rig(tmp_path)
    rig.start()
    people = {who: rig.client(who) for who in (HOST, ONE, TWO)}
    people[HOST].subscribe("idro/v1/+/up/#")
    kept = tmp_path / "old.pem", tmp_path / "old.key"
    for file, copy in zip(rig.files(ONE), kept, strict=True):
        copy.write_bytes(file.read_bytes())

    assert rig.line.revoke(ONE) is True
    wait_until(lambda: not people[ONE].is_connected, 10, "the revoked node to be put out")
    old = Client(rig, kept, ONE, waits=False)
    old.publish(f"idro/v1/{ONE}/up/ack", b"I am still one")
    only(people, b"two goes on")
    assert old.connections == 0
    assert people[TWO].connections == people[HOST].connections == 1
    assert rig.line.revoked
    with pytest.raises(UnknownNode):
        rig.line.revoke(ONE)

    assert rig.line.issue(ONE) is True  # another board takes its place
    again = rig.client(ONE)
    again.publish(f"idro/v1/{ONE}/up/ack", b"one again")
    assert people[HOST].heard() == (f"idro/v1/{ONE}/up/ack", b"one again")

    rig.stop()  # and the list is not forgotten
    rig.start()
    late = Client(rig, kept, ONE, waits=False)
    late.publish(f"idro/v1/{ONE}/up/ack", b"I am still one")
    wait_until(
        lambda: people[TWO].is_connected and people[HOST].is_connected, 30, "them"
    )
    people[HOST].subscribe("idro/v1/+/up/#")
    only(people, b"after the restart")
    for client in (*people.values(), old, again, late):
        client.close()
    rig.stop()


def test_what_a_node_left_goes_though_it_was_revoked_beside_no_broker(tmp_path):
    rig = Rig(tmp_path)
    rig.start()
    left = f"idro/v1/{ONE}/up/info"
    with closing(rig.client(ONE)) as one, closing(rig.client(HOST)) as host:
        host.subscribe(f"idro/v1/{ONE}/up/#")
        one.publish(left, b"left", retain=True)
        assert host.heard() == (left, b"left")
    rig.stop()
    assert not rig.line.revoke(ONE)
    rig.start()
    rig.line.issue("idro-three")
    with closing(rig.client(HOST)) as host:
        host.subscribe(f"idro/v1/{ONE}/up/#")
        host.publish(f"idro/v1/{ONE}/up/ack", b"nothing before this")
        assert host.heard()[1] == b"nothing before this"
    rig.stop()


def test_a_node_that_is_back_keeps_what_it_has_said(tmp_path):
    """Revoked and admitted again beside no broker, it says who it is; then another is added."""
    rig, status = Rig(tmp_path), f"idro/v1/{ONE}/up/status"
    assert not rig.line.revoke(ONE)
    rig.line.issue(ONE)
    rig.start()
    with closing(rig.client(ONE)) as one, closing(rig.client(HOST)) as host:
        host.subscribe(status)
        one.publish(status, b"online", retain=True)
        assert host.heard() == (status, b"online")
        rig.line.issue("idro-three")
        with closing(rig.client(HOST)) as later:
            later.subscribe(status)
            assert later.heard() == (status, b"online")
    rig.stop()


def test_a_rotated_node_has_a_new_certificate_and_the_old_one_is_void(rig, people, tmp_path):
    kept = tmp_path / "old.pem", tmp_path / "old.key"
    for file, copy in zip(rig.files(ONE), kept, strict=True):
        copy.write_bytes(file.read_bytes())
    assert rig.line.rotate(ONE) is True
    old = Client(rig, kept, ONE, waits=False)
    fresh = rig.client(ONE)
    fresh.publish(f"idro/v1/{ONE}/up/ack", b"with the new one")
    assert people[HOST].heard()[1] == b"with the new one"
    assert old.connections == 0
    assert people[TWO].connections == 1
    for client in (old, fresh):
        client.close()


def test_revoking_many_nodes_leaves_the_broker_running(rig, people):
    """mosquitto 2.0 crashes after reloads in which kept sessions of its clients are offline."""
    people[ONE].close()
    for _ in range(50):
        assert rig.line.rotate(ONE) is True
    assert people[TWO].connections == people[HOST].connections == 1
    only(people, b"in the end")


def test_a_broker_that_cannot_be_signalled_is_reloaded_by_the_operator(rig, people):
    """As in a container: a revocation is not reported as done before the reload."""
    pid_file = rig.line.broker.pid_file
    pid = pid_file.read_text()
    pid_file.unlink()
    with pytest.raises(BrokerControlError, match="make it reload its files"):
        rig.line.revoke(ONE)
    os.kill(int(pid), signal.SIGHUP)
    wait_until(lambda: _is_revoked(rig), 10, "the broker to refuse node one")
    wait_until(lambda: not people[ONE].is_connected, 10, "the revoked node to be put out")
    only(people, b"two goes on")
    assert people[TWO].connections == 1
    pid_file.write_text(pid)
    rig.line.issue(ONE)


def _is_revoked(rig: Rig) -> bool:
    try:
        return rig.line.revoke(ONE)
    except BrokerControlError:
        return False  # it has not read them yet


def test_the_host_connects_with_its_certificate(rig):
    files = dict(zip(("cert_file", "key_file"), rig.files(HOST), strict=True))
    link = MqttConnection(MqttConfig(url=f"mqtts://127.0.0.1:{rig.host_port}",
                           ca_file=rig.folder / "ca.pem", **files))
    link.start()
    wait_until(lambda: link.is_connected, 10, "the host at the broker")
    two = rig.client(TWO)
    two.subscribe(topics.every_down(TWO))
    two.publish(f"idro/v1/{TWO}/up/ack", b"over TLS")
    arrived: list[IncomingMessage] = []
    while not arrived:
        item = link.inbox.get(timeout=60)
        arrived += [one for one in (link.unpack(item) if isinstance(item, RawChunk) else ())
                    if one.payload == b"over TLS"]
    assert link.publish(f"idro/v1/{TWO}/down/command", b"back over TLS")
    assert two.heard() == (f"idro/v1/{TWO}/down/command", b"back over TLS")
    two.close()
    link.stop()


def test_init_changes_nothing_that_is_there_and_says_so(tmp_path):
    config = tmp_path / "host.toml"
    config.write_text(f'data_dir = "{tmp_path}"\n')

    def run(*more: str) -> dict[str, str]:
        ran = CliRunner().invoke(app, ["broker", "init", "--config", str(config), "--json", *more])
        assert ran.exit_code == 0, ran.output
        return {Path(file["path"]).name: f"{file['state']} {file['note']}".strip()
                for file in json.loads(ran.output)["files"]}

    assert all(state.startswith("written") for state in run("--name", "serra.lan").values())
    folder, broker = folder_of(tmp_path), broker_folder_of(tmp_path)
    before = {path: path.read_bytes() for path in (*folder.iterdir(), *broker.rglob("*"))
              if path.is_file()}
    assert set(run("--name", "serra.lan").values()) == {"kept"}
    for path, content in before.items():
        assert path.read_bytes() == content
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    results = run("--port", "9999", "--name", "other.lan")
    assert results["mosquitto.conf"].startswith("kept differs")
    assert results["server.pem"] == "kept not valid for other.lan: --overwrite replaces it"
    results = run("--port", "9999", "--name", "other.lan", "--overwrite")
    assert results["mosquitto.conf"] == "written"
    assert results["ca.key"] == "kept"
    assert (folder / "revoked.pem").read_bytes() == before[folder / "revoked.pem"]
    assert (folder / "ca.key").read_bytes() == before[folder / "ca.key"]


def test_lost_files_are_named_and_never_recreated_silently(tmp_path):
    rig = Rig(tmp_path)
    folder = folder_of(tmp_path)
    (folder / "ca.key").rename(folder / "away")
    with pytest.raises(ConfigError, match=r"ca\.key: .*restore it"):
        tls_files.init(tmp_path, ["localhost"], node_port=1, host_port=2)
    (folder / "away").rename(folder / "ca.key")
    (folder / "revoked.pem").unlink()
    with pytest.raises(ConfigError, match=r"revoked\.pem: missing"):
        tls_files.init(tmp_path, ["localhost"], node_port=1, host_port=2)
    with pytest.raises(ConfigError, match="missing"):
        rig.line.revoke(ONE)


def test_every_user_whom_the_access_list_knows_is_reserved():
    """A node cannot take the name of a user of the access list, who has more rights."""
    named = {client["username"] for client in json.loads(access_file(()))["clients"]}
    assert named == set(topics.RESERVED_NODE_IDS)
    for name in named:
        assert name in protocol.NODE_ID_RULE


@pytest.mark.parametrize("client_id", [
    MqttConfig().client_id, f"{MqttConfig().client_id}-out", "idroserra-visit-1a2b3c4d"])
def test_no_certificate_names_a_client_id_of_the_host(rig, client_id):
    """Such a node would end the connection of the host at the broker."""
    with pytest.raises(ConfigError, match="nor one that begins with idroserra-"):
        rig.line.issue(client_id)


@pytest.mark.parametrize("ask", [
    lambda name, folder: validation.node_id(name),
    lambda name, folder: adopt(name, config=folder / "host.toml"),
    lambda name, folder: Nodes(folder / "state.db", "farm").adopt(name, bytes(32)),
], ids=["provision", "node adopt", "registry"])
@pytest.mark.parametrize("name", [*topics.RESERVED_NODE_IDS, MqttConfig().client_id])
def test_reserved_node_names_are_refused(tmp_path, ask, name):
    with pytest.raises((ConfigError, ValueError), match="not host or homeassistant, which.* nor "
                                                        "one that begins with idroserra-"):
        ask(name, tmp_path)


@pytest.mark.parametrize("is_running", [True, False])
def test_a_node_that_is_forgotten_is_revoked(tmp_path, is_running):
    """By the command, on a host at rest; the page's API: tests/host/web/test_node_keys.py."""
    rig = Rig(tmp_path)
    if is_running:
        rig.start()
    config = tmp_path / "host.toml"
    config.write_text(f'data_dir = "{tmp_path}"\n[http]\nport = {free_port()}\n')
    nodes = Nodes(tmp_path / "state.db", "farm")
    for name in (ONE, TWO, "idro-three"):
        nodes.adopt(name, bytes(32))
    nodes.close()

    def forget(name, *more):
        ran = CliRunner().invoke(app, ["node", "forget", name, "--yes", "--config", str(config),
                                       *more])
        assert ran.exit_code == 0, ran.output
        return ran.output

    results = json.loads(forget(ONE, "--json"))["certificate"]
    assert results == ("refused" if is_running else "refused at its start")
    assert "revoked" in forget(TWO)
    assert rig.line.nodes == []
    assert len(rig.line.revoked) == 2
    assert "had no certificate of this host" in forget("idro-three")
    rig.stop()


@pytest.mark.parametrize("name", ["+", "#", "../../x", "host", "a", "A-node", "x" * 33, ""])
def test_a_name_that_is_no_node_gets_no_certificate(tmp_path, name):
    with pytest.raises(ConfigError, match="NODE"):
        Rig(tmp_path).line.issue(name)

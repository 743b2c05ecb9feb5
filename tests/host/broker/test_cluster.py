"""A cluster of three real RabbitMQ brokers with the files of `broker init --engine rabbitmq`."""

import json
import os
import socket
import ssl
import subprocess
import sys
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from idro.protocol import topics
from idroserra.backup.create import make_backup
from idroserra.backup.restore import restore
from idroserra.broker import management
from idroserra.broker.certificates import broker_folder_of
from idroserra.broker.rabbitmq import MAX_IN_HAND, erlang_name
from idroserra.client.http import HostClient
from idroserra.mqtt import packets
from idroserra.provisioning import renewal
from support.cluster_clients import Client, host_of, is_still_there, node_of
from support.rabbitmq_cluster import MEMBERS, RabbitCluster
from support.real_host import KEY
from support.source_tree import ROOT
from support.tcp_link import TcpLink
from support.tls_node import TlsNode
from support.wait import wait_until

ONE, TWO = "lettuce", "basil"
ATTACK_S = float(os.environ.get("IDROSERRA_ATTACK_S", "4"))
GROWTH_MB = 100
PERIOD_S = 30
MACHINE_OFF = "127.0.0.7"


@pytest.fixture(scope="module")
def brokers(tmp_path_factory):
    with RabbitCluster(tmp_path_factory.mktemp("cluster")) as made:
        assert made.findings()["metadata of the cluster"][0] == "warn"
        made.enable_metadata()
        for node in (ONE, TWO):
            made.certificates.issue(node)
        yield made


@pytest.fixture(scope="module")
def link(brokers):
    """One address for all brokers, as a name with three addresses is."""
    with TcpLink(brokers.ports.node, hosts=MEMBERS) as made:
        yield made


def test_a_host_and_its_nodes_work_at_the_cluster(brokers, link, tmp_path):
    host = host_of(brokers, link.port, tmp_path)
    try:
        host.service.nodes.adopt(ONE, KEY)
        with closing(node_of(brokers, link.port, ONE)) as node:
            node.announce()
            node.live(5)
            host.settle(ONE, 5)
            wait_until(lambda: node.stored_upto, 10, "down/stored at the node")
            sent = host.client.post(f"/api/nodes/{ONE}/commands",
                                    json={"verb": "stop", "args": {}})
            assert sent.status_code == 202, sent.text
            wait_until(lambda: [one.verb for one in node.commands] == ["stop"], 10, "the stop")
    finally:
        host.stop()


def test_what_was_acknowledged_outlives_a_broker(brokers, link, tmp_path):
    host = host_of(brokers, link.port, tmp_path)
    host.service.nodes.adopt(ONE, KEY)
    with closing(node_of(brokers, link.port, ONE)) as node:
        node.announce()
        node.live(3)
        host.settle(ONE, 3)
        host.stop()  # its session remains
        node.live(4)  # each is acknowledged by the cluster
        brokers.members[0].kill()  # host, node and session were there
    try:
        host = host_of(brokers, link.port, tmp_path)
        host.settle(ONE, 7)
        with closing(node_of(brokers, link.port, ONE)) as node:
            node.live(9)  # its first seven numbers are stored already
            host.settle(ONE, 9)
    finally:
        host.stop()
        brokers.members[0].start()
        brokers.members[0].wait()


def test_a_cell_moves_to_another_machine(brokers, link, tmp_path):
    """By backup and restore. The old host still runs, by mistake: it gives way."""
    old = host_of(brokers, link.port, tmp_path / "old")
    old.service.nodes.adopt(ONE, KEY)
    with closing(node_of(brokers, link.port, ONE)) as node:
        node.announce()
        node.live(5)
        old.settle(ONE, 5)
        make_backup(old.config, tmp_path / "cell.backup", with_keys=True,
                    on_file=lambda name, size: None)
        restore(tmp_path / "cell.backup", tmp_path / "new", datetime.now(UTC), lambda _: None)
        new = host_of(brokers, link.port, tmp_path / "new")
        try:
            wait_until(lambda: "another host has connected" in old.counts()["broker"]["state"],
                       20, "the old host gives way")
            seq = node.live(3)
            wait_until(lambda: max(node.stored_upto.values()) == seq, 20, "the new host stores")
            assert new.counts()["broker"]["state"] == "connected"
            assert old.counts()["nodes"][ONE]["stored"] == 5
        finally:
            new.stop()
            old.stop()


def test_no_node_takes_the_session_of_another_or_of_the_host(brokers):
    with (closing(Client(brokers, ONE)) as good,
          closing(Client(brokers, "host", client_id="idroserra-host")) as host):
        assert good.is_accepted
        assert host.is_accepted
        for victim in (ONE, "idroserra-host"):
            with closing(Client(brokers, TWO, client_id=victim)) as bad:
                assert not bad.is_accepted, victim
        assert is_still_there(good)
        assert host.subscribe("idro/v1/+/up/#")


@pytest.mark.parametrize("wanted", [
    "#", "idro/#", "idro/v1/+/down/command", "idro/v1/+/up/telemetry",
    f"idro/v1/{ONE}/down/+", f"idro/v1/{ONE}/#", f"idro/v1/{TWO}/+/command", "$SYS/#"])
def test_a_node_subscribes_to_its_own_topics_only(brokers, wanted):
    with closing(Client(brokers, TWO)) as bad:
        assert bad.is_accepted
        assert not bad.subscribe(wanted)
    with closing(Client(brokers, TWO)) as bad:
        assert bad.subscribe(topics.every_down(TWO))


@pytest.mark.parametrize("topic", [
    f"idro/v1/{ONE}/up/telemetry", f"idro/v1/{ONE}/down/command", f"idro/v1/{TWO}/down/command",
    f"idro/v1/{TWO}/up/other", "idro/v1/host/up/status", "homeassistant/x", "a"])
def test_a_node_publishes_on_its_own_topics_only(brokers, topic):
    with closing(Client(brokers, "host", client_id="watch")) as host:
        assert host.subscribe("idro/v1/#")
        with closing(Client(brokers, TWO)) as bad:
            bad.publish(topic)
            assert bad.result() == ("connected", False)
        with closing(Client(brokers, TWO)) as good:
            good.publish(topics.up(TWO, "telemetry"))
            assert host.received.get(timeout=60) == topics.up(TWO, "telemetry")


def test_a_revoked_certificate_is_refused_and_its_connection_ends(brokers, tmp_path):
    brokers.certificates.issue("old")
    files = [tmp_path / path.name for path in brokers.files("old")]
    for copy, path in zip(files, brokers.files("old"), strict=True):
        copy.write_bytes(path.read_bytes())
    with closing(Client(brokers, "old", member=MEMBERS[2])) as node:
        assert node.is_accepted
        assert brokers.certificates.rotate("old")
        assert node.result() == ("connected", False)
        with (closing(Client(brokers, "old")) as renewed,
              closing(Client(brokers, "old", files=files)) as thief):
            assert renewed.is_accepted
            assert not thief.is_accepted
            assert is_still_there(renewed)
    assert brokers.certificates.revoke("old")
    with closing(Client(brokers, "old", files=files)) as thief:
        assert not thief.is_accepted


def test_a_node_gets_a_new_login_over_the_air(brokers, link, tmp_path, monkeypatch):
    monkeypatch.setattr(renewal, "PAUSES_S", (3.0,))
    name, certificates = "renewed", brokers.certificates
    certificates.issue(name)
    old = certificates.logins[name]
    host = host_of(brokers, link.port, tmp_path / "host")
    host.service.nodes.adopt(name, KEY)
    board = TlsNode(tmp_path / "board", name, link.port, certificates.server_ca,
                    certificates.files(name), KEY)
    board.start()
    try:
        host.settle(name, 1)
        certificates.prepare_renewal(name)
        assert {old, *certificates.renewals} <= set(logins(brokers))
        assert brokers.findings()["users of the cluster"][0] == "ok"
        assert renewal.renew(
            HostClient(host.url), certificates, name, 60, lambda text: None)
        assert certificates.logins[name] != old
        assert old not in logins(brokers)
        host.settle(name, host.counts()["nodes"][name]["stored"] + 2)
    finally:
        board.kill()
        host.stop()
    certificates.prepare_renewal(name)
    assert certificates.revoke(name)
    assert not set(logins(brokers)) - {*certificates.logins.values()} - {
        certificates.authority.cell, "guest"}


def logins(brokers):
    return [one["name"] for one in brokers.certificates.management.get("/users?columns=name")]


def test_no_file_of_a_broker_brings_a_revoked_certificate_back(brokers, tmp_path):
    """A broker that starts imports its definitions, unless they are those of the last import."""
    brokers.certificates.issue("old")
    brokers.write_files()
    files = [tmp_path / path.name for path in brokers.files("old")]
    for copy, path in zip(files, brokers.files("old"), strict=True):
        copy.write_bytes(path.read_bytes())
    assert brokers.certificates.revoke("old")
    brokers.members[0].control(
        "import_definitions", str(brokers.members[0].folder / "definitions.json"))
    with (closing(Client(brokers, ONE)) as good,
          closing(Client(brokers, "old", files=files)) as thief):
        assert good.is_accepted
        assert not thief.is_accepted


def test_the_host_has_many_messages_in_hand(brokers):
    """It acknowledges after a commit: with ten messages each, as RabbitMQ has it, it is slow."""
    with (closing(Client(brokers, "host", client_id="watch")) as host,
          closing(Client(brokers, ONE)) as node):
        host.paho.manual_ack_set(True)
        assert host.subscribe(f"idro/v1/{ONE}/up/#")
        for _ in range(MAX_IN_HAND):
            node.publish(topics.up(ONE, "telemetry"))
        for _ in range(MAX_IN_HAND):
            assert host.received.get(timeout=PERIOD_S)


def test_a_second_cell_shares_the_brokers_and_nothing_else(brokers, tmp_path):
    second = brokers.join(tmp_path / "second")
    second.issue(ONE)  # the same name as in the first cell
    files = second.files(ONE)
    host_files = second.folder / "host.pem", second.folder / "host.key"
    with (closing(Client(brokers, "host", client_id="watch")) as first_host,
          closing(Client(brokers, "host", client_id="watch", files=host_files)) as second_host,
          closing(Client(brokers, ONE)) as first_node,
          closing(Client(brokers, ONE, files=files)) as second_node):
        clients = first_host, second_host, first_node, second_node
        assert [one.is_accepted for one in clients] == [True] * 4
        for host in (first_host, second_host):
            assert host.subscribe("idro/v1/#")
        for node in (first_node, second_node):
            assert node.subscribe(topics.down(ONE, "command"))
        second_node.publish(topics.up(ONE, "event")).wait_for_publish(30)
        assert second_host.received.get(timeout=60) == topics.up(ONE, "event")
        second_host.publish(topics.down(ONE, "command")).wait_for_publish(30)
        assert second_node.received.get(timeout=60) == topics.down(ONE, "command")
        first_node.publish(topics.up(ONE, "ack")).wait_for_publish(30)
        assert first_host.received.get(timeout=60) == topics.up(ONE, "ack")
        assert first_node.received.empty()


def test_one_certificate_cannot_take_the_brokers_down(brokers):
    before_mb = [member.memory_mb for member in brokers.members]
    with (closing(Client(brokers, "host", client_id="watch")) as host,
          closing(Client(brokers, ONE)) as good):
        assert host.subscribe(f"idro/v1/{ONE}/up/#")
        cert, key = brokers.files(TWO)
        attacker = subprocess.Popen(
            [sys.executable, ROOT / "tests/support/broker_attack.py", MEMBERS[0],
             str(brokers.ports.node), brokers.certificates.server_ca, cert, key, TWO,
             str(ATTACK_S)], stdout=subprocess.PIPE)
        while attacker.poll() is None:
            good.publish(topics.up(ONE, "ack")).wait_for_publish(30)
            assert host.received.get(timeout=PERIOD_S) == topics.up(ONE, "ack")
        attacker.communicate()
        assert attacker.returncode == 0, "the attacker never got in"
        assert is_still_there(good)

    def growth_mb():
        return [member.memory_mb - before for member, before in
                zip(brokers.members, before_mb, strict=True)]

    print(f"memory of the brokers before: {before_mb}, more after: {growth_mb()}")
    # On a busy machine Erlang collects the garbage of the last seconds late.
    wait_until(lambda: max(growth_mb()) < GROWTH_MB, 60, f"growth of at most {GROWTH_MB} MB")
    kept = brokers.certificates.management.get(
        f"/queues/{brokers.certificates.authority.cell}?columns=name,messages")
    of_nodes = {one["name"] for one in kept} - {
        f"mqtt-subscription-{client}qos1" for client in ("idroserra-host", "watch", ONE)}
    assert of_nodes <= {f"mqtt-subscription-{TWO}qos1"}  # the attacker's one session


def test_a_client_without_a_certificate_is_refused(brokers):
    secured = ssl.create_default_context(cafile=str(brokers.certificates.server_ca))
    with (socket.create_connection((MEMBERS[1], brokers.ports.node), 30) as plain,
          suppress(ssl.SSLError, ConnectionError)):
        connection = secured.wrap_socket(plain, server_hostname="localhost")
        connection.sendall(packets.connect(ONE, None, None, 30, None, is_clean=True))
        assert connection.recv(4) == b""


def test_a_broker_that_is_off_is_waited_for_once(brokers, monkeypatch):
    """Its machine refuses nothing, so that each wait for it takes the whole time limit."""
    monkeypatch.setattr(management, "ANSWER_S", 1.0)
    certificates = brokers.certificates
    with socket.create_server((MACHINE_OFF, brokers.ports.management)) as off:
        off.setblocking(False)
        api = management.Management(
            msgspec.structs.replace(certificates.cluster, members=[MACHINE_OFF, *MEMBERS]),
            certificates.authority.cell, certificates.server_ca, *brokers.files("host"))
        api.add("0123456789ab", "ghost")
        api.remove("0123456789ab")
        off.accept()[0].close()
        with pytest.raises(BlockingIOError):
            off.accept()


def test_the_doctor_names_what_is_wrong_with_a_cluster(brokers):
    found = brokers.findings()
    assert {name: state for name, (state, _) in found.items()} == {
        "name of the cluster": "warn", "brokers of the cluster": "ok", "RabbitMQ": "ok",
        "metadata of the cluster": "ok", "users of the cluster": "ok", "session": "ok"}, found
    assert f"{MEMBERS[0]} does not lead to {MEMBERS[1]}, {MEMBERS[2]}" in (
        found["name of the cluster"][1])
    api = brokers.certificates.management
    api.add("0123456789ab", "host")  # as of a certificate of the host that was replaced
    state, text = brokers.findings()["users of the cluster"]
    assert state == "warn"
    assert text.endswith("rabbitmqctl delete_user 0123456789ab")
    brokers.members[0].control("delete_user", "0123456789ab")
    brokers.members[2].kill()
    state, text = brokers.findings()["brokers of the cluster"]
    assert state == "warn"
    assert f"{MEMBERS[2]}:{brokers.ports.management}" in text
    assert f"{MEMBERS[0]} is without {erlang_name(MEMBERS[2])}" in text
    brokers.members[2].start()
    brokers.members[2].wait()
    api.remove(brokers.certificates.logins[ONE])
    api.delete(f"/policies/{brokers.certificates.authority.cell}/sessions")
    found = brokers.findings()
    assert found["users of the cluster"][0] == "fail"
    assert f"does not know {ONE}" in found["users of the cluster"][1]
    assert found["limits of sessions"][0] == "fail"
    assert f"`idroserra broker node {ONE}`" in found["users of the cluster"][1]
    brokers.certificates.issue(ONE)  # what the advice says
    brokers.members[0].control(
        "import_definitions", str(brokers.members[0].folder / "definitions.json"))
    assert brokers.findings()["users of the cluster"][0] == "ok"
    assert "limits of sessions" not in brokers.findings()


def test_definitions_hold_no_password(brokers):
    folder = broker_folder_of(brokers.data_dir)
    for path in folder.rglob("*"):
        if path.is_file():
            assert brokers.certificates.cluster.password not in path.read_text()
            assert path.stat().st_mode & 0o077 == 0
    users = json.loads((folder / MEMBERS[0] / "definitions.json").read_text())["users"]
    assert [one["name"] for one in users if one["password_hash"]] == [
        brokers.certificates.authority.cell]
    assert Path(brokers.certificates.folder / "cluster.json").stat().st_mode & 0o077 == 0

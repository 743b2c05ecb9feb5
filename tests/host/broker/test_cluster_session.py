"""The doctor and the session of the host: a broker without a copy of it, and one whose copy is
broken. What the doctor advises is done, word for word."""

import shutil
from contextlib import closing

import pytest

from idro.protocol import topics
from idroserra.broker.rabbitmq import erlang_name
from support.cluster_clients import Client
from support.rabbitmq_cluster import RabbitCluster
from support.wait import wait_until

SESSION, NODE = "mqtt-subscription-idroserra-hostqos1", "lettuce"
TAKEN = 5_000  # messages: two entries of the log each, and a segment has 4,096
WAITING = 50


@pytest.fixture(scope="module")
def brokers(tmp_path_factory):
    """A cluster where the host has taken many messages, so that its session has snapshots."""
    with RabbitCluster(tmp_path_factory.mktemp("cluster")) as made:
        made.enable_metadata()
        made.certificates.issue(NODE)
        with closing(host_at(made, made.members[0])) as host:
            send(made, TAKEN)
            for _ in range(TAKEN):
                host.received.get(timeout=60)
        yield made


def host_at(brokers, member):
    """Return a client with the session of the host."""
    client = Client(brokers, "host", client_id="idroserra-host", is_kept=True,
                    member=member.address)
    assert client.subscribe("idro/v1/+/up/#")
    return client


def send(brokers, count):
    """Publish messages of a node that the brokers confirm."""
    with closing(Client(brokers, NODE)) as node:
        for sent in [node.publish(topics.up(NODE, "telemetry")) for _ in range(count)]:
            sent.wait_for_publish(60)


def folder_of_copy(member):
    """Return the folder of a broker's only quorum queue."""
    [snapshots] = member.state.glob("*/quorum/*/*/snapshots")
    return snapshots.parent


def warning(brokers):
    """Return what the doctor finds about sessions and its commands, once it warns."""
    wait_until(lambda: brokers.findings()["session"][0] == "warn", 60, "the doctor's warning")
    found, _, advice = brokers.findings()["session"][1].partition(": ")
    return found, [command.split() for command in advice.split(": ")[1].split("; ")]


def test_a_broker_lacks_the_session(brokers):
    assert brokers.findings()["session"] == ("ok", "kept at 3 brokers: ")
    cell, name = brokers.certificates.authority.cell, erlang_name(brokers.members[2].address)
    brokers.members[0].run("rabbitmq-queues", "delete_member", "--vhost", cell, SESSION, name)
    found, commands = warning(brokers)
    assert found == f"not kept at {name}"
    for command in commands:
        brokers.members[1].run(*command)
    wait_until(lambda: brokers.findings()["session"][0] == "ok", 60, "no warning any more")


def test_a_broker_has_a_broken_copy_of_the_session(brokers):
    """As after a full disk: RabbitMQ finds a gap in the log of the queue and refuses it at each
    start. Here its beginning is missing: the snapshot, and all segments but the last."""
    broken = brokers.members[1]
    copy = folder_of_copy(broken)
    logs = list(copy.parent.glob("*.wal"))
    broken.control("eval", "ra_log_wal:force_roll_over(ra_log_wal).")
    wait_until(lambda: not any(log.exists() for log in logs), 60, "the log is in segments")
    broken.kill()
    shutil.rmtree(copy / "snapshots")
    for segment in sorted(copy.glob("*.segment"))[:-1]:
        segment.unlink()
    found, _ = brokers.findings()["session"]
    assert found == "ok", "a broker that is off has a finding of its own"
    broken.start()
    broken.wait()
    assert "gap_between_snapshot_and_first_index" in (broken.folder / "log").read_text()
    send(brokers, WAITING)
    found, commands = warning(brokers)
    assert found == f"its copy at {erlang_name(broken.address)} does not run"
    assert [command[1] for command in commands] == ["delete_member", "grow"]
    for command in commands:
        brokers.members[0].run(*command)
    wait_until(lambda: brokers.findings()["session"][0] == "ok", 60, "no warning any more")
    with closing(host_at(brokers, broken)) as host:
        for _ in range(WAITING):
            host.received.get(timeout=60)

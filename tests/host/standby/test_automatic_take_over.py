"""A standby takes over by itself where a cluster of brokers has not seen the host for 30 s."""

import os
import subprocess
import sys
import time
from contextlib import closing

import pytest

from idroserra.broker.local import free_port
from idroserra.nodes.registry import Nodes as Registry
from idroserra.standby.cluster_watch import GONE_AFTER_S, ClusterWatch
from idroserra.standby.fence import old_login
from idroserra.standby.replicator import TAKEN_OVER
from support.cluster_clients import Client, node_of
from support.rabbitmq_cluster import MEMBERS, RabbitCluster
from support.real_host import KEY
from support.standby_rig import HostChild
from support.tcp_link import TcpLink
from support.wait import wait_until

NODE = "lettuce"


@pytest.fixture
def brokers(tmp_path):
    with RabbitCluster(tmp_path / "cluster") as made:
        made.certificates.issue(NODE)
        yield made


@pytest.fixture
def link(brokers):
    with TcpLink(brokers.ports.node, hosts=MEMBERS) as made:
        yield made


def config_of(data_dir, port, **standby):
    line = data_dir / "line"
    return {"site": "test", "data_dir": str(data_dir), "http": {"port": free_port()},
            "mqtt": {"url": f"mqtts://localhost:{port}", "cert_file": str(line / "host.pem"),
                     "key_file": str(line / "host.key"), "ca_file": str(line / "brokers.pem")},
            "standby": standby}


def is_connected(brokers):
    connections = brokers.certificates.management.get(
        f"/vhosts/{brokers.certificates.authority.cell}/connections?columns=user")
    return [one["user"] for one in connections].count(old_login(brokers.data_dir)) == 2


def toml_of(config):
    head = [f'{key} = "{value}"' for key, value in config.items() if isinstance(value, str)]
    tables = [line for name, table in config.items() if isinstance(table, dict) for line in (
        f"[{name}]", *(f"{key} = {value if isinstance(value, int) else repr(value)}"
                       for key, value in table.items()))]
    return "\n".join([*head, *tables]) + "\n"


def test_the_standby_takes_over_and_the_old_host_stays_out(brokers, link, tmp_path):
    """The old host is killed, later started again: the cluster refuses it."""
    copies = tmp_path / "copies"
    copies.mkdir()
    old = config_of(brokers.data_dir, link.port, url=copies.as_uri())
    registry = Registry(brokers.data_dir / "state.db", "test")
    registry.adopt(NODE, KEY)
    registry.close()
    host = HostChild(old, tmp_path / "a.log")
    file = tmp_path / "b.toml"
    file.write_text(toml_of(config_of(tmp_path / "b", link.port, folder=str(copies))))
    log = tmp_path / "b.log"
    with log.open("wb") as output:
        standby = subprocess.Popen(
            [sys.executable, "-m", "idroserra.cli", "standby", "follow", "--automatic",
             "--config", str(file)], stdout=output, stderr=output,
            env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        with closing(node_of(brokers, link.port, NODE)) as node:
            # What comes before the subscription of the host is lost.
            wait_until(lambda: is_connected(brokers), 20, "the host is connected")
            node.announce()
            seq = node.live(5)
            wait_until(lambda: max(node.stored_upto.values(), default=0) == seq, 20, "stored")
            wait_until(lambda: b"following" in log.read_bytes(), 20, log.read_text())
            wait_until(lambda: b"not automatic now" not in log.read_bytes().splitlines()[-1], 20,
                       "the cluster answers the standby")
            host.kill()
            killed_s = time.monotonic()
            seq = node.live(5)
            wait_until(lambda: max(node.stored_upto.values()) == seq or standby.poll() is not None,
                       90, "the new host stores")
            assert standby.poll() is None, log.read_text()
            took_s = time.monotonic() - killed_s
            print(f"from the kill to the first confirmation: {took_s:.0f} s")
            host = HostChild(old, tmp_path / "a.log")
            wait_until(lambda: TAKEN_OVER in (tmp_path / "a.log").read_text(), 3,
                       "the old host leaves")
            assert not Client(brokers, "host", client_id="idroserra-host").is_accepted
            seq = node.live(3)
            wait_until(lambda: max(node.stored_upto.values()) == seq, 20, "the new host serves")
            assert took_s < 90
    finally:
        host.kill()
        standby.terminate()
        standby.wait(60)


def test_a_standby_that_reaches_no_broker_never_takes_over(tmp_path):
    watch = ClusterWatch(tmp_path)
    assert not watch.is_gone(0.0)
    assert not watch.is_gone(GONE_AFTER_S * 100)
    assert watch.problem

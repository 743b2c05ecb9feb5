"""Fixtures of the tests of stops: a host and a node that answers nothing, on a real broker."""

import pytest

from support.node_client import NodeClient
from support.stop_host import KEY, NODE, Host


@pytest.fixture
def node(mosquitto):
    node = NodeClient(mosquitto.port, NODE, KEY)
    node.outcome = None
    node.start()
    yield node
    node.stop()


@pytest.fixture
def host(tmp_path, mosquitto, node, eventually):
    host = Host(tmp_path, mosquitto.port)
    host.nodes.adopt(NODE, KEY)
    host.nodes.set_info(NODE, node.info())
    host.nodes.set_online(NODE, True)
    host.nodes.set_uptime(NODE, node.boot_id, 10_000, host.wall.unix_ms)
    host.link.start()
    eventually(lambda: host.link.is_connected and node.is_ready.is_set(), 10, "both")
    yield host
    host.link.stop()
    host.close()

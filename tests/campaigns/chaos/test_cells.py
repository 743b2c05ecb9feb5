"""The short variant of `make chaos ARGS="--only cluster"`."""

import random
import socket
import struct
import threading
from types import SimpleNamespace

import pytest

from campaigns.chaos import cell_faults
from campaigns.chaos.cells import CellRig, Commands
from support.erlang_network import ErlangNetwork
from support.raw_server import answer, raw_server
from support.wait import wait_until

MINUTE_S = 60


def test_three_cells_lose_nothing_at_three_brokers_under_every_fault(tmp_path):
    chance = random.Random(3)
    with CellRig(tmp_path, "influx", nodes=2) as rig:
        rig.flow()
        cell_faults.kill_broker(rig.brokers.members[1], 0)
        cell_faults.kill_server(rig.cells[0].host, 0)
        cell_faults.kill_server(rig.database, 1)
        cell_faults.part(rig, rig.brokers.members[2].address, 3)
        cell_faults.fill_disk(rig, chance)
        recovered_s = rig.recover()
        counts, books = rig.finish()
    assert (counts.lost, counts.doubled, counts.wrong) == (0, 0, 0)
    assert books["received"] == books["stored"] == counts.taken > 0
    assert books["lost"] == books["rejected"] == 0
    assert recovered_s < MINUTE_S
    assert rig.report["commands"]["done"] > 0


def test_an_answer_to_a_command_that_no_host_may_give_fails_the_campaign():
    with raw_server(answer(b"{}", "500 Oops")) as server:
        commands = Commands([SimpleNamespace(
            host=SimpleNamespace(url=server.url), nodes=["idro-0000"])])
        wait_until(lambda: server.requests, 10, "a command")
        with pytest.raises(AssertionError, match="{}"):
            commands.end()


def test_a_network_that_cannot_listen_leaves_no_thread_that_keeps_the_process_alive():
    network = ErlangNetwork({"127.0.0.2": 1, "127.0.0.3": 1})
    before = set(threading.enumerate())
    last = network._links["127.0.0.3", "127.0.0.2"]
    with (socket.create_server(("127.0.0.2", last.port)), pytest.raises(OSError, match="in use"),
          network):
        pass
    assert set(threading.enumerate()) == before


def test_each_start_of_a_member_has_a_number_of_its_own():
    """With the same one, messages to processes before a restart would reach others after it."""
    with ErlangNetwork({"127.0.0.2": 1, "127.0.0.3": 1}) as network:
        numbers = []
        for member in ("127.0.0.2", "127.0.0.3", "127.0.0.2"):
            with socket.create_connection((member, network.ports[member]), 10) as connection:
                connection.sendall(b"\0\1x")
                kind, result, number = struct.unpack(">BBL", connection.recv(6))
                assert (kind, result) == (118, 0)
                numbers.append(number)
    assert len(set(numbers)) == 3

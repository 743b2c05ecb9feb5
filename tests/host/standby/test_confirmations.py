"""What waits for a standby, and what does not."""

import json
import socket
import subprocess
import sys

from idro.protocol.messages import Batch, Record
from idroserra.core import protocol
from idroserra.history.sqlite.store import SqliteStore
from idroserra.ingest.confirmations import Confirmations
from idroserra.ingest.received import Received
from idroserra.ingest.spool import Spool
from idroserra.ingest.store_writer import StoreWriter
from support.real_host import Host
from support.ssh_server import SshServer
from support.wait import wait_until

NODE = "idro-a1"
T0 = 1_767_225_600_000


class Link:
    """What Confirmations uses of a connection."""

    def __init__(self):
        self.sent = []

    def now_unix_ms(self):
        return T0

    def publish_qos0(self, messages):
        self.sent += messages


class Standby:
    """Whether a standby has what was committed, as the test says."""

    has_all = False
    is_copied = True  # the store is a file of the host

    def has_spool(self):
        return self.has_all

    def has_store(self):
        return self.has_all

    def may_move(self):
        return self.is_copied or self.has_all


def message(node, stored):
    assert isinstance(stored, protocol.Stored)
    return f"{stored.boot_id} {stored.seq_upto} {stored.sent_at_ms}".encode()


def test_a_confirmation_waits_for_the_standby_and_the_newest_is_sent():
    link, standby = Link(), Standby()
    confirmations = Confirmations(link, message, standby)
    confirmations.add({(NODE, "b1"): 3, (NODE, "b2"): 1}, {(NODE, "b1"): 500})
    confirmations.step()
    confirmations.add({(NODE, "b1"): 7}, {(NODE, "b1"): 900})
    assert link.sent == []
    standby.has_all = True
    confirmations.step()
    assert link.sent == [("idro/v1/idro-a1/down/stored", b"b1 7 900"),
                         ("idro/v1/idro-a1/down/stored", b"b2 1 None")]
    confirmations.step()
    assert len(link.sent) == 2


def test_without_a_standby_a_confirmation_is_sent_at_once():
    link = Link()
    Confirmations(link, message, None).add({(NODE, "b1"): 3}, {})
    assert link.sent == [("idro/v1/idro-a1/down/stored", b"b1 3 None")]


def test_the_spool_keeps_what_the_standby_lacks_and_the_store_goes_on(tmp_path):
    spool, store = Spool(tmp_path / "spool.db"), SqliteStore(tmp_path / "store.db")
    standby = Standby()
    writer = StoreWriter(spool, store, lambda: T0, copies=standby)

    def commit(first, last):
        records = [Record(seq, seq * 1_000, {"reservoir.ph": 6.0}, {})
                   for seq in range(first, last + 1)]
        spool.commit([Received(NODE, "telemetry", Batch("b1", T0, None, 1, records), T0)])

    def stored():
        return store.info().points

    commit(1, 3)
    assert writer.move_block() == 3
    commit(4, 5)
    assert writer.move_block() == 2, "only what is new"
    assert (writer.move_block(), spool.depth, stored()) == (0, 5, 5)
    assert not writer.drain(0.5)
    again = StoreWriter(spool, store, lambda: T0, copies=standby)  # the host starts again
    assert again.move_block() == 5
    standby.has_all = True
    assert (again.move_block(), spool.depth, stored()) == (0, 0, 5)
    commit(6, 6)  # the numbers of rows begin again
    assert (again.move_block(), spool.depth, stored()) == (1, 0, 6)
    standby.is_copied = standby.has_all = False
    commit(7, 9)
    assert (writer.move_block(), stored()) == (0, 6), "a database that is not copied waits"
    standby.has_all = True
    assert (again.move_block(), spool.depth, stored()) == (3, 0, 9)
    counts = spool.counts()[NODE]
    assert (counts["received"], counts["stored"]) == (9, 9)
    store.close()
    spool.close()


def test_a_stop_and_the_live_page_do_not_wait_for_the_standby(tmp_path, mosquitto):
    """Its machine does not answer: connections hang, as to one without power."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = SshServer(tmp_path / "ssh")
        url = server.url(tmp_path).replace(str(server.port), str(silent.getsockname()[1]))
        host = Host(tmp_path / "data", mosquitto.port, wait_until,
                    more={"standby": {"url": url, **server.settings}})
        try:
            node = host.node(NODE)
            seq = node.live(5)
            wait_until(lambda: host.counts()["nodes"][NODE]["received"] == 5, 10, "received")
            assert host.view(NODE)["channels"]["reservoir.ph"]["value"] is not None
            sent = host.client.post(f"/api/nodes/{NODE}/commands",
                                    json={"verb": "stop", "args": {}})
            assert sent.status_code == 202, sent.text
            wait_until(lambda: [one.verb for one in node.commands] == ["stop"], 10, "the stop")
            assert seq
            assert node.stored_upto == {}
            assert host.counts()["standby"]["state"] != "ok"
        finally:
            host.stop()


def test_the_doctor_checks_both_ends(tmp_path):
    server = SshServer(tmp_path / "ssh")
    (tmp_path / "copies").mkdir()

    def found(**standby):
        config = tmp_path / "host.toml"
        tables = "\n".join(f"{key} = {value!r}" for key, value in standby.items())
        config.write_text(f"data_dir = '{tmp_path / 'data'}'\n[standby]\n{tables}\n")
        done = subprocess.run(
            [sys.executable, "-m", "idroserra.cli", "doctor", "--json", "--config", str(config)],
            capture_output=True, text=True, check=False)
        return {one["name"]: one["state"] for one in json.loads(done.stdout)["checks"]}

    with server:
        ends = {"url": server.url(tmp_path / "copies"), **server.settings,
                "folder": str(tmp_path / "copies")}
        checks = found(**ends)
        assert (checks["Litestream"], checks["standby"], checks["followed host"]) == (
            "ok", "ok", "fail")
    assert found(**ends)["standby"] == "fail"

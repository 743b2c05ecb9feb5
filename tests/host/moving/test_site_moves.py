"""`idroserra move` between two hosts at a cluster of real brokers, with a node in MicroPython."""

import shutil
import sqlite3
from contextlib import ExitStack, closing
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from idroserra.broker import cluster
from idroserra.cli.main import app
from idroserra.client.http import HostClient
from idroserra.core.config import load_config
from idroserra.history.factory import open_store
from idroserra.inventory.database import Bottle, InventoryDatabase
from idroserra.moving.package import MoveError
from idroserra.moving.take import take
from idroserra.nodes.registry import Nodes
from idroserra.provisioning import renewal
from idroserra.server.service import Service
from support.photos import picture
from support.rabbitmq_cluster import MEMBERS, RabbitCluster
from support.real_host import KEY, Host
from support.tcp_link import TcpLink
from support.tls_node import TlsNode
from support.wait import wait_until

NODE, STAYS, SITE = "basil", "lettuce", "Hall 2"
FOREVER_MS = 2**42


class HostAt:
    """A host of a cell that can be stopped and started, and its command line."""

    def __init__(self, name, certificates, port):
        self.name, self.certificates, self._port = name, certificates, port
        self.data_dir = certificates.folder.parent
        self._mqtt = {
            "url": f"mqtts://localhost:{port}", "ca_file": str(certificates.server_ca),
            "cert_file": str(certificates.folder / "host.pem"),
            "key_file": str(certificates.folder / "host.key")}
        self.config = self.data_dir.with_name("host.toml")
        self.config.write_text(f'site = "{name}"\ndata_dir = "{self.data_dir}"\n')

    def start(self):
        self.running = Host(self.data_dir, self._port, wait_until, more={
            "mqtt": self._mqtt, "site": self.name})

    def stop(self):
        self.running.stop()

    def run(self, *words, is_running=True, fails=False):
        """Run `idroserra move` and return what it prints."""
        url = ["--url", self.running.url] if is_running else []
        config = [] if words[0] in ("send", "forget", "cancel") else ["--config", self.config]
        done = CliRunner().invoke(app, [
            str(word) for word in ("move", *words, *config, *url)])
        assert (done.exit_code != 0) == fails, f"{done.output} {done.exception!r}"
        return str(done.exception) if fails else done.output

    def counters(self, node=NODE):
        return self.running.counts()["nodes"].get(node, {})


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Yield two running hosts, one node that moves and one that stays."""
    folder = tmp_path_factory.mktemp("cells")
    with ExitStack() as opened:
        brokers = opened.enter_context(RabbitCluster(folder / "one"))
        link = opened.enter_context(TcpLink(brokers.ports.node, hosts=MEMBERS))
        old = HostAt("old", brokers.certificates, link.port)
        new = HostAt("new", brokers.join(folder / "two" / "data"), link.port)
        for host in (old, new):
            host.start()
            opened.callback(host.stop)
        for node in (NODE, STAYS):
            old.certificates.issue(node)
            old.running.service.nodes.adopt(node, KEY)
        old.running.service.nodes.move(NODE, SITE)
        board = TlsNode(folder / "board", NODE, link.port, old.certificates.server_ca,
                        old.certificates.files(NODE), KEY)
        board.start()
        opened.callback(board.kill)
        old.running.settle(NODE, 3)
        yield SimpleNamespace(old=old, new=new, board=board, brokers=brokers, folder=folder)


def fill(host):
    """Give the site what a host keeps beside the records of its nodes; return its note."""
    service, client = host.running.service, host.running.client
    for path, body in (("title", {"title": "Basil, left"}),
                       ("config", {"values": {"ph.target": 5.7}, "by": "ann"})):
        answer = client.put(f"/api/nodes/{NODE}/{path}", json=body)
        assert answer.status_code < 300, answer.text
    service.alarm_settings.set_rule("no_contact", NODE, {"delay_s": 900}, "ann")
    with closing(InventoryDatabase(host.data_dir / "alarms.db")) as inventory:
        inventory.fill(Bottle(NODE, "ph_down", 1_000_000, 1, "ann"))
    answer = client.post("/api/journal", json={
        "node": NODE, "kind": "note", "unix_ms": 10**12, "text": "sown", "by": "ann"})
    assert answer.status_code == 201, answer.text
    note = answer.json()
    photo = client.post(f"/api/journal/{note['id']}/photos", content=picture((64, 48)),
                        headers={"Content-Type": "image/jpeg"})
    assert photo.status_code == 201, photo.text
    return photo.json()


def kept(host, note):
    """Return what a host has of the site beside the records, as fill() gave it."""
    client = host.running.client
    view, found = host.running.view(NODE), client.get(f"/api/journal/{note['id']}")
    photo = f"/api/journal/{note['id']}/photos/{note['photos'][0]['id']}"
    with closing(InventoryDatabase(host.data_dir / "alarms.db")) as inventory:
        bottles = [one for one in inventory.fillings() if one.node == NODE]
    rules = host.running.service.alarm_settings
    return {
        "site": view["site"], "title": view["title"], "bottles": bottles,
        "target": view["config"]["values"]["ph.target"], "wanted": view["config"]["rev"],
        "note": found.json(), "rule": rules.is_changed("no_contact", NODE, "delay_s"),
        "photos": [client.get(photo, params=size).content for size in ({}, {"size": "small"})]}


def stored(host):
    """Return the times of the readings of the node, and the numbers of its events, in a store."""
    with closing(open_store(load_config(host.config))) as store:
        instants = store.instants(NODE, 0, FOREVER_MS)
        events = store.events(NODE, 0, FOREVER_MS)
    return ([one.unix_ms for one in instants],
            sorted((one.boot_id, one.seq) for one in events))


@pytest.fixture(scope="module")
def packed(cells):
    """Yield the package of the site and its note."""
    note = fill(cells.old)
    package = cells.folder / "hall.move"
    for _ in range(2):
        assert "1 nodes" in cells.old.run("pack", SITE, package)
    assert package.stat().st_mode & 0o077 == 0
    assert not list(cells.folder.glob("hall.move?*"))
    return SimpleNamespace(path=package, note=note)


@pytest.mark.parametrize(("change", "why"), [
    ("UPDATE about SET version='0.0.1'", "update both hosts"),
    ("UPDATE about SET brokers_ca='of others'", "a host at other brokers"),
    ("DROP TABLE moving", "not a whole package"),
    ("UPDATE moved_nodes SET key=zeroblob(32)", "another node of this name"),
])
def test_a_package_that_does_not_fit_is_refused(cells, packed, tmp_path, change, why):
    folder, bad = tmp_path / "data", tmp_path / "bad.move"
    cluster.init(folder, "third", MEMBERS, ["localhost"], node_port=1, management_port=2,
                 joins=cells.brokers.certificates.authority.path)
    config = load_config(overrides={"data_dir": str(folder)})
    Service(config).stop()
    with closing(Nodes(folder / "state.db", "third")) as nodes:
        nodes.adopt(NODE, KEY)
    shutil.copyfile(packed.path, bad)
    with closing(sqlite3.connect(bad)) as package, package:
        package.execute(change)
    with pytest.raises(MoveError, match=why):
        take(config, cluster.ClusterCertificates(folder), bad)


def test_a_package_that_was_not_copied_whole_is_refused(cells, packed, tmp_path):
    bad = tmp_path / "bad.move"
    bad.write_bytes(packed.path.read_bytes()[:-5_000])
    config = load_config(overrides={"data_dir": str(tmp_path / "data")})
    with pytest.raises(MoveError, match="damaged|not a whole package"):
        take(config, cells.new.certificates, bad)


def test_neither_the_host_itself_nor_a_running_one_takes_it(cells, packed):
    assert "a host is running" in cells.new.run(
        "take", packed.path, is_running=False, fails=True)
    cells.old.stop()
    assert "of this host" in cells.old.run("take", packed.path, is_running=False, fails=True)
    cells.old.start()
    wait_until(lambda: cells.old.running.view(NODE)["online"], 60, "the node")


def test_a_site_moves_to_another_cell(cells, packed, monkeypatch):
    """All commands in order, each of them repeated as after an interruption."""
    monkeypatch.setattr(renewal, "PAUSES_S", (3.0,))
    old, new, package, note = cells.old, cells.new, packed.path, packed.note
    before = kept(old, note)
    confirmed = old.counters()["stored"]
    new.stop()
    for _ in range(2):
        new.run("take", package, is_running=False)
    new.start()
    assert not new.running.view(NODE)["online"]
    for _ in range(2):
        old.run("send", f"{package}.certificates")
    for _ in range(2):
        assert f"{NODE}: is here" in new.run("finish", package)
    for _ in range(2):
        old.run("forget", f"{package}.arrived")
    assert [one["node"] for one in HostClient(old.running.url).nodes()] == [STAYS]
    assert not old.certificates.files(NODE)[0].exists()

    count = new.counters()["stored"]
    wait_until(lambda: new.counters()["stored"] > count, 60, "more records")
    assert kept(new, note) == before
    cells.board.kill()
    assert not cells.board.errors
    wait_until(lambda: new.counters()["stored"] == new.counters()["received"], 60, "the store")
    counters = new.counters()
    assert counters["lost"] == 0
    assert counters["stored"] > confirmed
    times, events = stored(new)
    assert len(times) + len(events) == counters["stored"]
    new.stop()
    assert "runs at this host already" in new.run("take", package, is_running=False, fails=True)
    new.start()
    assert cells.board.certificate == new.certificates.take(
        NODE, new.certificates.files(NODE)[1].read_text())

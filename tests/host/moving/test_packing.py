"""A package has all that its host confirmed; without one, the host goes on confirming."""

import sqlite3
import time
from contextlib import closing
from itertools import count

import pytest

from idroserra.broker import cluster
from idroserra.client.http import HostClient
from idroserra.doctor.nodes import check_leaving
from idroserra.history.models import SamplePoint
from idroserra.history.sqlite.store import SqliteStore
from idroserra.ingest.spool import Spool
from idroserra.moving.pack import _wait_until_stored, pack
from idroserra.moving.package import MoveError
from support.real_host import KEY, Host
from support.samples import write_samples
from support.wait import wait_until

NODE, OTHER, SITE = "basil", "lettuce", "Hall 2"
DAY_MS = 86_400_000


@pytest.fixture
def host(tmp_path, mosquitto):
    running = Host(tmp_path / "data", mosquitto.port, wait_until)
    running.service.nodes.adopt(NODE, KEY, SITE)
    yield running
    running.stop()


@pytest.fixture
def packed(host):
    """Return a function that packs the site."""
    cluster.init(host.config.data_dir, "one", ("a.lan", "b.lan", "c.lan"), ["localhost"],
                 node_port=1, management_port=2)
    certificates = cluster.ClusterCertificates(host.config.data_dir)
    key = certificates.files(NODE)[1]
    key.parent.mkdir(exist_ok=True)
    key.write_text("its key")
    return lambda out, on_progress=lambda *_: None: pack(
        host.config, HostClient(host.url), certificates, SITE, out, on_progress)


def is_leaving(host):
    return host.service.nodes.get(NODE).leaving_until_unix_ms > time.time() * 1_000


def test_what_comes_while_it_copies_is_in_the_package(host, packed, tmp_path):
    """Also beside a reading of the days to come, which a wrong clock has made the newest."""
    now_ms = time.time_ns() // 1_000_000

    def write(*times):
        write_samples(host.service.store, [
            SamplePoint(NODE, "reservoir.ph", unix_ms, 6.0) for unix_ms in times], [])

    def on_progress(node, done_ms, total_ms):
        if done_ms == total_ms:
            write(now_ms)

    write(now_ms - 20 * DAY_MS, now_ms + 3 * DAY_MS)
    assert packed(tmp_path / "site.move", on_progress) == [NODE]
    assert is_leaving(host)
    with closing(SqliteStore(tmp_path / "site.move")) as store:
        assert [one.unix_ms for one in store.instants(NODE, 0, 2**42)] == [
            now_ms - 20 * DAY_MS, now_ms, now_ms + 3 * DAY_MS]


def test_the_doctor_names_the_nodes_that_leave(host, packed, tmp_path):
    assert not list(check_leaving(host.config.data_dir))
    packed(tmp_path / "site.move")
    found, = check_leaving(host.config.data_dir)
    assert found.state == "warn"
    assert NODE in found.found
    host.service.nodes.let_go(NODE, 0)
    assert not list(check_leaving(host.config.data_dir))


def test_without_a_package_the_host_goes_on_confirming(host, packed, tmp_path):
    out = tmp_path / "site.move"
    out.mkdir()
    with pytest.raises(MoveError, match="directory"):
        packed(out)
    assert not is_leaving(host)
    assert sorted(one.name for one in tmp_path.glob("site.move*")) == ["site.move"]


def test_what_a_power_cut_left_of_a_package_is_removed(host, packed, tmp_path):
    for end in ("", "-wal", "-journal"):
        (tmp_path / f"site.move.part{end}").write_bytes(b"old")
    packed(tmp_path / "site.move")
    assert [one.name for one in tmp_path.glob("site.move*")] == ["site.move"]


def test_a_node_that_no_host_can_confirm_is_not_packed(host, packed, tmp_path):
    host.service.nodes.record_message(OTHER, 1)
    host.service.nodes.move(OTHER, SITE)
    with pytest.raises(MoveError, match=f"{OTHER}: is not adopted"):
        packed(tmp_path / "site.move")
    assert not is_leaving(host)


def test_the_records_of_others_do_not_hold_it_up(tmp_path):
    """A spool that becomes empty numbers its rows from 1 again."""
    part = tmp_path / "part"
    Spool(tmp_path / "spool.db").close()
    with closing(sqlite3.connect(part)) as package, package:
        package.executescript("CREATE TABLE moved_waiting (id); CREATE TABLE moving (node);"
                              "INSERT INTO moved_waiting VALUES (9)")
        package.execute("INSERT INTO moving VALUES (?)", (NODE,))

    def wait_beside(node):
        with closing(sqlite3.connect(tmp_path / "spool.db")) as spool, spool:
            spool.execute("DELETE FROM pending")
            spool.execute("INSERT INTO pending VALUES (3,?,'b1',0,'event',1,'[]')", (node,))
        _wait_until_stored(part, tmp_path, count(0, 1_000).__next__)

    wait_beside(OTHER)
    with pytest.raises(MoveError, match="does not take the records"):
        wait_beside(NODE)

"""When a host takes a package in, and what it refuses to replace; without a cluster."""

import sqlite3
from contextlib import closing
from importlib.metadata import version

import pytest

from idro.protocol.messages import Batch, Record
from idroserra.broker import cluster
from idroserra.core.config import load_config
from idroserra.ingest.received import Received
from idroserra.ingest.spool import Spool
from idroserra.moving.package import PARTS, SCHEMA, MoveError, save_rows
from idroserra.moving.take import take
from idroserra.nodes.registry import Nodes
from idroserra.server.service import Service

NODE, KEY, NOW = "basil", bytes(range(32)), 1_795_507_200_000
MEMBERS = ("a.lan", "b.lan", "c.lan")


def start_once(folder):
    config = load_config(overrides={"data_dir": str(folder), "site": "test"})
    Service(config).stop()
    return config


def receive(folder, *seqs):
    records = [Record(seq, seq * 1_000, {"reservoir.ph": 6.0}, {}) for seq in seqs]
    with closing(Spool(folder / "spool.db")) as spool:
        spool.commit([Received(NODE, "telemetry", Batch("b1", None, None, 1, records), NOW)])


@pytest.fixture
def certificates(tmp_path):
    cluster.init(tmp_path / "new", "new", MEMBERS, ["localhost"], node_port=1, management_port=2)
    return cluster.ClusterCertificates(tmp_path / "new")


@pytest.fixture
def package(tmp_path, certificates):
    """Return the package of a host that has three records of the node."""
    old, path = tmp_path / "old", tmp_path / "site.move"
    start_once(old)
    receive(old, 1, 2, 3)
    with closing(Nodes(old / "state.db", "Hall 2")) as nodes:
        nodes.adopt(NODE, KEY)
    with closing(sqlite3.connect(path, uri=True, isolation_level=None)) as database:
        database.executescript(SCHEMA)
        database.execute("INSERT INTO about VALUES (?,?,?,?,?)", (
            version("idroserra"), "old", certificates.server_ca.read_text("ascii"), "Hall 2", 7))
        database.execute("INSERT INTO moving VALUES (?,'')", (NODE,))
        for file in dict.fromkeys(part.file for part in PARTS):
            save_rows(database, old / file)
    return path


def test_a_host_that_never_ran_is_started_first(tmp_path, certificates, package):
    """SQLite would make an empty state.db that others of the machine can read."""
    config = load_config(overrides={"data_dir": str(tmp_path / "new")})
    with pytest.raises(MoveError, match="start the host once"):
        take(config, certificates, package)
    assert not list((tmp_path / "new").glob("*.db*"))


def test_records_that_came_before_a_power_cut_are_not_replaced(tmp_path, certificates, package):
    """That the node was seen is written a minute later."""
    config = start_once(tmp_path / "new")
    with closing(Nodes(tmp_path / "new" / "state.db", "test")) as nodes:
        nodes.adopt(NODE, KEY)
    receive(tmp_path / "new", 1, 2, 3, 4)
    with pytest.raises(MoveError, match="runs at this host already"):
        take(config, certificates, package)
    with closing(Spool(tmp_path / "new" / "spool.db")) as spool:
        assert spool.stored_upto(NODE, "b1") == 4

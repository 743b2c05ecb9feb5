"""What a host copies to its standby: everything committed, in an order that loses no record."""

import os
import random
import shutil
import signal
import sqlite3
import threading
from contextlib import closing, suppress

import pytest

from idroserra.core.config import load_config
from idroserra.core.errors import ConfigError
from idroserra.core.sqlite import FOLLOWED, connect, fold_log
from idroserra.standby.copy_database import copied, unpack_files
from idroserra.standby.folder import prepare
from idroserra.standby.follower import Follower, copies_in, followed_transaction
from idroserra.standby.litestream import CopyError, Litestream, restore
from idroserra.standby.replicator import STUCK_S, TAKEN_OVER, Replicator
from idroserra.standby.take_over import seal
from support.ssh_server import SshServer
from support.standby_rig import NOW, children_of
from support.wait import wait_until

SCHEMA = "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, b BLOB)"
STEPS = int(os.environ.get("IDROSERRA_COPY_STEPS", "6"))


class Clock:
    def __init__(self):
        self.now_s = 1_000.0

    def __call__(self):
        return self.now_s


class Copied:
    """A data folder with databases, and what copies it."""

    def __init__(self, root, url, **settings):
        self.folder, self.clock, self.left = root / "data", Clock(), []
        self.folder.mkdir()
        self.is_closed = False
        self.config = load_config(overrides={
            "data_dir": str(self.folder), "standby": {"url": url, **settings}})
        prepare(self.folder, is_followed=True)
        self.spool = connect(self.folder / "spool.db", SCHEMA)
        self.store = connect(self.folder / "store.db", SCHEMA)
        self.replicator = Replicator(
            self.config, lambda: 1_796_000_000_000, self.left.append, self.clock)

    def commit(self):
        for database in (self.spool, self.store):
            database.execute("INSERT INTO t (b) VALUES (randomblob(3000))")

    def close(self):
        if not self.is_closed:
            self.is_closed = True
            self.spool.close()
            self.store.close()
            self.replicator.close()


def rows(path):
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return set(database.execute("SELECT id, b FROM t"))


@pytest.fixture
def copies(tmp_path):
    folder = tmp_path / "copies"
    folder.mkdir()
    return folder


@pytest.fixture
def host(tmp_path, copies):
    host = Copied(tmp_path, copies.as_uri())
    yield host
    host.close()


@pytest.mark.parametrize("seed", range(2))
def test_a_sync_copies_each_commit_whatever_happened_before(tmp_path, seed):
    """Kills of Litestream, a host that starts again, and both in between."""
    rnd, path = random.Random(seed), tmp_path / "spool.db"
    (tmp_path / FOLLOWED).mkdir()
    litestream = Litestream(tmp_path / FOLLOWED)
    copy = {path: {"url": (tmp_path / "copy").as_uri(), "sync-interval": "1s"}}
    database = connect(path, SCHEMA)
    litestream.start(copy)
    for step in range(STEPS):
        for _ in range(rnd.choice([1, 30, 60])):
            database.execute("BEGIN")
            for _ in range(rnd.choice([1, 5, 20])):
                size = rnd.choice([50, 2_000, 9_000])
                database.execute("INSERT INTO t (b) VALUES (randomblob(?))", (size,))
            if rnd.random() < 0.4:
                database.execute("DELETE FROM t WHERE id IN (SELECT id FROM t LIMIT 20)")
            database.execute("COMMIT")
            if rnd.random() < 0.5:
                litestream.sync(path)
        event = rnd.choice(["none", "kill", "start again", "both"])
        if event in ("kill", "both"):
            litestream.end()
        if event in ("start again", "both"):
            database.executescript("PRAGMA incremental_vacuum(100)")
            fold_log(database)
            database.close()
            database = connect(path, SCHEMA)
        if event in ("kill", "both"):
            litestream.start(copy)
        litestream.sync(path)
        restored = tmp_path / f"{step}.db"
        restore(tmp_path / "copy", restored)
        assert rows(restored) == set(database.execute("SELECT id, b FROM t")), (step, event)
        restored.unlink()
    litestream.end()
    database.close()


def test_a_followed_folder_is_folded_in_by_litestream_only(tmp_path):
    """Otherwise Litestream 0.5.17 loses commits without an error: ADR 0036."""
    database = connect(tmp_path / "spool.db", SCHEMA)
    fold_log(database)
    database.close()
    (tmp_path / FOLLOWED).mkdir()
    database = connect(tmp_path / "spool.db", SCHEMA)
    database.execute("INSERT INTO t (b) VALUES (randomblob(100000))")
    assert database.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
    fold_log(database)
    assert (tmp_path / "spool.db-wal").stat().st_size > 100_000
    database.close()


def test_the_copy_has_databases_and_files_with_their_ages(host, copies, tmp_path):
    key = host.folder / "line" / "nodes" / "idro-a.key"
    key.parent.mkdir(parents=True)
    key.write_text("secret")
    photos = host.folder / "journal-photos"
    photos.mkdir()
    (photos / "1.jpg").write_bytes(b"photo")
    host.commit()
    host.replicator.step()
    assert host.replicator.state == "ok"
    key.write_text("changed")
    (photos / "1.jpg").unlink()
    host.replicator.step()
    copy = copies_in(copies)[0]
    restore(copy / "standby.db", tmp_path / "standby.db")
    assert copied(tmp_path / "standby.db") == dict.fromkeys(
        ("spool.db", "store.db"), 1_796_000_000_000)
    unpack_files(tmp_path / "standby.db", tmp_path / "files")
    found = {path.relative_to(tmp_path / "files").as_posix(): path.read_text()
             for path in (tmp_path / "files").rglob("*") if path.is_file()}
    assert found == {"line/nodes/idro-a.key": "changed"}
    assert (tmp_path / "files/line/nodes/idro-a.key").stat().st_mode & 0o077 == 0
    unpacked = tmp_path / "files/line/nodes/idro-a.key"
    before = unpacked.stat().st_ino
    unpack_files(tmp_path / "standby.db", tmp_path / "files")
    assert unpacked.stat().st_ino == before, "nothing is written twice"


def test_the_store_has_nothing_that_the_spool_does_not_know(host, copies, tmp_path):
    host.replicator.step()
    host.commit()
    assert host.replicator.has_store()
    for name in ("spool.db", "store.db"):
        restore(copies_in(copies)[0] / name, tmp_path / name)
        assert rows(tmp_path / name) == rows(host.folder / name)


@pytest.mark.parametrize("left", [b"", bytes(25), b"20261201T1", b"\xff"])
@pytest.mark.parametrize("was_copied", [False, True])
def test_a_generation_that_a_full_disk_cut_off_is_replaced(
        host, copies, tmp_path, left, was_copied):
    """A copy elsewhere than the follower looks would confirm records that nothing can restore."""
    if was_copied:
        for _ in range(3):
            host.commit()
            host.replicator.step()
        shutil.rmtree(copies)  # the copies that Litestream knows are not those that follow
        copies.mkdir()
        host.replicator._litestream.end()
    (host.folder / FOLLOWED / "generation").write_bytes(left)
    host.commit()
    host.replicator.step()
    assert (host.replicator.state, host.replicator.has_store()) == ("ok", True)
    [copy] = copies_in(copies)
    assert [*copies.iterdir()] == [copy]
    for name in ("spool.db", "store.db"):
        restore(copy / name, tmp_path / name)
        assert rows(tmp_path / name) == rows(host.folder / name)


def test_litestream_is_started_again(host):
    host.replicator.step()
    for child in children_of(os.getpid()):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    wait_until(lambda: not host.replicator._litestream.is_running, 5, "it is dead")
    host.commit()
    assert not host.replicator.has_spool()
    assert host.replicator.state != "ok"
    host.replicator.step()
    assert host.replicator.state == "ok"


def test_a_host_that_stops_copies_what_was_written_last(host, copies, tmp_path):
    """Also after the thread that had started Litestream has ended."""
    loop = threading.Thread(target=host.replicator.run)
    loop.start()
    wait_until(lambda: host.replicator.state == "ok", 10, "copied")
    host.replicator.stop()
    loop.join()
    host.commit()
    (host.folder / "key").write_text("new")
    expected = rows(host.folder / "store.db")
    host.close()
    for name in ("store.db", "standby.db"):
        restore(copies_in(copies)[0] / name, tmp_path / name)
    assert rows(tmp_path / "store.db") == expected
    unpack_files(tmp_path / "standby.db", tmp_path / "files")
    assert (tmp_path / "files" / "key").read_text() == "new"


def test_a_database_that_is_copied_later_is_followed_too(host, copies, tmp_path):
    """standby.db may be there first, and a store takes long to restore at a take-over."""
    host.replicator.step()
    store = copies_in(copies)[0] / "store.db"
    store.rename(tmp_path / "later")
    follower = Follower(copies, tmp_path / "work")
    try:
        wait_until(follower.step, 10, "it follows standby.db")
        (tmp_path / "later").rename(store)
        wait_until(lambda: follower.step() and followed_transaction(follower.work / "store.db"),
                   10, "it follows the store")
    finally:
        follower.stop()


def test_a_litestream_that_hangs_is_started_again_but_a_long_copy_gets_its_time(host, copies):
    def starts(after_s):
        before = children_of(os.getpid())
        host.clock.now_s += after_s
        host.replicator.step()
        return children_of(os.getpid()) != before

    host.replicator.step()
    copies.rename(copies.with_name("gone"))
    copies.symlink_to("/proc/version/nowhere")
    host.commit()
    assert [starts(after_s) for after_s in (STUCK_S - 1, 2, STUCK_S + 1, STUCK_S)] == [
        False, True, False, True]
    copies.unlink()
    copies.with_name("gone").rename(copies)
    assert not starts(2 * STUCK_S)
    assert host.replicator.state == "ok"
    assert starts(STUCK_S + 1), "as at first"


def test_a_host_that_stops_asks_a_lost_standby_once(host, copies):
    """Each answer may take 15 s, and systemd waits for 30 s."""
    host.replicator.step()
    host.replicator.stop()
    copies.rename(copies.with_name("gone"))
    copies.symlink_to("/proc/version/nowhere")
    host.commit()
    assert not host.replicator.has_spool()
    assert not host.replicator._litestream.is_running


def test_without_its_standby_a_host_waits_and_then_goes_on_alone(host, copies):
    host.replicator.step()
    copies.rename(copies.with_name("gone"))
    copies.symlink_to("/proc/version/nowhere")  # neither a folder nor a file of ours
    host.commit()
    assert not host.replicator.has_spool()
    host.clock.now_s += 599
    assert not host.replicator.has_spool()
    host.clock.now_s += 2
    assert host.replicator.has_spool()
    assert host.replicator.has_store()
    assert host.replicator.state in ("file exists", "not a directory")
    copies.unlink()
    copies.with_name("gone").rename(copies)
    host.replicator.step()
    assert host.replicator.state == "ok"
    copies.rename(copies.with_name("gone"))
    copies.symlink_to("/proc/version/nowhere")
    host.commit()
    assert not host.replicator.has_spool(), "it waits again"


def over(root, copies, way):
    """Return (host, what to close after it) with copies by a mounted folder or by SSH."""
    if way == "file":
        return Copied(root, copies.as_uri()), []
    server = SshServer(root / "ssh")
    server.start()
    return Copied(root, server.url(copies), **server.settings), [server]


@pytest.mark.parametrize("way", ["file", "sftp"])
def test_a_host_leaves_once_the_standby_has_taken_over(tmp_path, copies, way):
    host, opened = over(tmp_path, copies, way)
    host.commit()
    host.replicator.step()
    assert host.replicator.state == "ok"
    assert host.replicator.has_spool()
    sealed = seal(copies, NOW)
    restore(copies_in(sealed)[0] / "spool.db", tmp_path / "restored.db")
    assert rows(tmp_path / "restored.db") == rows(host.folder / "spool.db")
    host.commit()
    assert not host.replicator.has_spool()
    host.clock.now_s += 86_400
    host.replicator.step()
    assert not host.replicator.has_spool(), "it is never alone"
    assert (host.left, host.replicator.state) == ([TAKEN_OVER], TAKEN_OVER)
    host.close()
    for server in opened:
        server.stop()


@pytest.mark.parametrize("folder", [
    "//opt/copies", "/opt//copies", "/opt/./copies", "/opt/x/../copies", "/opt/my%20copies", "/"])
def test_a_folder_whose_seal_would_not_be_seen_is_refused(folder):
    for url in (f"file://{folder}", f"sftp://me@standby.lan{folder}"):
        with pytest.raises(ConfigError, match="standby.url"):
            load_config(overrides={"standby": {
                "url": url, "key_file": "key", "host_key": "ssh-ed25519 AAAA"}})


def test_a_wrong_host_key_is_refused(tmp_path, copies):
    server = SshServer(tmp_path / "ssh")
    server.start()
    other = SshServer(tmp_path / "other").settings["host_key"]
    host = Copied(tmp_path, server.url(copies), **server.settings | {"host_key": other})
    host.replicator.step()
    assert "host key mismatch" in host.replicator.state
    assert not any(copies.iterdir())
    host.close()
    server.stop()


def test_the_error_of_a_stopped_litestream_is_one_line(tmp_path):
    with pytest.raises(CopyError) as error:
        Litestream(tmp_path).sync(tmp_path / "spool.db")
    assert str(error.value)

"""Backup and restore: online, verified before anything is touched, killed at every step."""

import hashlib
import io
import json
import sqlite3
import tarfile
import threading

import pytest
from PIL import Image

from idroserra.backup.archive import BackupError
from idroserra.backup.restore import JOURNAL, STAGING, finish_restore
from idroserra.core.errors import NotAdopted
from idroserra.core.page_settings import PageSettings
from idroserra.core.sqlite import connect, lock_folder
from idroserra.history.models import Instant
from idroserra.history.sqlite.store import SqliteStore
from idroserra.journal.service import Journal
from idroserra.nodes.registry import Nodes
from support.filled_folder import ADDRESS, KEY, NODE, T0, back_up, fill, killed_at, put_back


def contents(folder):
    """Return {path: bytes} of the files of a closed data folder, without what is of restores."""
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.name not in ("lock", JOURNAL)
            and not path.relative_to(folder).as_posix().startswith(("before-", STAGING))}


def ph_values(folder):
    store = SqliteStore(folder / "store.db")
    try:
        drawn = store.series(NODE, ["reservoir.ph"], T0, T0 + 1_000, 1_001)["reservoir.ph"]
        return [column.mean for column in drawn]
    finally:
        store.close()


def test_what_goes_in_comes_out(tmp_path):
    fill(tmp_path / "old")
    out = tmp_path / "a.backup"
    manifest = back_up(tmp_path / "old", out)
    assert out.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in manifest.files][:6] == [
        "store.db", "state.db", "alarms.db", "broker.key", "journal.db", "notes/a.txt"]
    made, kept = put_back(out, tmp_path / "new")
    assert (made, kept) == (manifest, None)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "alarms.db", "broker.key", "journal-photos", "journal.db", "lock", "notes", "settings.db",
        "state.db", "store.db"]
    assert ph_values(tmp_path / "new") == [6.0] * 100
    nodes = Nodes(tmp_path / "new" / "state.db", "farm")
    assert nodes.key(NODE) == KEY
    nodes.close()
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "new").rglob("*")
             if path.is_file() and path.name != "lock"}
    assert modes == {0o600}


def test_without_keys_there_is_no_byte_of_one(tmp_path):
    fill(tmp_path / "old")
    out = tmp_path / "a.backup"
    manifest = back_up(tmp_path / "old", out, with_keys=False)
    assert "broker.key" not in [entry.name for entry in manifest.files]
    assert KEY not in out.read_bytes()
    assert ADDRESS.encode() not in out.read_bytes()
    assert KEY in (tmp_path / "old" / "state.db").read_bytes()
    put_back(out, tmp_path / "new")
    settings = PageSettings(tmp_path / "new")
    assert settings.all("recipients") == {"anna": {"language": "it"}}
    settings.close()
    nodes = Nodes(tmp_path / "new" / "state.db", "farm")
    assert nodes.get(NODE).site == "farm"
    with pytest.raises(NotAdopted):
        nodes.key(NODE)
    nodes.close()


def test_a_copy_is_of_one_instant_while_somebody_writes(tmp_path):
    folder = tmp_path / "old"
    fill(folder)
    database = connect(folder / "spool.db", "CREATE TABLE a (n INTEGER); CREATE TABLE b (n)")
    ended, written = threading.Event(), threading.Event()

    def write():
        number = 0
        while not ended.is_set():
            number += 1
            database.execute("BEGIN")
            database.execute("INSERT INTO a VALUES (?)", (number,))
            database.execute("INSERT INTO b VALUES (?)", (number,))
            database.execute("COMMIT")
            written.set()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        assert written.wait(120)
        back_up(folder, tmp_path / "a.backup")
    finally:
        ended.set()
        thread.join()
        database.close()
    put_back(tmp_path / "a.backup", tmp_path / "new")
    copy = sqlite3.connect(tmp_path / "new" / "spool.db")
    (a_count, a_last), (b_count, b_last) = (
        copy.execute(f"SELECT count(*), max(n) FROM {table}").fetchone() for table in "ab")
    copy.close()
    assert a_count == a_last == b_count == b_last > 0


def test_a_running_host_is_not_restored_onto(tmp_path):
    fill(tmp_path / "old")
    back_up(tmp_path / "old", tmp_path / "a.backup")
    lock = lock_folder(tmp_path / "old")
    before = contents(tmp_path / "old")
    with pytest.raises(BackupError, match="a host is running on it"):
        put_back(tmp_path / "a.backup", tmp_path / "old")
    lock.close()
    assert contents(tmp_path / "old") == before


def test_what_was_there_is_kept(tmp_path):
    fill(tmp_path / "old", 6.5)
    back_up(tmp_path / "old", tmp_path / "a.backup")
    fill(tmp_path / "new", 7.5)
    before = contents(tmp_path / "new")
    _, kept = put_back(tmp_path / "a.backup", tmp_path / "new")
    assert kept == tmp_path / "new" / "before-restore-20261125T140000Z"
    assert contents(kept) == before
    assert ph_values(tmp_path / "new") == [6.5] * 100
    # Neither a later backup nor a later restore takes the kept folder for part of the host.
    names = [entry.name for entry in back_up(tmp_path / "new", tmp_path / "b.backup").files]
    assert not [name for name in names if name.startswith("before-")]


def test_a_restore_in_the_second_of_another_keeps_both(tmp_path):
    """As after one that was killed."""
    fill(tmp_path / "old", 6.5)
    back_up(tmp_path / "old", tmp_path / "a.backup")
    folder = tmp_path / "new"
    fill(folder, 7.5)
    before = contents(folder)
    first = put_back(tmp_path / "a.backup", folder)[1]
    second = put_back(tmp_path / "a.backup", folder)[1]
    assert (second.parent, second.name) == (folder, f"{first.name}-2")
    assert contents(first) == before
    assert ph_values(second) == ph_values(folder) == [6.5] * 100


def rewritten(source, target, change):
    """Copy a tar with `change({name: bytes})` applied."""
    with tarfile.open(source) as old:
        members = {one.name: old.extractfile(one).read() for one in old.getmembers()}
    change(members)
    with tarfile.open(target, "w") as new:
        for name, body in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(body)
            new.addfile(about, io.BytesIO(body))


def spoil(members):
    members["notes/a.txt"] = b"9.9"


def lead_out(members):
    table = json.loads(members["manifest.json"])
    table["files"][0]["name"] = "../evil"
    members["manifest.json"] = json.dumps(table).encode()


def break_database(members):


    table = json.loads(members["manifest.json"])
    body = members["store.db"] = members["store.db"][:4_096] + b"\7" * 8_192
    for entry in table["files"]:
        if entry["name"] == "store.db":
            entry.update(size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
    members["manifest.json"] = json.dumps(table).encode()


def set_key(key, value):
    def change(members):
        table = json.loads(members["manifest.json"])
        table[key] = value
        members["manifest.json"] = json.dumps(table).encode()

    return change


@pytest.mark.parametrize(("change", "why"), [
    (spoil, "notes/a.txt: damaged: its SHA-256"),
    (lambda members: members.pop("manifest.json"), "no manifest"),
    (lambda members: members.pop("state.db"), "state.db: in the manifest, but not in the archive"),
    (lambda members: members.update(more=b""), "more.*not in the manifest"),
    (lead_out, "'../evil' is not a path in a data folder"),
    (break_database, "store.db: "),
    (set_key("format", 2), "format 2, this host reads 1"),
    (set_key("files", [3]), "manifest.json: "),
    (set_key("made_unix_ms", "then"), "manifest.json: "),
])
def test_a_damaged_archive_touches_nothing(tmp_path, change, why):
    fill(tmp_path / "old")
    back_up(tmp_path / "old", tmp_path / "a.backup")
    rewritten(tmp_path / "a.backup", tmp_path / "bad.backup", change)
    fill(tmp_path / "new", 7.5)
    before = contents(tmp_path / "new")
    with pytest.raises(BackupError, match=why):
        put_back(tmp_path / "bad.backup", tmp_path / "new")
    assert contents(tmp_path / "new") == before
    assert not (tmp_path / "new" / STAGING).exists()


def test_no_tar_and_half_a_tar_are_refused(tmp_path):
    fill(tmp_path / "old")
    back_up(tmp_path / "old", tmp_path / "a.backup")
    whole = (tmp_path / "a.backup").read_bytes()
    for body in (b"", b"no tar at all" * 100, whole[: len(whole) // 2], whole[:-20_000]):
        (tmp_path / "bad.backup").write_bytes(body)
        with pytest.raises(BackupError):
            put_back(tmp_path / "bad.backup", tmp_path / "new")
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"lock"}


def test_killed_at_any_step_it_is_the_old_state_or_becomes_the_new_one(tmp_path):
    fill(tmp_path / "old", 6.5)
    back_up(tmp_path / "old", tmp_path / "a.backup")
    put_back(tmp_path / "a.backup", tmp_path / "whole")
    new = contents(tmp_path / "whole")
    old_count = new_count = 0
    for number in range(1, 100):
        folder = tmp_path / f"host{number}"
        fill(folder, 7.5)
        old = contents(folder)
        was_killed = killed_at(number, lambda at=folder: put_back(tmp_path / "a.backup", at))
        if (folder / JOURNAL).exists():
            with pytest.raises(BackupError, match="a restore was interrupted"):
                back_up(folder, tmp_path / "b.backup")
        # The next start of the host carries it on, and may be killed as well.
        killed_at(1 + number % 3, lambda at=folder: finish_restore(at))
        finish_restore(folder)
        now = contents(folder)
        assert now in (old, new), f"a mixture, killed at step {number}"
        old_count, new_count = old_count + (now == old), new_count + (now == new)
        assert not (folder / STAGING).exists()
        if now == new:
            kept, = folder.glob("before-restore-*")
            assert contents(kept) == old
        if not was_killed:
            break
    assert old_count >= 1
    assert new_count >= 10


def test_killed_amid_a_backup_there_is_the_old_archive_or_none(tmp_path):
    fill(tmp_path / "old")
    out = tmp_path / "a.backup"
    assert killed_at(1, lambda: back_up(tmp_path / "old", out))
    assert not out.exists()
    back_up(tmp_path / "old", out)
    before = out.read_bytes()
    fill_more = SqliteStore(tmp_path / "old" / "store.db")
    fill_more.write([Instant(NODE, T0 + 500, {"reservoir.ph": 5.0})], [])
    fill_more.close()
    assert killed_at(1, lambda: back_up(tmp_path / "old", out))
    assert out.read_bytes() == before


def test_a_backup_into_the_data_folder_or_of_nothing_is_refused(tmp_path):
    fill(tmp_path / "old")
    with pytest.raises(BackupError, match="must not be in the data folder"):
        back_up(tmp_path / "old", tmp_path / "old" / "a.backup")
    with pytest.raises(BackupError, match="there is nothing to back up"):
        back_up(tmp_path / "nothing", tmp_path / "a.backup")
    with pytest.raises(BackupError, match="No such file or directory"):
        back_up(tmp_path / "old", tmp_path / "nowhere" / "a.backup")


def test_notes_come_back_with_their_photos(tmp_path):
    fill(tmp_path / "old")
    put = tmp_path / "a.backup"
    names = [entry.name for entry in back_up(tmp_path / "old", put, with_keys=False).files]
    assert "journal.db" in names
    put_back(put, tmp_path / "new")
    journal = Journal(tmp_path / "new", 1_000_000, lambda: T0)
    note, = journal.newest()
    path = journal.photo_path(note.id, note.photos[0].id, small=True)
    with Image.open(path) as image:
        assert image.size == (40, 30)
    journal.close()
    assert sorted(name for name in names if name.startswith("journal-photos/")) == sorted(
        f"journal-photos/{note.photos[0].id}{end}.jpg" for end in ("", "-small"))

"""Makes a backup of a data folder, also while its host runs.

Each database is copied by SQLite in one transaction: the copy is that of one instant. The spool
comes first: a record moves from the spool to the store, so one that is missing in the spool's copy
is in the store's, and one that is in both is stored once.
"""

from __future__ import annotations

import os
import sqlite3
import tarfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from idroserra.backup.archive import FORMAT, BackupError, Entry, Manifest, add_file, add_manifest
from idroserra.backup.restore import JOURNAL, KEPT_PREFIX, STAGING
from idroserra.core.config import Config
from idroserra.journal.photos import FOLDER as PHOTOS

FIRST = ("spool.db", "store.db", "state.db")
# Of a running host alone, or nothing that lasts.
PASSED_OVER = ("lock", "cli.key", JOURNAL)
PASSED_SUFFIXES = (".db-wal", ".db-shm", ".db-journal", ".part", ".lock")
# Secret as a whole: in a backup with keys only.
SECRET_NAMES = ("users.db",)
SECRET_SUFFIXES = (".key", ".pem")
# What is taken out of a copy without keys.
_WITHOUT_KEYS = {"state.db": "UPDATE nodes SET key=NULL; DROP TABLE IF EXISTS next_keys"}

Tell = Callable[[str, int], None]  # (name, bytes) of each file that is in


def make_backup(config: Config, out: Path, *, with_keys: bool, tell: Tell) -> Manifest:
    """Write the archive `out`, all of it or nothing, readable by this user alone.

    Raises BackupError."""
    folder = config.data_dir.resolve()
    names = _names(folder, with_keys=with_keys)
    if out.resolve().is_relative_to(folder):
        raise BackupError(f"{out}: must not be in the data folder {folder}")
    part = out.with_name(f"{out.name}.part")
    try:
        with TemporaryDirectory(prefix=".idroserra-", dir=out.resolve().parent) as scratch:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                with tarfile.open(fileobj=file, mode="w") as archive:
                    files = [_add(archive, folder, name, Path(scratch), tell, with_keys=with_keys)
                             for name in names]
                    files += _photos(archive, folder, tell)
                    manifest = Manifest(
                        FORMAT, version("idroserra"), config.site, time.time_ns() // 1_000_000,
                        with_keys, config.store.kind, files)
                    add_manifest(archive, manifest)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, out)
    except (OSError, sqlite3.Error, tarfile.TarError) as error:
        raise BackupError(f"{getattr(error, 'filename', None) or out}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return manifest


def _names(folder: Path, *, with_keys: bool) -> list[str]:
    """Return the paths below the data folder that belong into a backup, in order."""
    if (folder / JOURNAL).exists():
        raise BackupError(f"{folder}: a restore was interrupted: start the host, it ends it")
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        first = name.partition("/")[0]
        if not path.is_file() or first == STAGING or first.startswith(KEPT_PREFIX):
            continue
        if name in PASSED_OVER or name.endswith(PASSED_SUFFIXES) or first == PHOTOS:
            continue
        is_secret = path.name in SECRET_NAMES or path.suffix in SECRET_SUFFIXES
        if with_keys or not is_secret:
            found.append(name)
    if not found:
        raise BackupError(f"{folder}: nothing there to back up; is data_dir right?")
    return sorted(found, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST)))


def _photos(archive: tarfile.TarFile, folder: Path, tell: Tell) -> list[Entry]:
    """Add the photos there are now: the copy of the journal that is in already knows no others.

    One that is deleted meanwhile is passed over."""
    found = []
    for path in sorted((folder / PHOTOS).glob("*.jpg")):
        try:
            entry = add_file(archive, path, f"{PHOTOS}/{path.name}", database=False)
        except FileNotFoundError:
            continue
        tell(entry.name, entry.size_bytes)
        found.append(entry)
    return found


def _add(
    archive: tarfile.TarFile, folder: Path, name: str, scratch: Path, tell: Tell, *,
    with_keys: bool,
) -> Entry:
    source = folder / name
    if not name.endswith(".db"):
        entry = add_file(archive, source, name, database=False)
    else:
        copy = scratch / "copy.db"
        copy_database(source, copy, "" if with_keys else _WITHOUT_KEYS.get(name, ""))
        entry = add_file(archive, copy, name, database=True)
        copy.unlink()
    tell(name, entry.size_bytes)
    return entry


def copy_database(source: Path, target: Path, change: str = "") -> None:
    """Copy a database that may be in use, as of one instant; `change` is SQL for the copy alone.

    What `change` takes out is not in the bytes of the copy either. Raises sqlite3.Error."""
    target.touch(mode=0o600)
    reading = sqlite3.connect(f"{source.as_uri()}?mode=rw", uri=True, timeout=30)
    writing = sqlite3.connect(target, isolation_level=None)
    try:
        reading.execute("PRAGMA query_only=1")
        reading.backup(writing)
        writing.execute("PRAGMA journal_mode=DELETE")
        if change:
            writing.execute("PRAGMA secure_delete=1")
            writing.executescript(change)
            writing.execute("VACUUM")
    finally:
        writing.close()
        reading.close()

"""Creates a backup of a data folder, also while its host is running.

SQLite copies each database in one transaction, as of one instant. The spool is first: a record
moves from the spool to the store, so one missing in the spool's copy is in the store's, and one in
both is stored once.
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
# Transient files, and those of a running host.
SKIPPED = ("lock", "cli.key", JOURNAL)
SKIPPED_SUFFIXES = (".db-wal", ".db-shm", ".db-journal", ".part", ".lock")
# Secret as a whole: only in a backup with keys.
SECRET_NAMES = ("users.db",)
SECRET_SUFFIXES = (".key", ".pem")
# SQL that removes the secrets from a copy without keys.
_WITHOUT_KEYS = {"state.db": "UPDATE nodes SET key=NULL; DROP TABLE IF EXISTS next_keys"}

OnFile = Callable[[str, int], None]  # (name, bytes) of each file added


def make_backup(config: Config, out: Path, *, with_keys: bool, on_file: OnFile) -> Manifest:
    """Write the archive `out` completely or not at all, readable by this user only.

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
                    files = [_add(archive, folder, name, Path(scratch), on_file,
                                  with_keys=with_keys)
                             for name in names]
                    files += _photos(archive, folder, on_file)
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
    """Return the paths below the data folder to back up, in order."""
    if (folder / JOURNAL).exists():
        raise BackupError(f"{folder}: a restore was interrupted: start the host to finish it")
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        first = name.partition("/")[0]
        if not path.is_file() or first == STAGING or first.startswith(KEPT_PREFIX):
            continue
        if name in SKIPPED or name.endswith(SKIPPED_SUFFIXES) or first == PHOTOS:
            continue
        is_secret = path.name in SECRET_NAMES or path.suffix in SECRET_SUFFIXES
        if with_keys or not is_secret:
            found.append(name)
    if not found:
        raise BackupError(f"{folder}: there is nothing to back up; is data_dir right?")
    return sorted(found, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST)))


def _photos(archive: tarfile.TarFile, folder: Path, on_file: OnFile) -> list[Entry]:
    """Add the photos; all that the copied journal refers to were there before.

    One deleted meanwhile is skipped."""
    found = []
    for path in sorted((folder / PHOTOS).glob("*.jpg")):
        try:
            entry = add_file(archive, path, f"{PHOTOS}/{path.name}", database=False)
        except FileNotFoundError:
            continue
        on_file(entry.name, entry.size_bytes)
        found.append(entry)
    return found


def _add(
    archive: tarfile.TarFile, folder: Path, name: str, scratch: Path, on_file: OnFile, *,
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
    on_file(name, entry.size_bytes)
    return entry


def copy_database(source: Path, target: Path, change: str = "") -> None:
    """Copy a database that may be in use, as of one instant; `change` is SQL for the copy.

    What `change` deletes is not in the bytes of the copy either. Raises sqlite3.Error."""
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

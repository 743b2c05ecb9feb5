"""Creates a backup of a data folder, also while its host is running.

SQLite copies each database in one transaction, as of one instant. The spool is first: a record
moves from the spool to the store, so one missing in the spool's copy is in the store's, and one in
both is stored once. What feeds have still to receive follows the store: a record is marked for
them as soon as it is in the store.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import tarfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import IO

from idroserra.backup.archive import FORMAT, BackupError, Entry, Manifest, add_file, add_manifest
from idroserra.backup.restore import JOURNAL, KEPT_PREFIX, STAGING
from idroserra.broker.file_names import SETTINGS
from idroserra.core.config import Config
from idroserra.core.sqlite import FOLLOWED
from idroserra.journal.photos import FOLDER as PHOTOS

# The host's databases. A copy begins with FIRST.
FIRST = ("spool.db", "store.db", "state.db")
DATABASES = (*FIRST, "alarms.db", "audit.db", "feeds.db", "journal.db", "settings.db",
             "users.db")
COPIES = "standby.db"  # what a standby gets beside the databases: copies of the other files
# Transient files, and those of a running host.
SKIPPED = ("lock", "cli.key", JOURNAL, COPIES, *(
    f"{name}{end}" for name in (*DATABASES, COPIES) for end in ("-wal", "-shm", "-journal")))
SKIPPED_SUFFIXES = (".part", ".lock", ".new")
FOLDER = "backups"  # those made on the page
# State of a running broker: retained and queued messages, such as settings and commands. Restored,
# they would bring older settings back. Nodes and host send again what is lost without them.
BROKER_STATE = ("mosquitto.db", "mosquitto.pid")
# Secret as a whole: only in a backup with keys.
SECRET_NAMES = ("users.db", SETTINGS)
SECRET_SUFFIXES = (".key", ".pem", ".token")
# SQL that removes the secrets from a copy without keys.
_WITHOUT_KEYS = {"state.db": "UPDATE nodes SET key=NULL; DROP TABLE IF EXISTS next_keys",
                 "settings.db": "UPDATE settings SET value=json_remove(value, '$.url')"
                                " WHERE section='recipients'"}

OnFile = Callable[[str, int], None]  # (name, bytes) of each file added


def make_backup(config: Config, out: Path, *, with_keys: bool, on_file: OnFile) -> Manifest:
    """Write the archive `out` completely or not at all, readable by this user only.

    Raises BackupError."""
    folder = config.data_dir.resolve()
    if out.resolve().is_relative_to(folder) and out.resolve().parent != folder / FOLDER:
        raise BackupError(f"{out}: must not be in the data folder {folder}")
    part, copy = out.with_name(f"{out.name}.part"), out.with_name(f"{out.name}.part.db")
    try:
        secrets = () if with_keys else _secret_files(config)
        names = _names(folder, secrets, with_keys=with_keys)
        with _opened_alone(part) as file:
            try:
                with tarfile.open(fileobj=file, mode="w") as archive:
                    files = [entry for name in names if (entry := _add(
                        archive, folder, name, copy, on_file, with_keys=with_keys)) is not None]
                    files += _photos(archive, folder, on_file)
                    manifest = Manifest(
                        FORMAT, version("idroserra"), config.site, time.time_ns() // 1_000_000,
                        with_keys, config.store.kind, files)
                    add_manifest(archive, manifest)
                file.flush()
                os.fsync(file.fileno())
                os.replace(part, out)
            except BaseException:
                part.unlink(missing_ok=True)
                copy.unlink(missing_ok=True)
                raise
    except (OSError, tarfile.TarError) as error:
        raise BackupError(f"{getattr(error, 'filename', None) or out}: {error}") from error
    return manifest


@contextmanager
def _opened_alone(part: Path) -> Iterator[IO[bytes]]:
    """Open the incomplete archive, empty, for this process only.

    One that a killed process left is overwritten. Raises BackupError, OSError."""
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_mine = os.fstat(file.fileno()).st_ino == part.stat().st_ino
        except (BlockingIOError, FileNotFoundError):
            is_mine = False
        if not is_mine:
            raise BackupError(f"{part}: another backup is writing it")
        os.fchmod(file.fileno(), 0o600)
        file.truncate()
        yield file


def _names(folder: Path, without: Collection[Path], *, with_keys: bool) -> list[str]:
    """Return the paths below the data folder to back up, in order. Raises BackupError, OSError."""
    if (folder / JOURNAL).exists():
        raise BackupError(f"{folder}: a restore was interrupted: start the host to finish it")
    found = sorted(path.relative_to(folder).as_posix() for path in kept_files(folder)
                   if path.resolve() not in without and (with_keys or not _is_secret(path)))
    if not found:
        raise BackupError(f"{folder}: there is nothing to back up; is data_dir right?")
    return sorted(found, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST)))


def data_bytes(folder: Path) -> int:
    """Return the size of what a backup of a data folder contains, roughly."""
    found = [*_files(folder), *photos(folder)]
    sizes = 0
    for path in found:
        with suppress(FileNotFoundError):
            sizes += path.stat().st_size
    return sizes


def kept_files(folder: Path) -> Iterator[Path]:
    """Yield the databases and files of a data folder, without photos and what is transient.

    Raises OSError for a folder that cannot be read."""
    return (path for path in _files(folder)
            if path.name not in BROKER_STATE and not path.name.endswith(SKIPPED_SUFFIXES)
            and path.relative_to(folder).as_posix() not in SKIPPED)


def photos(folder: Path) -> list[Path]:
    """Return the photos of the journal in a data folder."""
    return sorted((folder / PHOTOS).glob("*.jpg"))


def _secret_files(config: Config) -> set[Path]:
    """Return the files with a secret that the configuration names, wherever they are."""
    files = [config.mqtt.key_file, config.lan.key_file, config.standby.key_file,
             *(one.token_file for one in config.other_host)]
    return {file.resolve() for file in files if file is not None}


def _is_secret(path: Path) -> bool:
    return path.name in SECRET_NAMES or path.suffix in SECRET_SUFFIXES


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below the data folder, without photos, Litestream's state, and what a
    restore keeps aside.

    Raises OSError for a folder that cannot be read."""
    def raise_unless_deleted(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for at, folders, files in os.walk(folder, onerror=raise_unless_deleted):
        if Path(at) == folder:
            others = (PHOTOS, STAGING, FOLDER, FOLLOWED)
            folders[:] = [name for name in folders
                          if name not in others and not name.startswith(KEPT_PREFIX)]
        yield from (Path(at, name) for name in files if Path(at, name).is_file())


def _photos(archive: tarfile.TarFile, folder: Path, on_file: OnFile) -> list[Entry]:
    """Add the photos; all that the copied journal refers to were there before.

    One deleted meanwhile is skipped."""
    found = []
    for path in photos(folder):
        try:
            entry = add_file(archive, path, f"{PHOTOS}/{path.name}", database=False)
        except FileNotFoundError:
            continue
        on_file(entry.name, entry.size_bytes)
        found.append(entry)
    return found


def _add(
    archive: tarfile.TarFile, folder: Path, name: str, copy: Path, on_file: OnFile, *,
    with_keys: bool,
) -> Entry | None:
    """Add a file; return None if it was deleted meanwhile, such as a certificate."""
    source, is_database = folder / name, name in DATABASES
    if is_database:
        try:
            copy_database(source, copy, "" if with_keys else _WITHOUT_KEYS.get(name, ""))
        except sqlite3.Error as error:
            raise BackupError(f"{source}: {error}") from error
    try:
        entry = add_file(archive, copy if is_database else source, name, database=is_database)
    except FileNotFoundError:
        return None
    copy.unlink(missing_ok=True)
    on_file(name, entry.size_bytes)
    return entry


def copy_database(source: Path, target: Path, change: str = "") -> None:
    """Copy a database that may be in use, as of one instant; `change` is SQL for the copy.

    What `change` deletes is not in the bytes of the copy either. Raises sqlite3.Error."""
    target.unlink(missing_ok=True)
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

"""Restores a backup: verifies all of it first, then replaces the data folder atomically.

What the backup wants is held back until a person asks for it (`hold_back`). The old files are
moved into a folder below data_dir, then the restored files take their place. A journal records
the phase; if interrupted, the next restore or start of the host completes it, so that no host runs
on a mixture.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from idroserra.backup.archive import BackupError, Manifest, read_manifest, unpack
from idroserra.core.sqlite import lock_folder

JOURNAL = "restore.journal"
STAGING = "restore.new"
KEPT_PREFIX = "before-restore-"
SPARE_BYTES = 64 * 1024 * 1024


def restore(
    archive: Path, folder: Path, now: datetime, report: Callable[[str], None]
) -> tuple[Manifest, Path | None]:
    """Restore the archive into the data folder; return its manifest and the old files' folder.

    Raises BackupError; nothing in the folder has changed before the archive is verified."""
    try:
        lock = lock_folder(folder)
    except BlockingIOError:
        raise BackupError(f"{folder}: a host is running on it; stop it first") from None
    except OSError as error:
        raise BackupError(f"{folder}: {error.strerror or error}") from error
    try:
        if finish_restore(folder):
            report("an interrupted restore was completed first")
        manifest = _stage(archive, folder, now, report)
        kept = place(folder, now)
    except OSError as error:
        raise BackupError(f"{error.filename or folder}: {error.strerror or error}") from error
    finally:
        lock.close()
    return manifest, kept


def place(folder: Path, now: datetime) -> Path | None:
    """Replace the data folder by what is in its staging folder; return the old files' folder.

    The caller holds the folder's lock. Raises BackupError, OSError."""
    _sync_tree(folder / STAGING)
    kept = _new_kept(folder, f"{KEPT_PREFIX}{now.astimezone(UTC):%Y%m%dT%H%M%SZ}")
    has_old = bool(_old_names(folder))
    _write_journal(folder, {"kept": kept.name, "phase": "keeping"})
    finish_restore(folder)
    return kept if has_old else None


def _new_kept(folder: Path, name: str) -> Path:
    """Return the path of a new folder: `name`, numbered if a restore of this second has it."""
    kept, number = folder / name, 2
    while kept.exists():
        kept, number = folder / f"{name}-{number}", number + 1
    return kept


def finish_restore(folder: Path) -> bool:
    """Complete an interrupted restore; return False if there is none.

    The caller holds the folder's lock. Raises BackupError, OSError."""
    journal = folder / JOURNAL
    (folder / f"{JOURNAL}.part").unlink(missing_ok=True)
    if not journal.exists():
        if (folder / STAGING).exists():
            shutil.rmtree(folder / STAGING)  # was never committed
        return False
    try:
        state: dict[str, Any] = json.loads(journal.read_text("utf-8"))
        kept, phase = folder / str(state["kept"]), state["phase"]
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{journal}: cannot be read: {error}") from None
    if phase == "keeping":
        kept.mkdir(mode=0o700, exist_ok=True)
        for name in _old_names(folder):
            os.replace(folder / name, kept / name)
        sync_folder(kept)
        sync_folder(folder)
        _write_journal(folder, {"kept": kept.name, "phase": "placing"})
    staging = folder / STAGING
    if staging.exists():
        for path in sorted(staging.iterdir()):
            os.replace(path, folder / path.name)
        sync_folder(folder)
        staging.rmdir()
    journal.unlink()
    if kept.exists() and not any(kept.iterdir()):
        kept.rmdir()
    sync_folder(folder)
    return True


def _stage(
    archive: Path, folder: Path, now: datetime, report: Callable[[str], None]
) -> Manifest:
    """Unpack and verify the archive in the staging folder, and hold back what it wants.

    Raises BackupError."""
    # A host that only starts needs no cryptography.
    from idroserra.backup.hold_back import hold_back

    staging = folder / STAGING
    is_good = False
    try:
        with tarfile.open(archive, "r:") as opened:
            manifest = read_manifest(opened)
            needed = sum(entry.size_bytes for entry in manifest.files) + SPARE_BYTES
            free = shutil.disk_usage(folder).free
            if free < needed:
                raise BackupError(f"{folder}: {needed / 1e6:.0f} MB needed, {free / 1e6:.0f} free")
            staging.mkdir(mode=0o700)
            unpack(opened, manifest, staging)
        for entry in manifest.files:
            if entry.database:
                check_database(staging / entry.name, entry.name)
        hold_back(staging, folder, manifest.made_unix_ms, now, report)
        is_good = True
    except tarfile.TarError as error:
        raise BackupError(f"{archive}: not a complete tar file: {error}") from None
    except BackupError as error:
        raise BackupError(f"{archive}: {error}") from None
    except EOFError:
        raise BackupError(f"{archive}: is truncated") from None
    finally:
        if not is_good and staging.exists():
            shutil.rmtree(staging)
    report(f"{len(manifest.files)} files verified")
    return manifest


def check_database(path: Path, name: str) -> None:
    """Check a database with SQLite. Raises BackupError."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            answer = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        answer = str(error)
    if answer != "ok":
        raise BackupError(f"{name}: {answer}")


def _old_names(folder: Path) -> list[str]:
    """Return what is to be replaced: all but locks, the journal and kept folders."""
    return sorted(
        path.name for path in folder.iterdir()
        if path.name not in ("lock", JOURNAL, f"{JOURNAL}.part", STAGING)
        and path.suffix != ".lock" and not path.name.startswith(KEPT_PREFIX))


def _write_journal(folder: Path, state: dict[str, str]) -> None:
    """Replace the journal atomically."""
    part = folder / f"{JOURNAL}.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, folder / JOURNAL)
    sync_folder(folder)


def _sync_tree(folder: Path) -> None:
    for path in folder.rglob("*"):
        _sync(path, os.O_RDONLY)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

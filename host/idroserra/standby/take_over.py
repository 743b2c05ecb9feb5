"""Makes this machine the host that it has followed.

First the folder of the copies is sealed: from then on the old host gets no copy through, so that
it confirms no record to a node and keeps nothing that this machine lacks.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from idroserra.alarms.notify.outbox import GIVE_UP_MS
from idroserra.auth.audit import Audit
from idroserra.backup.archive import BackupError
from idroserra.backup.create import COPIES, DATABASES
from idroserra.backup.hold_back import hold_back
from idroserra.backup.restore import STAGING, check_database, place, sync_folder
from idroserra.core.errors import HostError
from idroserra.pki.x509 import write_private
from idroserra.standby import marker
from idroserra.standby.copy_database import copied, unpack_files
from idroserra.standby.fence import fence
from idroserra.standby.follower import (
    FOLLOWED_NAMES,
    copies_in,
    followed_transaction,
    last_transaction,
    work_folder,
)
from idroserra.standby.litestream import CopyError, restore
from idroserra.standby.marker import MARKER, TakenOver

# Up to this age the copy is as good as a host that was restarted; an older one is a backup.
AS_RESTARTED_MS = 15 * 60_000
CHECKED_BYTES = 1_000_000_000  # a larger database would take longer to read than a minute
DONE = "taken-over"  # in the sealed folder, once this machine has its data
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2

Report = Callable[[str], None]


class TakeOverError(HostError):
    """The take-over failed; it can be repeated."""


def take_over(
    folder: Path, data_dir: Path, now: datetime, report: Report, by: str
) -> TakenOver:
    """Replace the data of this machine by the copy in `folder`; return what it is.

    The caller holds the lock of the data folder, and nothing follows the folder. Raises HostError,
    OSError."""
    now_unix_ms = int(now.timestamp() * 1_000)
    with _errors():
        if not folder.is_file() and not copies_in(folder):
            raise TakeOverError(f"{folder}: no copy of a host: it is not sealed, so the old host "
                                "serves on")
        sealed = seal(folder, now)
        if (sealed / DONE).exists():
            raise TakeOverError(f"{folder}: this machine has taken over before, and would lose "
                                "what came since: start its host, idroserra serve")
        report(f"{folder}: sealed: the old host confirms no more records")
        staging = data_dir / STAGING
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        _restore(sealed, staging, work_folder(data_dir), report)
        done = TakenOver(now_unix_ms, copied(staging / COPIES))
        unpack_files(staging / COPIES, staging)
        for path in staging.glob(f"{COPIES}*"):
            path.unlink()
        age_ms = now_unix_ms - min(done.copied_unix_ms.values(), default=0)
        if age_ms > AS_RESTARTED_MS:
            report("the copy is old: settings and recipes wait for a person, as in a backup")
            # The host that died may not have sent what waits: twice is better than never.
            hold_back(staging, data_dir, now_unix_ms - age_ms, now, report,
                      notices_from_unix_ms=now_unix_ms - GIVE_UP_MS)
        fence(staging, report)
        (staging / MARKER).write_text(json.dumps(done._asdict()), "utf-8")
        with closing(Audit(staging / "audit.db", lambda: now_unix_ms)) as audit:
            audit.add(by, "take over", detail=ages_text(done))
        place(data_dir, now)
        write_private(sealed / DONE, b"")
        shutil.rmtree(work_folder(data_dir), ignore_errors=True)
    return done


def seal(folder: Path, now: datetime) -> Path:
    """Put a file in the place of the folder in one step, and return where the folder is now; at
    once if that was done before. Raises OSError, TakeOverError."""
    if folder.is_file():
        sealed = _sealed(folder)
        if not sealed.is_dir():
            raise TakeOverError(f"{folder}: is no folder, and names none")
        return sealed
    sealed = folder.with_name(f"{folder.name}.taken-{now:%Y%m%dT%H%M%SZ}")
    write_private(sealed, f"{sealed}\n".encode())
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, bytes(folder), _AT_FDCWD, bytes(sealed), _RENAME_EXCHANGE):
        error = ctypes.get_errno()
        sealed.unlink()
        raise OSError(error, os.strerror(error), str(folder))
    sync_folder(folder.parent)
    return sealed


def is_done(folder: Path, data_dir: Path) -> bool:
    """Return whether this machine has the data of the copies in `folder`, which is sealed; also
    after the copies were deleted."""
    sealed = _sealed(folder)
    return (sealed / DONE).exists() or (
        not sealed.is_dir() and marker.read(data_dir) is not None)


def _sealed(folder: Path) -> Path:
    """Return where the copies of a sealed folder are."""
    return folder.parent / folder.read_text("utf-8").strip()


def _complete(sealed: Path, staging: Path, work: Path) -> Path:
    """Return the newest complete copy, with its standby.db restored. Raises TakeOverError."""
    target = staging / COPIES
    for copy in copies_in(sealed):
        with suppress(CopyError):
            _restore_one(copy / COPIES, target, work)
            if copied(target):
                return copy
        target.unlink(missing_ok=True)
    raise TakeOverError(f"{sealed}: no complete copy of a host")


def _restore_one(copy: Path, target: Path, work: Path) -> None:
    followed = work / copy.name
    if copy.name in FOLLOWED_NAMES and followed.exists() and (
            followed_transaction(followed) == last_transaction(copy)):
        shutil.move(followed, target)
    else:
        restore(copy, target)
    target.chmod(0o600)


def _restore(sealed: Path, staging: Path, work: Path, report: Report) -> None:
    """Write the newest state of each database into `staging`."""
    copy = _complete(sealed, staging, work)
    for name in DATABASES:
        if not (copy / name).exists():
            continue
        target = staging / name
        try:
            _restore_one(copy / name, target, work)
        except CopyError:
            if name in copied(staging / COPIES):
                raise
            report(f"{name}: was new on the old host, and its copy is not complete")
            for path in staging.glob(f"{name}*"):
                path.unlink()
            continue
        if target.stat().st_size <= CHECKED_BYTES:
            check_database(target, name)
            for end in ("-wal", "-shm"):  # empty: of the check
                target.with_name(f"{name}{end}").unlink(missing_ok=True)
        else:
            report(f"{name}: too large to be checked now: `idroserra doctor` reads it")


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (BackupError, CopyError) as error:
        raise TakeOverError(f"not taken over: {error}") from error
    except sqlite3.Error as error:
        raise TakeOverError(f"not taken over: {error}") from error


def ages_text(done: TakenOver) -> Mapping[str, str]:
    """Return {database: how old its copy was at the take-over}."""
    return {name: f"{(done.unix_ms - unix_ms) / 1_000:.1f} s"
            for name, unix_ms in sorted(done.copied_unix_ms.items())}

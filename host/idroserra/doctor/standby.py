"""Checks both ends of a standby: what the host sends to, and what this machine follows."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from idroserra.backup.create import COPIES
from idroserra.backup.restore import check_database
from idroserra.core.config import Config
from idroserra.core.errors import HostError
from idroserra.core.others_config import StandbyConfig
from idroserra.doctor.result import Check
from idroserra.standby import marker
from idroserra.standby.copy_database import copied
from idroserra.standby.follower import copies_in, work_folder
from idroserra.standby.litestream import program

LATE_S = 15.0
_TO, _FOLLOWED = "standby", "followed host"


def check_standby(config: Config) -> Iterator[Check]:
    """Yield the checks of what is configured; none without a standby."""
    standby = config.standby
    if standby.url is None and standby.folder is None:
        return
    try:
        version = subprocess.run([program(), "version"], capture_output=True, text=True,
                                 check=True).stdout.strip()
    except (HostError, OSError, subprocess.CalledProcessError) as error:
        yield Check("Litestream", "fail", str(error), "pip install 'idroserra[standby]'")
        return
    yield Check("Litestream", "ok", version)
    if shutil.which("setpriv") is None:
        yield Check("Litestream", "warn", "there is no setpriv: Litestream outlives a host that "
                    "is killed", "install util-linux")
    if standby.url is not None:
        yield _to(standby)
    if standby.folder is not None:
        yield _followed(standby.folder, work_folder(config.data_dir))
    done = marker.read(config.data_dir)
    if done is not None and (config.data_dir / "store.db").exists():
        yield _store(config.data_dir / "store.db")


def _to(standby: StandbyConfig) -> Check:
    parts = urlsplit(str(standby.url))
    if not standby.is_sftp:
        folder = Path(parts.path)
        if folder.is_dir():
            return Check(_TO, "ok", f"{folder}")
        why = "it has taken over" if folder.is_file() else "there is no such folder"
        return Check(_TO, "fail", f"{folder}: {why}", "docs/standby.md")
    try:
        listed = subprocess.run(
            ["sftp", "-q", "-b", "-", "-P", str(parts.port or 22), "-i", str(standby.key_file),
             "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "StrictHostKeyChecking=no",
             "-o", "UserKnownHostsFile=/dev/null", f"{parts.username}@{parts.hostname}"],
            input=f"cd {parts.path}\n", capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(_TO, "warn", f"not tried: {error}", "install openssh-client")
    if listed.returncode:
        return Check(_TO, "fail", f"{standby.url}: {listed.stderr.strip().splitlines()[-1:]}",
                     "start that machine; its sshd must accept the key, and the folder must "
                     "exist. If it is a file, the standby has taken over")
    return Check(_TO, "ok", f"{standby.url}")


def _followed(folder: Path, work: Path) -> Check:
    if folder.is_file():
        return Check(_FOLLOWED, "ok", f"{folder}: this machine has taken over")
    copies = copies_in(folder)
    if not copies:
        return Check(_FOLLOWED, "fail", f"{folder}: no copy of a host yet",
                     "set standby.url of the host to this folder, and start the host")
    try:
        unix_ms = copied(work / COPIES)
    except sqlite3.Error as error:
        return Check(_FOLLOWED, "warn", f"{folder}: not followed: {error}",
                     "start `idroserra standby follow`")
    late_s = time.time() - min(unix_ms.values(), default=0) / 1_000
    if not unix_ms or late_s > LATE_S:
        return Check(_FOLLOWED, "fail", f"{folder}: nothing new for {late_s:.0f} s",
                     "does the host run, and `idroserra standby follow` here? Compare the clocks")
    return Check(_FOLLOWED, "ok", f"{len(unix_ms)} databases, {max(0.0, late_s):.0f} s behind")


def _store(path: Path) -> Check:
    """Read the whole store, which a take-over leaves unread if it is large."""
    try:
        check_database(path, path.name)
    except HostError as error:
        return Check("store after the take-over", "fail", str(error), "restore a backup")
    return Check("store after the take-over", "ok", "read from end to end")

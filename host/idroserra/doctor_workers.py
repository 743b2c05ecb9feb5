"""The doctor's look at the workers: does each that was started take records?"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator

from idroserra.config import Config
from idroserra.database import connect_reader
from idroserra.doctor_check import Check
from idroserra.web.display import duration_text
from idroserra.worker_signs import STOPPED, WorkerSign, read_signs


def look_at_workers(config: Config) -> Iterator[Check]:
    """Yield a check for each worker of the group; nothing where no group is named."""
    path = config.data_dir / "spool.db"
    if config.mqtt.share is None or not path.is_file():
        return
    try:
        database = connect_reader(path)
        try:
            signs = read_signs(database)
        finally:
            database.close()
    except sqlite3.Error as error:
        yield Check("workers", "fail", f"{path}: {error}", "start the host, which mends the file")
        return
    if not signs:
        yield Check("workers", "ok", f"none: the host is alone in the group {config.mqtt.share}")
    now_unix_ms = time.time_ns() // 1_000_000
    for one in signs:
        yield _look_at(one, now_unix_ms)


def _look_at(one: WorkerSign, now_unix_ms: int) -> Check:
    name = f"worker {one.name}"
    trouble = one.trouble(now_unix_ms)
    if trouble is not None:
        return Check(name, "warn", trouble,
                     f"start it again: `idroserra ingest --config FILE {one.name}` or its unit; "
                     "given up for good: the same with --forget")
    ago = duration_text(now_unix_ms - one.seen_unix_ms)
    if one.state == STOPPED:
        return Check(name, "ok", f"was stopped {ago} ago")
    return Check(name, "ok", f"takes records, {one.records} so far")

"""Checks the journal: integrity, missing photos, photo quota."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from idroserra.core.config import Config
from idroserra.core.sqlite import connect_reader
from idroserra.doctor.result import Check
from idroserra.journal.database import FILE
from idroserra.journal.photos import FOLDER

NEARLY_FULL = 0.9


def check_journal(config: Config) -> Check:
    """Check the database, the files of the photos, and the photo quota."""
    path, folder = config.data_dir / FILE, config.data_dir / FOLDER
    if not path.is_file():
        return Check("journal", "ok", f"{path}: created at the first start")
    try:
        with closing(connect_reader(path)) as database:
            whole = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            notes = database.execute("SELECT count(*) FROM notes").fetchone()[0]
            photos = dict(database.execute("SELECT id, size_bytes FROM photos"))
    except sqlite3.Error as error:
        whole, notes, photos = str(error), 0, {}
    if whole != "ok":
        return Check("journal", "fail", f"{path}: {whole}",
                     "stop the host and restore it from a backup")
    missing = [photo for photo in photos if not (folder / f"{photo}.jpg").is_file()]
    size_mb, most_mb = sum(photos.values()) / 1e6, config.journal.photos_max_mb
    found = f"{notes} notes, {len(photos)} photos, {size_mb:.1f} of {most_mb} MB"
    if missing:
        return Check("journal", "warn", f"{found}; {len(missing)} photo files are missing",
                     f"copy {FOLDER} from a backup, or delete them on the journal's page")
    if size_mb > NEARLY_FULL * most_mb:
        return Check("journal", "warn", found, "raise journal.photos_max_mb, or delete photos")
    return Check("journal", "ok", found)

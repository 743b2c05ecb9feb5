"""The database standby.db: the files of a data folder that are not databases, and how old the
copy of each database is.

So the standby gets keys, certificates, photos, boards and images the same way as the databases.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from idroserra.backup.create import COPIES, DATABASES, kept_files, photos
from idroserra.core.sqlite import Database
from idroserra.pki.x509 import write_private

_SCHEMA = """
CREATE TABLE IF NOT EXISTS copies (name TEXT PRIMARY KEY, unix_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, changed_ns INTEGER NOT NULL, size_bytes INTEGER NOT NULL,
    content BLOB NOT NULL);
"""


class CopyDatabase:
    """standby.db of a host."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError, sqlite3.Error, StoreUnavailable."""
        self._folder = folder
        self._database = Database(folder / COPIES, _SCHEMA)
        self._known = {path: (changed_ns, size) for path, changed_ns, size in self._database.query(
            "SELECT path, changed_ns, size_bytes FROM files")}

    def set_copied(self, unix_ms: Mapping[str, int]) -> None:
        """Record as of which instant each copy is. Raises StoreUnavailable."""
        with self._database.transaction() as database:
            database.execute("DELETE FROM copies")
            database.executemany("INSERT INTO copies VALUES (?,?)", unix_ms.items())

    def update_files(self) -> None:
        """Take in the files that have changed. Raises StoreUnavailable, OSError."""
        found = {}
        for path in _files(self._folder):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            found[path.relative_to(self._folder).as_posix()] = stat.st_mtime_ns, stat.st_size
        gone = self._known.keys() - found.keys()
        changed = [name for name, state in found.items() if self._known.get(name) != state]
        for name in changed:  # each alone: photos may be many
            try:
                content = (self._folder / name).read_bytes()
            except FileNotFoundError:
                continue
            changed_ns, _ = found[name]
            self._database.query("INSERT OR REPLACE INTO files VALUES (?,?,?,?)",
                                 (name, changed_ns, len(content), content))
            self._known[name] = changed_ns, len(content)
        for name in gone:
            self._database.query("DELETE FROM files WHERE path=?", (name,))
            del self._known[name]

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for path in kept_files(folder) if path.name not in DATABASES)
    yield from photos(folder)


def copied(database: Path) -> dict[str, int]:
    """Return {name: unix_ms} of a copy of standby.db. Raises sqlite3.Error."""
    with closing(_opened(database)) as opened:
        return dict(opened.execute("SELECT name, unix_ms FROM copies"))


def unpack_files(database: Path, folder: Path, below: str = "") -> None:
    """Write the files in a copy of standby.db whose path begins with `below` into `folder`, for
    this user only, if they are not there. Raises OSError, sqlite3.Error."""
    with closing(_opened(database)) as opened:
        rows = opened.execute("SELECT path, content FROM files WHERE path >= ? AND path < ?",
                              (below, f"{below}\uffff"))
        for path, content in rows:
            target = (folder / path).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise OSError(f"{path}: outside the data folder")
            if target.is_file() and target.read_bytes() == content:
                continue  # a standby looks each second: a card would wear out
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(target, content)


def _opened(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True, timeout=5)

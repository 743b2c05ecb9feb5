"""The tables of the journal in journal.db: notes, and the data of their photos."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from idroserra.core.sqlite import Database
from idroserra.journal.models import Author, Note, NoteFilter, Photo

FILE = "journal.db"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (
    id TEXT PRIMARY KEY, node TEXT, kind TEXT NOT NULL, unix_ms INTEGER NOT NULL,
    text TEXT NOT NULL, crop TEXT, weight_g REAL, count INTEGER, by TEXT NOT NULL,
    author_kind TEXT NOT NULL, author TEXT NOT NULL, created_unix_ms INTEGER NOT NULL,
    changed_unix_ms INTEGER, changed_by TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS notes_time ON notes (unix_ms);
CREATE TABLE IF NOT EXISTS photos (
    id TEXT PRIMARY KEY, note TEXT NOT NULL REFERENCES notes (id), place INTEGER NOT NULL,
    width_px INTEGER NOT NULL, height_px INTEGER NOT NULL, size_bytes INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS photos_note ON photos (note, place);
"""
_COLUMNS = ("id, node, kind, unix_ms, text, crop, weight_g, count, by, author_kind, author,"
            " created_unix_ms, changed_unix_ms, changed_by, site")


class JournalDatabase(Database):
    """Reads and writes. Every method may be called from any thread; raises StoreUnavailable."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises OSError, sqlite3.Error, StoreUnavailable."""
        super().__init__(path, _SCHEMA)
        if not any(row[1] == "site" for row in self.query("PRAGMA table_info(notes)")):
            self.query("ALTER TABLE notes ADD COLUMN site TEXT")

    def put(self, note: Note) -> None:
        """Insert or replace a note; its photos stay."""
        marks = ",".join("?" * 15)
        self.query(
            f"INSERT OR REPLACE INTO notes ({_COLUMNS}) VALUES ({marks})", (
                note.id, note.node, note.kind, note.unix_ms, note.text, note.crop, note.weight_g,
                note.count, note.by, *note.author, note.created_unix_ms, note.changed_unix_ms,
                note.changed_by, note.site))

    def remove(self, note: str) -> None:
        """Delete a note with the rows of its photos."""
        with self.transaction() as connection:
            connection.execute("DELETE FROM photos WHERE note = ?", (note,))
            connection.execute("DELETE FROM notes WHERE id = ?", (note,))

    def add_photo(self, note: str, photo: Photo) -> None:
        """Append a photo to a note."""
        self.query(
            "INSERT INTO photos VALUES (?, ?, (SELECT coalesce(max(place), 0) + 1 FROM photos"
            " WHERE note = ?), ?, ?, ?)",
            (photo.id, note, note, photo.width_px, photo.height_px, photo.size_bytes))

    def remove_photo(self, photo: str) -> None:
        """Delete the row of a photo."""
        self.query("DELETE FROM photos WHERE id = ?", (photo,))

    def get(self, note: str) -> Note | None:
        """Return a note, or None."""
        return next(iter(self._notes("WHERE id = ?", (note,))), None)

    def newest(
        self, from_unix_ms: int, to_unix_ms: int, about: NoteFilter | None, kind: str | None,
        count: int,
    ) -> list[Note]:
        """Return the newest notes of [from, to), newest first; about None: all of them."""
        where: str = "1"
        values: tuple[str | None, ...] = ()
        if about is not None:
            marks = ",".join("?" * len(about.nodes))
            where = f"(node IN ({marks}) OR node IS NULL AND (site IS NULL OR site = ?))"
            values = (*about.nodes, about.site)
        return self._notes(
            f"WHERE unix_ms >= ? AND unix_ms < ? AND {where}"
            " AND (? IS NULL OR kind = ?) ORDER BY unix_ms DESC, created_unix_ms DESC LIMIT ?",
            (from_unix_ms, to_unix_ms, *values, kind, kind, count))

    def rename_site(self, site: str, name: str) -> None:
        """Rename a site in the notes about it."""
        self.query("UPDATE notes SET site = ? WHERE site = ?", (name, site))

    def photo_ids(self) -> set[str]:
        """Return the id of every photo."""
        return {row[0] for row in self.query("SELECT id FROM photos")}

    def photos_bytes(self) -> int:
        """Return the size of all photos in bytes."""
        return int(self.query("SELECT coalesce(sum(size_bytes), 0) FROM photos")[0][0])

    def _notes(self, where: str, values: Iterable[Any]) -> list[Note]:
        rows = self.query(f"SELECT {_COLUMNS} FROM notes {where}", values)
        return [_note(row, self._photos(row[0])) for row in rows]

    def _photos(self, note: str) -> tuple[Photo, ...]:
        return tuple(Photo(*row) for row in self.query(
            "SELECT id, width_px, height_px, size_bytes FROM photos WHERE note = ?"
            " ORDER BY place", (note,)))


def _note(row: tuple[Any, ...], photos: tuple[Photo, ...]) -> Note:
    (note_id, node, kind, unix_ms, text, crop, weight_g, count, by, author_kind, author,
     created_unix_ms, changed_unix_ms, changed_by, site) = row
    return Note(node, kind, unix_ms, text, crop, weight_g, count, site, note_id, by,
                Author(author_kind, author), created_unix_ms, changed_unix_ms, changed_by, photos)

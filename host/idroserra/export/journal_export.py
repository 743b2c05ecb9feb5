"""Exports the journal as CSV, JSON, and a ZIP with the photos."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from idroserra.export.cells import csv_line, safe_cell
from idroserra.export.csv_export import iso_utc
from idroserra.journal.errors import UnknownNote
from idroserra.journal.models import Note

_COLUMNS = ("unix_ms", "node", "site", "kind", "text", "crop", "weight_g", "count", "by",
            "created_unix_ms", "changed_unix_ms", "changed_by")


def notes_csv(notes: Iterable[Note], zone: ZoneInfo | None) -> Iterator[str]:
    """Yield the lines of a CSV: one row a note, with its photos' names in the ZIP."""
    local = [f"time_local [{zone.key}]"] if zone else []
    yield csv_line(["time_utc", *local, *_COLUMNS, "photos", "id"])
    for note in notes:
        there = [_local(note.unix_ms, zone)] if zone else []
        yield csv_line([iso_utc(note.unix_ms), *there,
                     *(safe_cell(getattr(note, name)) for name in _COLUMNS),
                     " ".join(f"{photo.id}.jpg" for photo in note.photos), note.id])


def notes_json(notes: Iterable[Note]) -> Iterator[str]:
    """Yield a JSON list, one note a line."""
    lead = "[\n"
    for note in notes:
        entry: dict[str, Any] = {"id": note.id, "time_utc": iso_utc(note.unix_ms)}
        entry |= {name: getattr(note, name) for name in _COLUMNS}
        entry["photos"] = [f"{photo.id}.jpg" for photo in note.photos]
        yield lead + json.dumps(entry, ensure_ascii=False)
        lead = ",\n"
    yield "[]\n" if lead == "[\n" else "\n]\n"


def journal_zip(
    notes: list[Note], zone: ZoneInfo | None, path_of: Callable[[str], Path]
) -> Iterator[bytes]:
    """Yield a ZIP with journal.csv, journal.json and photos/, one photo at a time.

    Of a photo that cannot be read it has a text that says why, and the others all the same."""
    out = _ZipBuffer()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("journal.csv", "".join(notes_csv(notes, zone)), zipfile.ZIP_DEFLATED)
        archive.writestr("journal.json", "".join(notes_json(notes)), zipfile.ZIP_DEFLATED)
        yield out.drain()
        for note in notes:
            for photo in note.photos:
                name = f"photos/{photo.id}.jpg"
                try:
                    path = path_of(photo.id)
                    info = zipfile.ZipInfo.from_file(path, name)
                    content = path.read_bytes()  # first: half an entry would spoil the archive
                except (UnknownNote, FileNotFoundError):
                    continue  # deleted meanwhile
                except OSError as error:
                    archive.writestr(f"{name}.txt", error.strerror or str(error))
                else:
                    archive.writestr(info, content)
                yield out.drain()
    yield out.drain()


class _ZipBuffer(io.RawIOBase):
    """A write-only file whose content is taken out in chunks."""

    def __init__(self) -> None:
        self._content = bytearray()

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Append bytes; return their number."""
        self._content += data
        return len(data)

    def drain(self) -> bytes:
        """Return the bytes written since the last call."""
        content, self._content = bytes(self._content), bytearray()
        return content


def _local(unix_ms: int, zone: ZoneInfo | None) -> str:
    return datetime.fromtimestamp(unix_ms / 1_000, zone).isoformat(timespec="seconds")

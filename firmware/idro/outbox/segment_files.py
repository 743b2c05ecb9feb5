"""The files of the outbox, segments and schemas, and the buffer through which they are read.

A segment file is `<number>-<schema>-<boot>.seg`: its identity is in the name, safe from damaged
bytes. A schema file `<schema>.map` describes the telemetry of such segments.
"""

import errno
import os
from collections import namedtuple

from idro.errors import ProtocolError
from idro.outbox import record_codec

SEGMENT_BYTES = 4_096  # one erase block
_WINDOW_BYTES = 1_024  # of a segment in RAM: any frame fits
_TEMPORARY = "new.tmp"
# What a segment still holds: all, telemetry once a minute, events only. See decimation.
RAW = 0
SPARSE = 1
EVENTS_ONLY = 2
MINUTE_MS = 60_000

# count: records not stored by the host, from first_seq on. size: bytes of the file.
# level: RAW, SPARSE or EVENTS_ONLY.
Segment = namedtuple(
    "Segment",
    ("number", "boot_id", "schema_id", "first_seq", "last_seq", "count", "size", "level"))


def indexed(segment, first_seq, last_seq, count, size, level):
    """Return `segment` with another index entry."""
    return Segment(segment.number, segment.boot_id, segment.schema_id, first_seq, last_seq, count,
                   size, level)


class SegmentFiles:
    """Reads and writes segments, blocking. `buffer` holds a part of one, from `base` on."""

    def __init__(self, path, schema):
        """Open or create the folder `path` and save `schema` in it.

        If flash fails, `error` holds the reason: existing files are read as far as possible, and
        create() raises OSError until it can write.
        """
        self._path = path
        self._schema = schema
        self.buffer = bytearray(_WINDOW_BYTES)
        self.base = 0
        self._loaded = None  # the Segment in `buffer`
        self._size = 0  # of what is in it
        self._is_last = True  # `buffer` reaches the end of the segment
        self.error = ""
        self.schemas = {schema.id: schema}
        self._is_listed = self._has_schema = False
        _make_folder(path)
        try:
            names = os.listdir(path)
            self._is_listed = True
            self._load_schemas(names)
            self._save_schema()
        except OSError as error:
            self.error = f"{error!r}"

    def list(self):
        """Return an empty Segment for every segment file, oldest first."""
        try:
            names = sorted(os.listdir(self._path))
        except OSError:
            return []
        if _TEMPORARY in names:
            self._remove(self._full(_TEMPORARY))
        segments = [_read_name(name) for name in names]
        return [segment for segment in segments if segment is not None]

    def size_of(self, segment):
        """Return the number of readable bytes of a segment."""
        try:
            return min(SEGMENT_BYTES, os.stat(self._name(segment))[6])
        except OSError:
            return 0

    def _load(self, segment, position):
        """Load a segment from `position` on into `buffer`, which is empty if that fails."""
        self._loaded = None
        room = min(_WINDOW_BYTES, SEGMENT_BYTES - position)
        try:
            with open(self._name(segment), "rb") as file:
                file.seek(position)
                self._size = file.readinto(memoryview(self.buffer)[:room]) or 0
        except OSError:
            self._size = 0
        self._is_last = self._size < _WINDOW_BYTES
        self._loaded = segment
        self.base = position

    def _is_loaded(self, segment):
        """True if `buffer` holds this segment; compares fields to avoid building its name."""
        loaded = self._loaded
        return loaded is segment or (
            loaded is not None and loaded.number == segment.number
            and loaded.boot_id == segment.boot_id and loaded.schema_id == segment.schema_id)

    def frames_of(self, segment, position=0):
        """Yield (kind, start, end) in `buffer` of every intact frame from `position` on.

        `position` is relative to the segment. Telemetry of a lost schema counts as damaged.
        """
        crc_seed = record_codec.seed(segment.boot_id, segment.schema_id)
        is_known = segment.schema_id in self.schemas
        while True:
            at = position - self.base
            if not self._is_loaded(segment) or not 0 <= at <= self._size:
                self._load(segment, position)  # the caller may have read another segment
                at = 0
            found = record_codec.find(self.buffer, at, self._size, crc_seed, is_last=self._is_last)
            if found is None:
                return
            start, end = found
            if not end:
                self._load(segment, self.base + start)
                position = self.base
                continue
            position = self.base + end
            kind = record_codec.kind_of(self.buffer, start)
            if is_known or kind != record_codec.TELEMETRY:
                yield kind, start, end

    def create(self, segment, header):
        """Create the file of a segment with the bytes `header`. Raises OSError."""
        self._loaded = None
        if not self._is_listed:
            raise OSError(errno.EIO)  # there may be segments that only the next start can list
        if not self._has_schema:
            self._save_schema()
        with open(self._name(segment), "wb") as file:
            file.write(header)

    def append(self, segment, records, count):
        """Append the frames of the first `count` records to a segment. Raises OSError."""
        self._loaded = None
        with open(self._name(segment), "ab") as file:
            for index in range(count):
                file.write(records[index].frame)

    def replace(self, segments, write):
        """Replace a run of segments by what `write(file)` writes; returns its result.

        After a power cut all old ones are there, or the new one, possibly with old ones inside
        its seq range.
        """
        with open(self._full(_TEMPORARY), "wb") as file:
            result = write(file)
        os.rename(self._full(_TEMPORARY), self._name(segments[0]))
        self._loaded = None
        for segment in segments[1:]:
            self.erase(segment)
        return result

    def erase(self, segment):
        """Remove a segment's file. If that fails, its records are sent again after a reset."""
        self._remove(self._name(segment))

    def _remove(self, path):
        """Remove a file, if flash does not fail."""
        self._loaded = None
        try:  # noqa: SIM105  (MicroPython has no contextlib)
            os.remove(path)
        except OSError:
            pass

    def _load_schemas(self, names):
        in_use = [segment.schema_id for segment in self.list()]
        for name in names:
            if not name.endswith(".map"):
                continue
            schema_id = name[:-4]
            if schema_id != self._schema.id and schema_id not in in_use:
                self._remove(self._full(name))
                continue
            found = self._load_schema(schema_id)
            if found is not None:
                self.schemas[schema_id] = found

    def _save_schema(self):
        """Save the schema of this boot if it is not on flash. Raises OSError."""
        schema = self._schema
        if self._load_schema(schema.id) is None:
            with open(self._full(_TEMPORARY), "wb") as file:
                file.write(schema.text().encode())
            os.rename(self._full(_TEMPORARY), self._full(f"{schema.id}.map"))
        self._has_schema = True

    def _load_schema(self, schema_id):
        try:
            with open(self._full(f"{schema_id}.map"), "rb") as file:
                schema = record_codec.read_schema(str(file.read(), "utf-8"))
        except (OSError, ValueError, ProtocolError):
            return None
        return schema if schema.id == schema_id else None

    def _full(self, name):
        return f"{self._path}/{name}"

    def _name(self, segment):
        return self._full(f"{segment.number:08x}-{segment.schema_id}-{segment.boot_id}.seg")


def _read_name(name):
    """Return an empty Segment for the name of a segment file, None for any other file."""
    parts = name[:-4].split("-", 2)
    if not name.endswith(".seg") or len(parts) != 3:
        return None
    try:
        number = int(parts[0], 16)
    except ValueError:
        return None
    return Segment(number, parts[2], parts[1], 0, 0, 0, 0, 0)


def _make_folder(path):
    for at in range(1, len(path) + 1):
        if at == len(path) or path[at] == "/":
            try:  # noqa: SIM105  (MicroPython has no contextlib)
                os.mkdir(path[:at])
            except OSError:
                pass  # it exists; other errors appear at the first listdir

"""The files of the outbox, segments and schemas, and the buffer through which they are read.

A segment that may grow is `<number>-<schema>-<boot>.seg`, so its identity is safe from damaged
bytes. A closed one also carries its index, in hexadecimal, so that a start need not read it:
`<number>-<schema>-<boot>-<first seq>-<last seq>-<count>-<bytes at SPARSE>-<bytes at EVENTS_ONLY>-
<last at_ms>-<wall time of at_ms 0, or x>.seg`. Closed ones are spread over the folders 00 to 07:
littlefs reads up to 70,000 pages in one call on a folder of a hundred files. A schema file
`<schema>.map` describes the telemetry of such segments.
"""

import errno
import os
from collections import namedtuple

from idro.errors import FAILURES, ProtocolError
from idro.outbox import record_codec

SEGMENT_BYTES = 4_096  # one erase block
MINUTE_MS = 60_000
_TEMPORARY = "new.tmp"
_UNKNOWN = "x"
_FOLDERS = ("00", "01", "02", "03", "04", "05", "06", "07")

# name: path of its file in the folder of the outbox. count: records not stored by the host, from
# first_seq on; 0 if not yet known. sparse_bytes, event_bytes: at most so many remain after
# decimation to telemetry once a minute, and to events only.
Segment = namedtuple(
    "Segment",
    ("name", "boot_id", "first_seq", "last_seq", "count", "sparse_bytes", "event_bytes"))


def new_segment(number, schema_id, boot_id, seq):
    """Return an empty Segment whose first record will be `seq`."""
    return Segment(f"{number:08x}-{schema_id}-{boot_id}.seg", boot_id, seq, seq - 1, 0, 0, 0)


def number_of(segment):
    """Return the number of a segment: they ascend."""
    return int(_base(segment.name)[:8], 16)


def schema_of(segment):
    """Return the id of the schema of a segment's telemetry."""
    return _base(segment.name)[9:17]


class SegmentFiles:
    """Reads and writes segments, blocking. `buffer` holds the one that was read last."""

    def __init__(self, path, schema):
        """Open or create the folder `path` and save `schema` in it.

        If flash fails, `error` holds the reason: existing files are read as far as possible, and
        create() raises OSError until it can write.
        """
        self._path = path
        self._schema = schema
        self.buffer = bytearray(SEGMENT_BYTES)
        self._loaded = ""  # the name of the segment in `buffer`
        self.size = 0  # of what is in it
        self.is_readable = True  # the last load did not fail
        self.error = ""
        self.schemas = {schema.id: schema}
        self._is_listed = self._has_schema = False
        self._used = [0] * len(_FOLDERS)  # files in each folder
        self._names = []
        _make_folder(path)
        try:
            self._list()
            self._load_schemas()
            self._is_listed = True
            self._save_schema()
        except OSError as error:
            self.error = f"{error!r}"
            if not self._is_listed:  # sending a part would hide the rest from the host
                self._names = []

    def take_listed(self):
        """Return [(Segment, last_at_ms, boot_unix_ms)] of the segment files that were found.

        The oldest is first; of those with one number, a run that was merged before its parts.
        """
        found = [_read_name(name) for name in self._names]
        self._names = []
        found = [one for one in found if one is not None]
        found.sort(key=_age)
        return found

    def _list(self):
        """List all files, once: it takes thousands of pages. Raises OSError."""
        names = os.listdir(self._path)
        self._names = [name for name in names if name not in _FOLDERS]
        for at, folder in enumerate(_FOLDERS):
            if folder in names:
                found = os.listdir(self._full(folder))
                self._used[at] = len(found)
                self._names += [f"{folder}/{name}" for name in found]

    def _load(self, segment):
        """Load a segment into `buffer`, which is empty if that fails."""
        self._loaded = ""
        self.is_readable = True
        try:
            with open(self._full(segment.name), "rb") as file:
                self.size = file.readinto(self.buffer) or 0
            self._loaded = segment.name
        except OSError:
            self.size = 0
            self.is_readable = False

    def frames_of(self, segment, position=0):
        """Yield (kind, start, end) in `buffer` of every intact frame from `position` on.

        Telemetry of a lost schema counts as damaged.
        """
        schema_id = schema_of(segment)
        crc_seed = record_codec.seed(segment.boot_id, schema_id)
        is_known = schema_id in self.schemas
        while True:
            if self._loaded != segment.name:
                self._load(segment)  # the caller may have read another segment
            found = record_codec.find(self.buffer, position, self.size, crc_seed)
            if found is None:
                return
            position = found[1]
            kind = record_codec.kind_of(self.buffer, found[0])
            if is_known or kind != record_codec.TELEMETRY:
                yield kind, found[0], position

    def create(self, segment, header):
        """Create the file of a segment with the bytes `header`. Raises OSError."""
        self._loaded = ""
        if not self._is_listed:
            raise OSError(errno.EIO)  # there may be segments that only the next start can list
        if not self._has_schema:
            self._save_schema()
        with open(self._full(segment.name), "wb") as file:
            file.write(header)

    def append(self, segment, records, count):
        """Append the frames of the first `count` records to a segment. Raises OSError."""
        self._loaded = ""
        with open(self._full(segment.name), "ab") as file:
            for index in range(count):
                file.write(records[index].frame)

    def close(self, segment, boot):
        """Write the index of a segment into its name; returns it with the name that it has then.

        `boot` is [last_at_ms, boot_unix_ms]. If flash fails, the next start reads the segment.
        """
        try:
            return self._move(segment.name, segment, boot)
        except OSError:
            return segment

    def replace(self, run, segment, boot, pieces):
        """Replace a run of segments by one with the bytes `pieces`; returns it. Raises OSError.

        After a power cut all old ones are there, or the new one, possibly with old ones inside
        its seq range.
        """
        with open(self._full(_TEMPORARY), "wb") as file:
            for piece in pieces:
                file.write(piece)
        closed = self._move(_TEMPORARY, segment, boot)
        for old in run:
            if old.name != closed.name:
                self.erase(old)
        return closed

    def _move(self, name, segment, boot):
        """Move a file to the emptiest folder, with the index of `segment`. Raises OSError."""
        self._loaded = ""
        at = self._used.index(min(self._used))
        closed = _with_index(_FOLDERS[at], segment, boot)
        if not self._used[at]:
            _make_folder(self._full(_FOLDERS[at]))
        os.rename(self._full(name), self._full(closed.name))
        self._used[at] += 1
        return closed

    def erase(self, segment):
        """Remove a segment's file. If that fails, its records are sent again after a reset."""
        self._remove(segment.name)

    def _remove(self, name):
        """Remove a file, if flash does not fail and memory is not refused."""
        self._loaded = ""
        try:
            os.remove(self._full(name))
            if name[2:3] == "/":
                self._used[_FOLDERS.index(name[:2])] -= 1
        except FAILURES:
            return

    def _load_schemas(self):
        if _TEMPORARY in self._names:
            self._remove(_TEMPORARY)
        in_use = [_base(name)[9:17] for name in self._names]
        for name in self._names:
            if not name.endswith(".map"):
                continue
            schema_id = name[:-4]
            if schema_id != self._schema.id and schema_id not in in_use:
                self._remove(name)
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


def _base(name):
    """Return the name of a file without its folder."""
    return name[3:] if name[2:3] == "/" else name


def _with_index(folder, segment, boot):
    """Return a segment in `folder` with its index in the name."""
    identity = "-".join(_base(segment.name)[:-4].split("-")[:3])
    last_at_ms, boot_unix_ms = boot
    epoch = _UNKNOWN if boot_unix_ms is None else f"{boot_unix_ms:x}"
    index = "-".join([f"{number:x}" for number in segment[2:]])
    return Segment(f"{folder}/{identity}-{index}-{last_at_ms:x}-{epoch}.seg", *segment[1:])


def _read_name(name):
    """Return (Segment, last_at_ms, boot_unix_ms) of a file's name, None for any other file.

    The count is 0 and the others unknown if the name has no index, or an impossible one.
    """
    parts = _base(name)[:-4].split("-")
    if not name.endswith(".seg") or len(parts) < 3 or len(parts[0]) != 8 or len(parts[1]) != 8:
        return None
    try:
        int(parts[0], 16)
    except ValueError:
        return None
    unread = Segment(name, parts[2], 0, 0, 0, 0, 0), 0, None
    try:
        first, last, count, sparse, events, at_ms = [int(part, 16) for part in parts[3:-1]]
        epoch = None if parts[-1] == _UNKNOWN else int(parts[-1], 16)
    except ValueError:
        return unread
    if not (0 < first <= last and 0 < count <= last - first + 1 and events <= sparse):
        return unread
    return Segment(name, parts[2], first, last, count, sparse, events), at_ms, epoch


def _age(found):
    segment = found[0]
    return number_of(segment), -segment.last_seq


def _make_folder(path):
    for at in range(1, len(path) + 1):
        if at == len(path) or path[at] == "/":
            try:  # noqa: SIM105  (MicroPython has no contextlib)
                os.mkdir(path[:at])
            except OSError:
                pass  # it exists; other errors appear at the first listdir

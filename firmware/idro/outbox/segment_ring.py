"""The segments of the outbox as a bounded ring: the index in RAM, the records on flash.

Segments ascend in number and, within a boot, in seq. After a reset no old segment is written
again. Blocking: writing a flash block takes milliseconds, freeing space some hundreds.
"""

from collections import namedtuple

from idro.outbox import record_codec, segment_files
from idro.outbox.segment_files import MINUTE_MS, RAW, SEGMENT_BYTES, SPARSE, Segment

SPARE_SEGMENTS = 32  # beyond the limit if nothing can be decimated; then the oldest is dropped
_MIN_SEGMENTS = 4  # the limit is never lower

# One record in RAM, to be written to flash.
PendingRecord = namedtuple("PendingRecord", ("seq", "at_ms", "frame"))


class SegmentRing:
    """Segments oldest first in `segments`; `boots` is {boot_id: [last_at_ms, boot_unix_ms]}."""

    def __init__(self, path, schema, max_segments):
        """Open the folder `path` and index its segments."""
        self.folder = segment_files.SegmentFiles(path, schema)
        self._configured_segments = self._max_segments = max_segments
        self._spare_segments = SPARE_SEGMENTS
        self.segments = []
        self.boots = {}
        self.generation = 0  # changes when records move within a segment
        self.skipped_bytes = 0  # damaged bytes skipped when the folder was opened
        self._is_open = False  # the last segment accepts more records
        self._minute = None
        self._next_number = 1
        self._index()

    @property
    def count(self):
        """The number of records on flash that the host has not stored."""
        return sum(segment.count for segment in self.segments)

    def of_boot(self, boot_id):
        """Return the segments of one boot, oldest first."""
        return [segment for segment in self.segments if segment.boot_id == boot_id]

    def append(self, boot_id, schema_id, entries, boot_unix_ms):
        """Write PendingRecords of this boot and remove them from the list. Raises OSError."""
        while entries:
            if not self._fits(boot_id, schema_id, len(entries[0].frame)):
                self._begin(boot_id, schema_id, entries[0].seq, boot_unix_ms)
            size = self.segments[-1].size
            taken = 0
            while taken < len(entries) and size + len(entries[taken].frame) <= SEGMENT_BYTES:
                size += len(entries[taken].frame)
                taken += 1
            self._write(entries, taken, size)
            del entries[:taken]

    def limit_growth(self, is_limited):
        """Do not grow while `is_limited`: what is left of flash is for other files."""
        self._spare_segments = 0 if is_limited else SPARE_SEGMENTS
        self._max_segments = self._configured_segments
        if is_limited:
            count = max(_MIN_SEGMENTS, len(self.segments))
            self._max_segments = min(self._configured_segments, count)

    def close(self):
        """Start a new segment with the next record."""
        self._is_open = False

    def close_damaged(self):
        """After an error of append(): index what was written; return its highest seq."""
        if not self._is_open:
            return 0
        self._is_open = False
        segment = self._scan(self.segments.pop())
        if segment is None:
            return 0
        self.segments.append(segment)
        return segment.last_seq

    def stored(self, boot_id, seq_upto):
        """Erase stored records of one boot; within a segment only in the index."""
        kept = []
        for segment in self.segments:
            if segment.boot_id == boot_id and seq_upto >= segment.first_seq:
                segment = self._trimmed(segment, seq_upto)
            if segment.count:
                kept.append(segment)
            else:
                self.folder.erase(segment)
        self._replace(kept)

    # Opening.

    def _index(self):
        highest_seq = {}
        for listed in self.folder.list():
            self._next_number = listed.number + 1
            segment = self._scan(listed)
            upto = highest_seq.get(listed.boot_id, 0)
            if segment is not None and segment.first_seq <= upto:
                segment = self._trimmed(segment, upto)
            if segment is None or not segment.count:
                self.folder.erase(listed)  # nothing intact, or merged before a power cut
                continue
            highest_seq[segment.boot_id] = segment.last_seq
            self.segments.append(segment)
        self._forget_boots()

    def _scan(self, segment):
        """Return `segment` with the counts of its intact records, or None if it has none."""
        size = self.folder.size_of(segment)
        first_seq = last_seq = count = intact_bytes = 0
        boot = self.boots.setdefault(segment.boot_id, [0, None])
        minute = None
        level = SPARSE
        for kind, start, end in self.folder.frames_of(segment):
            intact_bytes += end - start
            seq, at_ms = record_codec.stamp_of(self.folder.buffer, start)
            if kind == record_codec.EPOCH:
                boot[1] = at_ms
                continue
            first_seq = first_seq or seq
            last_seq = seq
            boot[0] = max(boot[0], at_ms)
            count += 1
            if kind == record_codec.TELEMETRY:
                if at_ms // MINUTE_MS == minute:
                    level = RAW
                minute = at_ms // MINUTE_MS
        self.skipped_bytes += size - intact_bytes
        if not count:
            return None
        return segment_files.indexed(segment, first_seq, last_seq, count, size, level)

    # Writing.

    def _fits(self, boot_id, schema_id, size):
        if not self._is_open:
            return False
        last = self.segments[-1]
        if last.boot_id != boot_id or last.schema_id != schema_id:
            return False
        return last.size + size <= SEGMENT_BYTES

    def _begin(self, boot_id, schema_id, seq, boot_unix_ms):
        self._is_open = False
        if len(self.segments) >= self._max_segments and not self._make_room():
            self._drop_oldest()
        header = _header(boot_id, schema_id, boot_unix_ms)
        segment = Segment(
            self._next_number, boot_id, schema_id, seq, seq - 1, 0, len(header), SPARSE)
        self.folder.create(segment, header)
        self._next_number += 1
        self._minute = None
        self.boots.setdefault(boot_id, [0, None])[1] = boot_unix_ms
        self.segments.append(segment)
        self._is_open = True

    def _write(self, entries, taken, size):
        last = self.segments[-1]
        self.folder.append(last, entries, taken)
        level = last.level
        for index in range(taken):
            minute = entries[index].at_ms // MINUTE_MS
            if record_codec.kind_of(entries[index].frame, 0) == record_codec.TELEMETRY:
                if minute == self._minute:
                    level = RAW
                self._minute = minute
        newest = entries[taken - 1]
        self.segments[-1] = segment_files.indexed(
            last, last.first_seq, newest.seq, last.count + taken, size, level)
        self.boots[last.boot_id][0] = newest.at_ms

    def _make_room(self):
        from idro.outbox import decimation  # imported only by a full outbox

        found = decimation.find_run(self.folder, self.segments, SEGMENT_BYTES)
        if found is None:
            return False
        level, run = found
        first = run[0]
        plan = decimation.plan_run(self.folder, run, level)
        header = _header(first.boot_id, first.schema_id, self.boots[first.boot_id][1])

        def write(file):
            file.write(header)
            return decimation.write(self.folder, run, level, plan, file)

        first_seq, last_seq, count, size = self.folder.replace(run, write)
        at = self.segments.index(first)
        self.segments[at : at + len(run)] = [
            segment_files.indexed(first, first_seq, last_seq, count, len(header) + size, level)]
        self.generation += 1
        return True

    def _drop_oldest(self):
        if len(self.segments) >= self._max_segments + self._spare_segments:
            self.folder.erase(self.segments[0])
            self._replace(self.segments[1:])

    def _trimmed(self, segment, seq_upto):
        """Return a segment without its records up to seq_upto; its count may be 0."""
        first_seq = segment.last_seq
        count = 0
        if seq_upto < segment.last_seq:
            for kind, start, _ in self.folder.frames_of(segment):
                seq = record_codec.stamp_of(self.folder.buffer, start)[0]
                if kind != record_codec.EPOCH and seq > seq_upto:
                    first_seq = min(first_seq, seq)
                    count += 1
        return segment_files.indexed(
            segment, first_seq, segment.last_seq, count, segment.size, segment.level)

    def _replace(self, segments):
        if not segments or segments[-1].number != self.segments[-1].number:
            self._is_open = False
        self.segments = segments
        self._forget_boots()

    def _forget_boots(self):
        alive = [segment.boot_id for segment in self.segments]
        for boot_id in list(self.boots):
            if boot_id not in alive:
                del self.boots[boot_id]


def _header(boot_id, schema_id, boot_unix_ms):
    """Return the first bytes of a segment: the wall time of its boot, b"" if unknown."""
    if boot_unix_ms is None:
        return b""
    payload = record_codec.epoch_payload(boot_unix_ms)
    return record_codec.frame(record_codec.EPOCH, payload, record_codec.seed(boot_id, schema_id))

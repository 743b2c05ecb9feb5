"""The segments of the outbox as a bounded ring: the index in RAM, the records on flash.

Segments ascend in number and, within a boot, in seq. After a reset no old segment is written
again. Blocking: writing a flash block takes milliseconds, freeing space some hundreds.
"""

from collections import namedtuple

from idro.outbox import record_codec, segment_files
from idro.outbox.segment_files import MINUTE_MS, SEGMENT_BYTES, Segment

SPARE_SEGMENTS = 32  # beyond the limit if nothing can be decimated; then the oldest is dropped
_MIN_SEGMENTS = 4  # the limit is never lower

# One record in RAM, to be written to flash.
PendingRecord = namedtuple("PendingRecord", ("seq", "at_ms", "frame"))


class SegmentRing:
    """Segments oldest first in `segments`; `boots` is {boot_id: [last_at_ms, boot_unix_ms]}."""

    def __init__(self, path, schema, max_segments, feed):
        """Open the folder `path` and index its segments; `feed()` is called before each."""
        self.folder = segment_files.SegmentFiles(path, schema)
        self._configured_segments = self._max_segments = max_segments
        self._spare_segments = SPARE_SEGMENTS
        self.segments = []
        self.boots = {}
        self.generation = 0  # changes when records move within a segment
        self.skipped_bytes = 0  # damaged bytes skipped when the folder was opened
        self._is_open = False  # the last segment accepts more records
        self._begun = ""  # the name of the segment that this boot began, "" if it is damaged
        self._size = 0  # of the open segment, bytes
        self._minute = None
        self._next_number = 1
        self._index(feed)

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
            elif len(self.segments) >= self._max_segments:
                self._make_room()  # before the call that begins a segment, which reads a lot too
            size = self._size
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
        self._begun = ""
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

    def forget(self, segment):
        """Erase a segment without intact records, if it could be read."""
        if self.folder.is_readable:
            self.folder.erase(segment)
            self._replace([one for one in self.segments if one.name != segment.name])

    # Opening.

    def _index(self, feed):
        """Index the segments by their names; read those without an index and those that overlap.

        A run that was merged before a power cut overlaps with its parts. A damaged segment gets no
        index: the next start may read more of it.
        """
        for listed, last_at_ms, boot_unix_ms in self.folder.take_listed():
            feed()
            self._next_number = segment_files.number_of(listed) + 1
            segment = listed
            damaged_bytes = self.skipped_bytes
            if segment.count:
                self._note_boot(segment.boot_id, last_at_ms, boot_unix_ms)
            else:
                segment = self._scan(listed)
            before = self.segments[-1] if self.segments else None
            is_alike = segment and before and before.boot_id == segment.boot_id
            if is_alike and segment.first_seq <= before.last_seq:
                segment = self._after(before, segment)
            elif segment and not listed.count and self.skipped_bytes == damaged_bytes:
                segment = self.folder.close(segment, self.boots[segment.boot_id])
            if segment:
                self.segments.append(segment)
            elif self.folder.is_readable:
                self.folder.erase(listed)  # nothing intact, or merged before a power cut
        self._forget_boots()

    def _after(self, before, segment):
        """Return what `segment` has after `before`, the last one indexed; None if nothing.

        Both are read: a wrong name must not hide records.
        """
        before = self._scan(before)
        if before is None:
            if self.folder.is_readable:
                self.folder.erase(self.segments.pop())
            return self._scan(segment)
        segment = self._scan(segment)
        self.segments[-1] = before
        if segment is not None and segment.first_seq <= before.last_seq:
            segment = self._trimmed(segment, before.last_seq)
        return segment if segment is not None and segment.count else None

    def _scan(self, segment):
        """Return `segment` with the counts of its intact records, or None if it has none."""
        first_seq = last_seq = count = intact_bytes = sparse_bytes = event_bytes = 0
        minute = None
        for kind, start, end in self.folder.frames_of(segment):
            intact_bytes += end - start
            seq, at_ms = record_codec.stamp_of(self.folder.buffer, start)
            if kind == record_codec.EPOCH:
                self._note_boot(segment.boot_id, 0, at_ms)
                continue
            first_seq = first_seq or seq
            last_seq = seq
            self._note_boot(segment.boot_id, at_ms, None)
            count += 1
            if kind == record_codec.EVENT:
                event_bytes += end - start
            elif at_ms // MINUTE_MS != minute:
                minute = at_ms // MINUTE_MS
                sparse_bytes += end - start
        self.skipped_bytes += self.folder.size - intact_bytes
        if not count:
            return None
        return Segment(
            segment.name, segment.boot_id, first_seq, last_seq, count, sparse_bytes + event_bytes,
            event_bytes)

    def _note_boot(self, boot_id, at_ms, boot_unix_ms):
        boot = self.boots.setdefault(boot_id, [0, None])
        boot[0] = max(boot[0], at_ms)
        if boot_unix_ms is not None:
            boot[1] = boot_unix_ms

    # Writing.

    def _fits(self, boot_id, schema_id, size):
        if not self._is_open:
            return False
        last = self.segments[-1]
        if last.boot_id != boot_id or segment_files.schema_of(last) != schema_id:
            return False
        return self._size + size <= SEGMENT_BYTES

    def _begin(self, boot_id, schema_id, seq, boot_unix_ms):
        self._is_open = False
        last = self.segments[-1] if self.segments else None
        if last and last.name == self._begun:
            self.segments[-1] = self.folder.close(last, self.boots[last.boot_id])
        if len(self.segments) >= self._max_segments and not self._make_room():
            self._drop_oldest()
        header = _header(boot_id, schema_id, boot_unix_ms)
        segment = segment_files.new_segment(self._next_number, schema_id, boot_id, seq)
        self.folder.create(segment, header)
        self._next_number += 1
        self._begun = segment.name
        self._size = len(header)
        self._minute = None
        self.boots.setdefault(boot_id, [0, None])[1] = boot_unix_ms
        self.segments.append(segment)
        self._is_open = True

    def _write(self, entries, taken, size):
        last = self.segments[-1]
        self.folder.append(last, entries, taken)
        sparse_bytes, event_bytes = last.sparse_bytes, last.event_bytes
        for index in range(taken):
            entry = entries[index]
            minute = entry.at_ms // MINUTE_MS
            if record_codec.kind_of(entry.frame, 0) == record_codec.EVENT:
                event_bytes += len(entry.frame)
                sparse_bytes += len(entry.frame)
            elif minute != self._minute:
                sparse_bytes += len(entry.frame)
                self._minute = minute
        newest = entries[taken - 1]
        self._size = size
        self.segments[-1] = Segment(
            last.name, last.boot_id, last.first_seq, newest.seq, last.count + taken, sparse_bytes,
            event_bytes)
        self.boots[last.boot_id][0] = newest.at_ms

    def _make_room(self):
        """Merge a run of segments into one; False if that cannot be done now. Raises OSError."""
        try:
            from idro.outbox import decimation  # imported only by a full outbox: 8 kB of heap

            found = decimation.find_run(self.segments[:-1])
            return found is not None and self._merge(decimation.merged, *found)
        except MemoryError:
            return False  # the spare segments take the records

    def _merge(self, merge, level, run):
        """Replace `run` by what `merge` makes of it; False if the index of the run was wrong."""
        first = run[0]
        boot_unix_ms = self.boots[first.boot_id][1]
        header = _header(first.boot_id, segment_files.schema_of(first), boot_unix_ms)
        merged = merge(self.folder, run, level, header)
        if merged is None or not merged.index[2]:
            return self._corrected(run)
        segment = Segment(first.name, first.boot_id, *merged.index)
        boot = merged.last_at_ms, boot_unix_ms
        at = self.segments.index(first)
        # What follows needs no memory: the list must match the files.
        self.segments[at] = self.folder.replace(run, segment, boot, merged.pieces)
        left = len(run) - 1
        while left:
            self.segments.pop(at + 1)
            left -= 1
        self.generation += 1
        return True

    def _corrected(self, run):
        """Read the index of a run again; True if that frees a segment."""
        new = []
        for segment in run:
            found = self._scan(segment)
            if not self.folder.is_readable:
                new.append(segment)
            elif found is None:
                self.folder.erase(segment)
            else:
                new.append(found)
        at = self.segments.index(run[0])
        self.segments[at : at + len(run)] = new
        self.generation += 1
        return len(new) < len(run)

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
                if kind != record_codec.EPOCH and seq_upto < seq <= segment.last_seq:
                    first_seq = min(first_seq, seq)
                    count += 1
            if not self.folder.is_readable:
                first_seq, count = seq_upto + 1, min(segment.count, segment.last_seq - seq_upto)
        return Segment(
            segment.name, segment.boot_id, first_seq, segment.last_seq, count,
            segment.sparse_bytes, segment.event_bytes)

    def _replace(self, segments):
        if not segments or segments[-1].name != self.segments[-1].name:
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

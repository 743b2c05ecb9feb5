"""Ring: the segments of the outbox as a bounded ring. Index in RAM, records only in flash.

Segments are ascending in number and, within a boot, in seq. A segment is never written again
after a reset. Blocking: a flash block takes milliseconds, making room some hundred of them.
"""

from collections import namedtuple

from idro.outbox import record_codec
from idro.outbox.segment_files import MINUTE_MS, RAW, SEGMENT_BYTES, SPARSE, Segment, SegmentFiles

SPARE_SEGMENTS = 32  # beyond the limit, where nothing can be thinned: then the oldest goes
_HELD_SEGMENTS = 4  # that many it may have in any case

# One record on its way to flash.
Entry = namedtuple("Entry", ("seq", "at_ms", "frame"))


class SegmentRing:
    """Segments oldest first in `segments`; `boots` is {boot_id: [last_at_ms, boot_unix_ms]}."""

    def __init__(self, path, schema, max_segments):
        """Open the folder `path` and index what is in it."""
        self.folder = SegmentFiles(path, schema)
        self._most_segments = self._max_segments = max_segments
        self._spare_segments = SPARE_SEGMENTS
        self.segments = []
        self.boots = {}
        self.generation = 0  # changes when bytes within a segment move
        self.skipped_bytes = 0  # damaged bytes passed over when the folder was opened
        self.dropped_count = 0  # records in segments dropped whole, as the last resort
        self._is_open = False  # the last segment may take more
        self._minute = None
        self._next_number = 1
        self._index()

    @property
    def count(self):
        """Records in flash that are not stored at the host."""
        return sum(segment.count for segment in self.segments)

    def of_boot(self, boot_id):
        """Return the segments of one boot, oldest first."""
        return [segment for segment in self.segments if segment.boot_id == boot_id]

    def append(self, boot_id, schema_id, entries, boot_unix_ms):
        """Write Entries of the running boot to flash, in order, removing them from the list as
        they get there. Raises OSError."""
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

    def hold(self, is_held):
        """Grow no more while `is_held`: flash is full, and what is left of it is for others."""
        self._spare_segments = 0 if is_held else SPARE_SEGMENTS
        self._max_segments = self._most_segments
        if is_held:
            self._max_segments = min(self._most_segments, max(_HELD_SEGMENTS, len(self.segments)))

    def close(self):
        """Let the next record begin a new segment."""
        self._is_open = False

    def close_damaged(self):
        """After an OSError of append(): index what got there; return the highest seq in it."""
        if not self._is_open:
            return 0
        self._is_open = False
        segment = self._scan(self.segments.pop())
        if segment is None:
            return 0
        self.segments.append(segment)
        return segment.last_seq

    def stored(self, boot_id, seq_upto):
        """Erase what the host has of one boot. Part of a segment is only struck off the index."""
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
                self.folder.erase(listed)  # nothing intact, or merged before the power went
                continue
            highest_seq[segment.boot_id] = segment.last_seq
            self.segments.append(segment)
        self._forget_boots()

    def _scan(self, segment):
        """Return `segment` with what is really in its file, or None for nothing."""
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
        return Segment(
            segment.number, segment.boot_id, segment.schema_id, first_seq, last_seq, count,
            size, level,
        )

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
        lead = _lead(boot_id, schema_id, boot_unix_ms)
        segment = Segment(
            self._next_number, boot_id, schema_id, seq, seq - 1, 0, len(lead), SPARSE
        )
        self.folder.create(segment, lead)
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
        self.segments[-1] = Segment(
            last.number, last.boot_id, last.schema_id, last.first_seq, newest.seq,
            last.count + taken, size, level,
        )
        self.boots[last.boot_id][0] = newest.at_ms

    def _make_room(self):
        from idro.outbox import decimation  # only a full outbox needs it

        found = decimation.find_run(self.folder, self.segments, SEGMENT_BYTES)
        if found is None:
            return False
        level, run = found
        first = run[0]
        plan = decimation.plan(self.folder, run, level)
        lead = _lead(first.boot_id, first.schema_id, self.boots[first.boot_id][1])

        def write(file):
            file.write(lead)
            return decimation.write(self.folder, run, level, plan, file)

        first_seq, last_seq, count, size = self.folder.replace(run, write)
        at = self.segments.index(first)
        self.segments[at : at + len(run)] = [
            Segment(
                first.number, first.boot_id, first.schema_id, first_seq, last_seq, count,
                len(lead) + size, level,
            )
        ]
        self.generation += 1
        return True

    def _drop_oldest(self):
        if len(self.segments) >= self._max_segments + self._spare_segments:
            self.dropped_count += self.segments[0].count
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
        return Segment(
            segment.number, segment.boot_id, segment.schema_id, first_seq, segment.last_seq,
            count, segment.size, segment.level,
        )

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


def _lead(boot_id, schema_id, boot_unix_ms):
    """Return the bytes a segment begins with: the wall time of its boot, where it is known."""
    if boot_unix_ms is None:
        return b""
    payload = record_codec.epoch_payload(boot_unix_ms)
    return record_codec.frame(record_codec.EPOCH, payload, record_codec.seed(boot_id, schema_id))

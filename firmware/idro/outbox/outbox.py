"""The outbox: stores every record until the host has stored it, across resets and long outages.

Telemetry waits in RAM for up to a minute; an event is written to flash at once with all records
before it. Only `stored()` erases. Per boot, seq counts telemetry and events from 1; batches are in
ascending seq, the oldest boot first. A gap in seq (decimated or damaged records) is passed only
once everything before it is stored, so `oldest_seq` is correct: no lower seq will follow.
"""

from idro.outbox import record_codec
from idro.outbox.segment_files import SEGMENT_BYTES, number_of, schema_of
from idro.outbox.segment_ring import PendingRecord, SegmentRing
from idro.protocol.messages import MAX_RECORDS, Batch, EncodedRecord, event_json

MAX_BYTES = 384 * 1_024
FLUSH_MS = 60_000
MAX_MESSAGE_BYTES = 1_400  # one TCP segment; a fragmented heap has no larger free block
_FLUSH_BYTES = 1_024
_MAX_PENDING_BYTES = 8_192  # in RAM while flash fails, plus a minute of samples
_MAX_PENDING_BYTES_NO_MEMORY = 2_048  # the same after a MemoryError
_HEAD_CHARS = 140


def _nothing():
    return None


class Outbox:
    """Takes records of this boot, returns batches of all boots, erases stored ones."""

    def __init__(self, path, boot_id, channels, clock, max_bytes=MAX_BYTES, feed=_nothing):
        """Open the folder `path`; `channels` are the telemetry channels of this boot.

        `feed()` is called before each segment: reading those without an index takes long.

        While flash fails, records wait in RAM within a limit, and `error` holds the reason.
        Raises ProtocolError for an unknown channel.
        """
        self._boot_id = boot_id
        self._clock = clock
        self._schema = record_codec.Schema(channels)
        self._seed = record_codec.seed(boot_id, self._schema.id)
        self._ring = SegmentRing(path, self._schema, max_bytes // SEGMENT_BYTES, feed)
        self.error = self._ring.folder.error  # why flash fails, or ""
        self._pending = []
        self._pending_bytes = 0
        self._pending_since_ms = 0
        self._failed_at_ms = -FLUSH_MS  # when flash last failed
        earlier = self._ring.of_boot(boot_id)
        self._last_seq = earlier[-1].last_seq if earlier else 0
        self._hint = (None, None, None, 0)  # segment, generation, last seq read, position after it
        self._boot_unix_ms = None
        self.on_append = None  # called after every append, must not block
        self.write_failures_count = 0
        self.lost_count = 0  # records dropped from RAM because flash failed

    def append_telemetry(self, at_ms, values, faults):
        """Append a telemetry record; returns its seq. Raises ProtocolError for bad channels."""
        seq = self._last_seq + 1
        payload = self._schema.telemetry_payload(seq, at_ms, values, faults)
        self._append(seq, at_ms, record_codec.TELEMETRY, payload)
        is_due = at_ms - self._pending_since_ms >= FLUSH_MS or self._pending_bytes >= _FLUSH_BYTES
        # Freeing space reads segment by segment: not at every sample while flash fails.
        if is_due and at_ms - self._failed_at_ms >= FLUSH_MS:
            self.flush()
        return seq

    def append_event(self, at_ms, kind, detail):
        """Append an event and flush; returns its seq. Raises ProtocolError."""
        seq = self._last_seq + 1
        payload = record_codec.event_payload(seq, at_ms, kind, detail)
        self._append(seq, at_ms, record_codec.EVENT, payload)
        self.flush()
        return seq

    def flush(self):
        """Write pending records to flash. If that fails they stay in RAM, up to a limit."""
        if not self._pending:
            return
        max_bytes = _MAX_PENDING_BYTES
        try:
            self._ring.append(self._boot_id, self._schema.id, self._pending, self._boot_unix_ms)
            self.error = ""
        except (OSError, MemoryError) as error:
            if isinstance(error, MemoryError):
                max_bytes = _MAX_PENDING_BYTES_NO_MEMORY
            self.error = f"{error!r}"
            self._failed_at_ms = self._pending[-1].at_ms
            self.write_failures_count += 1
            written_seq = self._ring.close_damaged()
            while self._pending and self._pending[0].seq <= written_seq:
                self._pending.pop(0)
        self._pending_bytes = sum(len(entry.frame) for entry in self._pending)
        while self._pending_bytes > max_bytes:
            self._drop_oldest()

    def limit_growth(self, is_limited):
        """Take no more space on flash while `is_limited`."""
        self._ring.limit_growth(is_limited)

    def set_boot_unix_ms(self, unix_ms):
        """Set the wall time of at_ms 0 of this boot."""
        if unix_ms != self._boot_unix_ms:
            self._boot_unix_ms = unix_ms
            self._ring.close()

    def stored(self, boot_id, seq_upto):
        """Erase stored records of one boot up to seq_upto. Ignores one above its last seq."""
        if boot_id == self._boot_id:
            if seq_upto > self._last_seq:
                return
            while self._pending and self._pending[0].seq <= seq_upto:
                self._pending_bytes -= len(self._pending.pop(0).frame)
            self._note_pending_since()
        self._ring.stored(boot_id, seq_upto)

    def boots(self):
        """Return [(boot_id, last_at_ms)] of earlier boots with records here, oldest first."""
        return [
            (boot_id, self._ring.boots[boot_id][0])
            for boot_id in self._boot_ids()
            if boot_id != self._boot_id
        ]

    @property
    def count(self):
        """The number of records that the host has not stored."""
        return self._ring.count + len(self._pending)

    @property
    def newest(self):
        """The position of the newest record, as (boot_id, seq)."""
        return self._boot_id, self._last_seq

    @property
    def damaged_bytes(self):
        """The number of damaged bytes skipped when the outbox was opened."""
        return self._ring.skipped_bytes

    def oldest_seq(self, boot_id):
        """Return the lowest seq of a boot that is not stored, else the next seq."""
        for segment in self._ring.segments:
            if segment.boot_id == boot_id:
                return segment.first_seq
        if self._pending and boot_id == self._boot_id:
            return self._pending[0].seq
        return self._last_seq + 1

    def next_batch(self, after, most_records=MAX_RECORDS):
        """Return (leaf, Batch, position) of the records after position `after`, or None.

        leaf is "telemetry" or "event". Start with after = None, then pass the last position. A
        batch holds consecutive EncodedRecords of one leaf and boot, up to `most_records` and about
        1,400 bytes. None also before a gap until everything ahead of it is stored.
        """
        boot_ids = self._boot_ids()
        start = boot_ids.index(after[0]) if after and after[0] in boot_ids else 0
        for boot_id in boot_ids[start:]:
            last_seq = after[1] if after and after[0] == boot_id else 0
            kind, records, oldest_seq = self._next_run(boot_id, last_seq, most_records)
            if kind is not None and not records:
                return None
            if records:
                leaf = "telemetry" if kind == record_codec.TELEMETRY else "event"
                batch = Batch(
                    boot_id, self._epoch_of(boot_id), self._sent_at_ms(boot_id), oldest_seq,
                    records)
                return leaf, batch, (boot_id, records[-1].seq)
        return None

    # Reading.

    def _next_run(self, boot_id, last_seq, most_records):
        """Return (kind, records, oldest_seq): consecutive records of one kind after last_seq.

        kind is None if nothing follows; records is [] if a gap comes first.
        """
        oldest_seq = self.oldest_seq(boot_id)
        is_first = last_seq < oldest_seq  # no earlier record of this boot is unstored
        last_seq = max(last_seq, oldest_seq - 1)
        run_kind = None
        records = []
        size = _HEAD_CHARS
        for kind, record, hint in self._records(boot_id, last_seq):
            size += 1 + len(record.json)
            if not records and is_first:
                oldest_seq = record.seq  # higher than in the index if flash has decayed
            elif record.seq != last_seq + 1:
                run_kind = run_kind or kind
                break
            if records and (
                kind != run_kind or len(records) == most_records or size > MAX_MESSAGE_BYTES
            ):
                break
            run_kind = kind
            records.append(record)
            last_seq = record.seq
            self._hint = hint
        return run_kind, records, oldest_seq

    def _records(self, boot_id, after_seq):
        """Yield (kind, EncodedRecord, hint) of a boot's records after after_seq, in order."""
        ring = self._ring
        folder = ring.folder
        for segment in ring.of_boot(boot_id):
            if segment.last_seq <= after_seq:
                continue
            schema = folder.schemas.get(schema_of(segment))
            number = number_of(segment)
            known = (number, ring.generation, after_seq)
            position = self._hint[3] if self._hint[:3] == known else 0
            is_void = after_seq < segment.first_seq  # unless an intact record follows
            for kind, start, end in folder.frames_of(segment, position):
                seq = record_codec.stamp_of(folder.buffer, start)[0]
                if kind == record_codec.EPOCH or seq <= after_seq:
                    continue
                if not segment.first_seq <= seq <= segment.last_seq:
                    continue
                is_void = False
                record = EncodedRecord(seq, _json(schema, folder.buffer, kind, start, end))
                yield kind, record, (number, ring.generation, seq, end)
            if is_void:
                ring.forget(segment)
        if boot_id != self._boot_id:
            return
        for entry in self._pending:
            if entry.seq > after_seq:
                frame = entry.frame
                kind = record_codec.kind_of(frame, 0)
                json = _json(self._schema, frame, kind, 0, len(frame))
                yield kind, EncodedRecord(entry.seq, json), self._hint

    def _boot_ids(self):
        boot_ids = []
        for segment in self._ring.segments:
            if not boot_ids or boot_ids[-1] != segment.boot_id:
                boot_ids.append(segment.boot_id)
        if self._pending and (not boot_ids or boot_ids[-1] != self._boot_id):
            boot_ids.append(self._boot_id)
        return boot_ids

    def _epoch_of(self, boot_id):
        if boot_id == self._boot_id:
            return self._boot_unix_ms
        return self._ring.boots[boot_id][1]

    def _sent_at_ms(self, boot_id):
        return self._clock.now_ms() if boot_id == self._boot_id else None

    # Writing.

    def _append(self, seq, at_ms, kind, payload):
        if not self._pending:
            self._pending_since_ms = at_ms
        frame = record_codec.frame(kind, payload, self._seed)
        self._pending.append(PendingRecord(seq, at_ms, frame))
        self._pending_bytes += len(frame)
        self._last_seq = seq
        if self.on_append is not None:
            self.on_append()

    def _note_pending_since(self):
        if self._pending:
            self._pending_since_ms = self._pending[0].at_ms

    def _drop_oldest(self):
        """Drop the oldest telemetry record from RAM, or the oldest event if there is none."""
        victim = 0
        for index, entry in enumerate(self._pending):
            if record_codec.kind_of(entry.frame, 0) == record_codec.TELEMETRY:
                victim = index
                break
        self._pending_bytes -= len(self._pending.pop(victim).frame)
        self.lost_count += 1


def _json(schema, buffer, kind, start, end):
    """Return the JSON of the record in an intact frame."""
    if kind == record_codec.EVENT:
        return event_json(record_codec.read_event(buffer, start, end))
    return schema.telemetry_json(buffer, start)

"""Decimation: drops the oldest telemetry of a full outbox, never an event.

First telemetry denser than one record a minute (SPARSE), then all telemetry (EVENTS_ONLY), each
time of a run of neighbouring segments that fit into one afterwards. A `gap` event replaces the
last dropped record: records are missing in seq_from..seq_to, seq_to is the event's own seq, and
count is the number of records dropped there so far. The index of the segments tells which run, and
a run is short: a dose may be waiting for the flash.
"""

from collections import namedtuple

from idro.outbox import record_codec
from idro.outbox.segment_files import MINUTE_MS, SEGMENT_BYTES, schema_of

SPARSE = 1
EVENTS_ONLY = 2
_MAX_RUN = 4
_GAP_BYTES = 160
_HEADER_BYTES = 32
_GAP_START = b'["gap"'

# What remains of a run: `index` as in Segment, from first_seq on, and the bytes of its file.
Merged = namedtuple("Merged", ("index", "last_at_ms", "pieces"))


def find_run(segments):
    """Return (level, run) of the oldest run of `segments` that fits into one, or None."""
    for level in (SPARSE, EVENTS_ONLY):
        run = []
        total = _GAP_BYTES + _HEADER_BYTES
        for segment in segments:
            size = segment.sparse_bytes if level == SPARSE else segment.event_bytes
            is_alike = run and _is_alike(run[0], segment)
            if not is_alike or total + size > SEGMENT_BYTES or len(run) == _MAX_RUN:
                if len(run) > 1:
                    return level, run
                run = []
                total = _GAP_BYTES + _HEADER_BYTES
            run.append(segment)
            total += size
        if len(run) > 1:
            return level, run
    return None


def merged(folder, run, level, header):
    """Return what remains of a run of one boot at `level`, after the bytes `header`.

    None if it does not fit into a segment, since the index of the run is wrong, or if a part of it
    cannot be read now. The count is 0 if the run has no intact record. An earlier gap event is
    dropped: the new one includes it.
    """
    kept = bytearray(SEGMENT_BYTES - _GAP_BYTES)
    end = gap_at = len(header)
    kept[:end] = header
    first_seq = last_seq = count = event_bytes = last_at_ms = 0
    minute = None
    seq_from = seq_to = dropped_at_ms = dropped_count = 0
    for segment in run:
        for kind, start, stop in folder.frames_of(segment):
            seq, at_ms = record_codec.stamp_of(folder.buffer, start)
            if kind == record_codec.EPOCH or not segment.first_seq <= seq <= segment.last_seq:
                continue
            last_at_ms = max(last_at_ms, at_ms)
            is_gap = kind == record_codec.EVENT and _is_gap(folder.buffer, start)
            is_kept = kind == record_codec.EVENT and not is_gap
            if kind == record_codec.TELEMETRY and level == SPARSE:
                is_kept = at_ms // MINUTE_MS != minute
                minute = at_ms // MINUTE_MS
            if is_kept:
                size = stop - start
                if end + size > len(kept):
                    return None
                kept[end : end + size] = memoryview(folder.buffer)[start:stop]
                end += size
                count += 1
                first_seq, last_seq = first_seq or seq, seq
                event_bytes += size if kind == record_codec.EVENT else 0
                continue
            dropped_from, dropped = seq, 1
            if is_gap:
                detail = record_codec.read_event(folder.buffer, start, stop).detail
                dropped_from, dropped = detail["seq_from"], detail["count"]
            seq_from = min(seq_from or dropped_from, dropped_from)
            seq_to, dropped_at_ms, gap_at = seq, at_ms, end
            dropped_count += dropped
        if not folder.is_readable:
            return None
    gap = b""
    if dropped_count:
        detail = {"seq_from": seq_from, "seq_to": seq_to, "count": dropped_count}
        payload = record_codec.event_payload(seq_to, dropped_at_ms, "gap", detail)
        crc_seed = record_codec.seed(run[0].boot_id, schema_of(run[0]))
        gap = record_codec.frame(record_codec.EVENT, payload, crc_seed)
        first_seq, last_seq = min(first_seq or seq_to, seq_to), max(last_seq, seq_to)
        count += 1
    index = first_seq, last_seq, count, end - len(header) + len(gap), event_bytes + len(gap)
    view = memoryview(kept)
    return Merged(index, last_at_ms, (view[:gap_at], gap, view[gap_at:end]))


def _is_gap(buffer, start):
    at = start + record_codec.HEAD_BYTES + record_codec.STAMP_BYTES
    return buffer[at : at + len(_GAP_START)] == _GAP_START


def _is_alike(one, other):
    return one.boot_id == other.boot_id and schema_of(one) == schema_of(other)

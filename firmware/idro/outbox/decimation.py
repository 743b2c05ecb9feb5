"""Thinning: what the outbox gives up when it is full, oldest first, and never an event.

First telemetry denser than one record a minute (SPARSE), then all telemetry (EVENTS_ONLY), each
time of a run of neighbouring segments that fit into one afterwards. A `gap` event takes the place
(and the seq) of the last record given up: seq_from..seq_to is where records are missing, seq_to
being the event's own seq, and count how many were given up there, over all thinnings.
"""

from collections import namedtuple

from idro.outbox import record_codec
from idro.outbox.segment_files import EVENTS_ONLY, MINUTE_MS, SPARSE

_MAX_RUN = 8
_GAP_BYTES = 160
_GAP_START = b'["gap"'

# What a run gives up: count 0 is nothing; the gap event takes seq_to and at_ms.
Plan = namedtuple("Plan", ("seq_from", "seq_to", "at_ms", "count", "size"))


class Decimator:
    """Decides record by record, in order, what is kept at one level."""

    def __init__(self, level):
        self._level = level
        self._minute = None

    def keeps(self, kind, at_ms):
        """True for every event, and for telemetry that this level keeps."""
        if kind == record_codec.EVENT:
            return True
        if kind != record_codec.TELEMETRY or self._level == EVENTS_ONLY:
            return False
        minute = at_ms // MINUTE_MS
        if self._level == SPARSE and minute == self._minute:
            return False
        self._minute = minute
        return True


def find_run(folder, segments, segment_bytes):
    """Return (level, run) of the oldest run of `segments` worth merging, or None.

    A segment that has nothing to give up is marked so in the list.
    """
    for level in (SPARSE, EVENTS_ONLY):
        run = []
        total = _GAP_BYTES
        for at, segment in enumerate(segments):
            size = segment.size
            if segment.level < level:
                size = plan(folder, (segment,), level).size
                if size + _GAP_BYTES >= segment.size:  # not worth another look
                    segments[at] = segment = _at_level(segment, level)
            is_alike = run and _is_alike(run[0], segment)
            if not is_alike or total + size > segment_bytes or len(run) == _MAX_RUN:
                if len(run) > 1:
                    return level, run
                run = []
                total = _GAP_BYTES
            run.append(segment)
            total += size
        if len(run) > 1:
            return level, run
    return None


def plan(folder, segments, level):
    """Return the Plan of thinning `segments` of one boot together; its size counts no gap."""
    seq_from = seq_to = at_ms = count = size = 0
    for kind, is_kept, start, end in _sieved(folder, segments, level):
        if is_kept:
            size += end - start
            continue
        seq, lost_at_ms = record_codec.stamp_of(folder.buffer, start)
        lost_from, lost_count = seq, 1
        if kind == record_codec.EVENT:
            detail = record_codec.read_event(folder.buffer, start, end).detail
            lost_from, lost_count = detail["seq_from"], detail["count"]
        seq_from = min(seq_from or lost_from, lost_from)
        seq_to = seq
        at_ms = lost_at_ms
        count += lost_count
    return Plan(seq_from, seq_to, at_ms, count, size)


def write(folder, segments, level, run_plan, file):
    """Write what is kept of `segments`, with the gap in its place, to an open file.

    Returns (first_seq, last_seq, count, size) of the records written.
    """
    first_seq = last_seq = count = size = 0
    gap = _gap_frame(segments[0], run_plan) if run_plan.count else None
    for _, is_kept, start, end in _sieved(folder, segments, level):
        seq = record_codec.stamp_of(folder.buffer, start)[0]
        if gap is not None and seq >= run_plan.seq_to:
            size += file.write(gap)
            gap = None
            count += 1
            first_seq = first_seq or run_plan.seq_to
            last_seq = run_plan.seq_to
        if is_kept:
            size += file.write(memoryview(folder.buffer)[start:end])
            count += 1
            first_seq = first_seq or seq
            last_seq = seq
    return first_seq, last_seq, count, size


def _sieved(folder, segments, level):
    """Yield (kind, is_kept, start, end) in folder.buffer of the unstored records of a run.

    An earlier gap event is not kept: it goes up in the new one, where records are given up.
    """
    sieve = Decimator(level)
    for segment in segments:
        for kind, start, end in folder.frames_of(segment):
            seq, at_ms = record_codec.stamp_of(folder.buffer, start)
            if kind == record_codec.EPOCH or seq < segment.first_seq:
                continue
            is_gap = kind == record_codec.EVENT and _is_gap(folder.buffer, start)
            yield kind, sieve.keeps(kind, at_ms) and not is_gap, start, end


def _is_gap(buffer, start):
    at = start + record_codec.HEAD_BYTES + record_codec.STAMP_BYTES
    return buffer[at : at + len(_GAP_START)] == _GAP_START


def _gap_frame(segment, run_plan):
    detail = {
        "seq_from": run_plan.seq_from, "seq_to": run_plan.seq_to, "count": run_plan.count,
    }
    payload = record_codec.event_payload(run_plan.seq_to, run_plan.at_ms, "gap", detail)
    crc_seed = record_codec.seed(segment.boot_id, segment.schema_id)
    return record_codec.frame(record_codec.EVENT, payload, crc_seed)


def _is_alike(one, other):
    return one.boot_id == other.boot_id and one.schema_id == other.schema_id


def _at_level(segment, level):
    return segment.__class__(
        segment.number, segment.boot_id, segment.schema_id, segment.first_seq,
        segment.last_seq, segment.count, segment.size, level,
    )

"""Decimation: drops the oldest telemetry of a full outbox, never an event.

First telemetry denser than one record a minute (SPARSE), then all telemetry (EVENTS_ONLY), each
time of a run of neighbouring segments that fit into one afterwards. A `gap` event replaces the
last dropped record: records are missing in seq_from..seq_to, seq_to is the event's own seq, and
count is the number of records dropped there so far.
"""

from collections import namedtuple

from idro.outbox import record_codec
from idro.outbox.segment_files import EVENTS_ONLY, MINUTE_MS, SPARSE, indexed

_MAX_RUN = 8
_GAP_BYTES = 160
_GAP_START = b'["gap"'

# What is dropped from a run, with seq_to and at_ms of its gap event; count 0 is nothing.
DecimationPlan = namedtuple("DecimationPlan", ("seq_from", "seq_to", "at_ms", "count", "size"))


class Decimator:
    """Decides record by record, in order, what remains at one level."""

    def __init__(self, level):
        self._level = level
        self._minute = None

    def keeps(self, kind, at_ms):
        """True for every event, and for telemetry that remains at this level."""
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

    Raises the level of segments in the list that have nothing to drop.
    """
    for level in (SPARSE, EVENTS_ONLY):
        run = []
        total = _GAP_BYTES
        for at, segment in enumerate(segments):
            size = segment.size
            if segment.level < level:
                size = plan_run(folder, (segment,), level).size
                if size + _GAP_BYTES >= segment.size:  # not worth decimating
                    segments[at] = segment = indexed(
                        segment, segment.first_seq, segment.last_seq, segment.count, segment.size,
                        level)
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


def plan_run(folder, segments, level):
    """Return the DecimationPlan of `segments` of one boot; its size excludes the gap event."""
    seq_from = seq_to = at_ms = count = size = 0
    for kind, is_kept, start, end in _decimated(folder, segments, level):
        if is_kept:
            size += end - start
            continue
        seq, dropped_at_ms = record_codec.stamp_of(folder.buffer, start)
        dropped_from, dropped_count = seq, 1
        if kind == record_codec.EVENT:
            detail = record_codec.read_event(folder.buffer, start, end).detail
            dropped_from, dropped_count = detail["seq_from"], detail["count"]
        seq_from = min(seq_from or dropped_from, dropped_from)
        seq_to = seq
        at_ms = dropped_at_ms
        count += dropped_count
    return DecimationPlan(seq_from, seq_to, at_ms, count, size)


def write(folder, segments, level, run_plan, file):
    """Write the remaining records of `segments` and the gap event to an open file.

    Returns (first_seq, last_seq, count, size) of the records written.
    """
    first_seq = last_seq = count = size = 0
    gap = _gap_frame(segments[0], run_plan) if run_plan.count else None
    for _, is_kept, start, end in _decimated(folder, segments, level):
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


def _decimated(folder, segments, level):
    """Yield (kind, is_kept, start, end) in folder.buffer of the unstored records of a run.

    An earlier gap event is dropped: the new one includes it.
    """
    decimator = Decimator(level)
    for segment in segments:
        for kind, start, end in folder.frames_of(segment):
            seq, at_ms = record_codec.stamp_of(folder.buffer, start)
            if kind == record_codec.EPOCH or seq < segment.first_seq:
                continue
            is_gap = kind == record_codec.EVENT and _is_gap(folder.buffer, start)
            yield kind, decimator.keeps(kind, at_ms) and not is_gap, start, end


def _is_gap(buffer, start):
    at = start + record_codec.HEAD_BYTES + record_codec.STAMP_BYTES
    return buffer[at : at + len(_GAP_START)] == _GAP_START


def _gap_frame(segment, run_plan):
    detail = {"seq_from": run_plan.seq_from, "seq_to": run_plan.seq_to, "count": run_plan.count}
    payload = record_codec.event_payload(run_plan.seq_to, run_plan.at_ms, "gap", detail)
    crc_seed = record_codec.seed(segment.boot_id, segment.schema_id)
    return record_codec.frame(record_codec.EVENT, payload, crc_seed)


def _is_alike(one, other):
    return one.boot_id == other.boot_id and one.schema_id == other.schema_id

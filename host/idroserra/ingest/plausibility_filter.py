"""Refuses records that are within the protocol but impossible: from the future, or of too many
channels."""

from __future__ import annotations

from idroserra.core import protocol
from idroserra.core.plausibility import latest_unix_ms
from idroserra.ingest.decoder import UnreadableRecord
from idroserra.ingest.received import Received

FUTURE_ERROR = "is in the future"
MAX_CHANNELS = 128  # of one node since the start of the host; a real one has 32


class PlausibilityFilter:
    """Remembers the channels of each node. Not thread-safe."""

    def __init__(self) -> None:
        self._channels: dict[str, set[str]] = {}

    def apply(self, item: Received, epoch_unix_ms: int) -> None:
        """Make the implausible records of a message unreadable."""
        limit_ms = latest_unix_ms(item.unix_ms) - epoch_unix_ms
        known = self._channels.setdefault(item.node, set())
        records, of_telemetry = item.batch.records, item.leaf == "telemetry"
        if all(one.at_ms <= limit_ms for one in records) and (not of_telemetry or all(
                one.values.keys() <= known and one.faults.keys() <= known for one in records)):
            return  # the usual case
        kept, refused = [], []
        for one in records:
            error = ""
            if one.at_ms > limit_ms:
                error = f"at_ms: {one.at_ms} {FUTURE_ERROR}"
            elif of_telemetry:
                new = (one.values.keys() | one.faults.keys()) - known
                if len(known) + len(new) > MAX_CHANNELS:
                    error = f"values: more than {MAX_CHANNELS} channels since the host started"
                else:
                    known |= new
            if error:
                payload = protocol.pack_record(item.leaf, item.batch, one)
                refused.append(UnreadableRecord(one.seq, payload, error))
            else:
                kept.append(one)
        if refused:
            seqs = {one.seq for one in kept}
            item.batch = item.batch._replace(records=kept)
            item.news = [one for one in item.news if one.seq in seqs]
            item.unread = tuple(sorted((*item.unread, *refused)))

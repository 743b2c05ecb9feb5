"""Whether a host can read the events of a node: it keeps those it cannot unread."""

from idro.protocol.events import EVENTS
from idro.protocol.messages import Batch, EventRecord
from idroserra.core.plausibility import check_batch


def readable(result):
    """Return the result of a scenario, having checked the events of its node."""
    for at_ms, kind, detail in result.evidence.events:
        if kind in EVENTS:
            check_batch(Batch("b1", None, None, 1, [EventRecord(1, at_ms, kind, detail)]))
    return result

"""Tests of how the demo publishes its history, over a real broker."""

import pytest

from idro.protocol import messages_host
from idro.protocol.messages import Batch, Record
from idroserra.core import protocol
from idroserra.demo.history import HistoryError, HistorySender

BEGAN_UNIX_MS = 1_700_000_000_000


def published(seq):
    """Return a line of the trace: the node published one record."""
    record = Record(seq, 1_000 * seq, {"reservoir.ph": 5.9}, {})
    payload = messages_host.pack_telemetry(
        Batch("0badcafe", BEGAN_UNIX_MS, 1_000 * seq, seq, [record]))
    return {"t": "up", "topic": protocol.up_topic("serra", "telemetry"), "at_ms": 1_000 * seq,
            "payload": payload.decode()}


def test_a_history_whose_broker_is_gone_ends_with_its_cause(mosquitto):
    sender = HistorySender("serra", BEGAN_UNIX_MS, "127.0.0.1", mosquitto.port)
    sender.take(published(1))
    mosquitto.stop()
    with pytest.raises(HistoryError, match="serra: the history was not sent: .*not .*connected"):
        sender.close()

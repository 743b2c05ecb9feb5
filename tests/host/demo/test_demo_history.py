"""Tests of how the demo publishes its history, over a real broker."""

import os
import signal
import time

import pytest

from idro.protocol import messages_host
from idro.protocol.messages import Batch, Record
from idroserra.core import protocol
from idroserra.demo.history import HistoryError, HistorySender

BEGAN_UNIX_MS = 1_700_000_000_000
LOST = "serra: the history was not sent: the broker closed the connection"


def published(seq, boot_id="0badcafe"):
    """Return a line of the trace: the node published one record."""
    record = Record(seq, 1_000 * seq, {"reservoir.ph": 5.9}, {})
    payload = messages_host.pack_telemetry(
        Batch(boot_id, BEGAN_UNIX_MS, 1_000 * seq, seq, [record]))
    return {"t": "up", "topic": protocol.up_topic("serra", "telemetry"), "at_ms": 1_000 * seq,
            "payload": payload.decode()}


def test_a_history_whose_broker_is_gone_ends_with_its_cause(mosquitto):
    sender = HistorySender("serra", BEGAN_UNIX_MS, "127.0.0.1", mosquitto.port)
    sender.take(published(1))
    mosquitto.stop()
    with pytest.raises(HistoryError, match=LOST):
        sender.close()


def test_a_broker_that_goes_with_unacknowledged_history_is_noticed_at_once(mosquitto):
    sender = HistorySender("serra", BEGAN_UNIX_MS, "127.0.0.1", mosquitto.port)
    os.kill(mosquitto.pid, signal.SIGSTOP)  # it takes no message, and its port stays open
    for seq in (1, 20):  # the second of another boot: sends the first
        sender.take(published(seq, boot_id=f"0badcaf{seq % 10}"))
    mosquitto.kill()
    began_s = time.monotonic()
    with pytest.raises(HistoryError, match=LOST):
        sender.close()
    assert time.monotonic() - began_s < 30  # half the deadline of an acknowledgement

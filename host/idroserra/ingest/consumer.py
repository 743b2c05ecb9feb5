"""From the broker to the spool: unpack, commit in groups, and only then acknowledge.

The node is told with down/stored, the broker with its PUBACK. While the spool cannot take more
(disk full) nothing is acknowledged and the messages in hand wait; it resumes alone. A message or a
record that is none of the contract's is kept as rejected, acknowledged and counted: it holds
nothing up, and what an update of the host can read is taken then.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache, partial

from idroserra.core import protocol
from idroserra.core.errors import SpoolError
from idroserra.ingest.decoder import read_records
from idroserra.ingest.handler import LastMessage, MessageHandler
from idroserra.ingest.receipts import Received, Rejected
from idroserra.ingest.spool import Item, Spool
from idroserra.mqtt.connection import Connected, IncomingMessage, MqttConnection, RawChunk

GROUP_MS = 50
STEADY_MS = 200  # between two commits while messages keep coming
GROUP_MESSAGES = 4_000
GROUP_BYTES = 4 * 1_048_576
ANSWER_S = 0.05  # for a line that is asked what it has
IDLE_S = 0.5
RETRY_S = 1.0
HELD_MESSAGES = 5_000  # while the spool takes nothing; the others wait as they came
HELD_BYTES = 8 * 1_048_576
LIVE_RECORDS = 50  # messages of one group whose reading is shown, over all boots

_log = logging.getLogger("idroserra")
_down_topic = lru_cache(maxsize=16_384)(protocol.down_topic)
_last_message = partial(tuple.__new__, LastMessage)  # half the time: there are millions
_OUR_TOPICS = f"{protocol.PREFIX}/host/"


class Ingest:
    """Takes what arrives. run() is the loop of one thread. `handler` gets the messages that carry
    no records, and the records that are new."""

    def __init__(self, link: MqttConnection, spool: Spool, handler: MessageHandler) -> None:
        self._link = link
        self._spool = spool
        self._handler = handler
        self._stopping = threading.Event()
        self._waiting: deque[IncomingMessage | Connected] = deque()
        self._in_hand: IncomingMessage | None = None
        self._held: list[Item] = []
        self._unacked: list[IncomingMessage] = []
        self._unacked_bytes = 0
        self._runs: dict[tuple[str, str], Received] = {}
        self._is_starved = False
        self._committed_s = 0.0
        self._last_messages: dict[str, LastMessage] = {}

    def run(self) -> None:
        """Take messages until stop(). Run again after a failure, it rejects what it failed on."""
        failed, self._in_hand = self._in_hand, None
        if failed is not None:
            self._waiting.popleft()
            self._held.append(Rejected("", failed.topic, failed.payload,
                                       "the host failed on it, see its log", failed.unix_ms))
        while not self._stopping.is_set():
            self.step()

    def stop(self) -> None:
        """End run() soon; what is not committed stays with the broker."""
        self._stopping.set()

    def step(self) -> None:
        """Take one group of messages, or wait a moment for one."""
        waiting, held = self._waiting, self._held
        waiting.extend(self._collect())
        try:
            while waiting:
                message = waiting[0]
                if isinstance(message, Connected):
                    self._handler.connected()
                else:
                    item = self._read(message)
                    if item is not None:
                        held.append(item)
                waiting.popleft()
        except Exception:
            self._in_hand = message if isinstance(message, IncomingMessage) else None
            raise
        if self._last_messages:
            self._handler.on_heartbeats(self._last_messages)
            self._last_messages = {}
        self._handler.tick()
        if self._unacked or self._unacked_bytes:
            self._commit()

    def _collect(self) -> list[IncomingMessage | Connected]:
        """Return the messages of one commit: about GROUP_MESSAGES, or what comes in a moment.

        The line hands on what it has in large pieces; at the end it is asked for the rest."""
        if len(self._unacked) >= HELD_MESSAGES or self._unacked_bytes >= HELD_BYTES:
            self._stopping.wait(RETRY_S)
            return []
        messages: list[IncomingMessage | Connected] = []
        inbox = self._link.inbox
        try:
            self._take_in(inbox.get(timeout=RETRY_S if self._is_starved else IDLE_S), messages)
            if not messages and not self._unacked_bytes:
                return messages  # the late answer of a line that had nothing
            now_s = time.monotonic()
            deadline_s = max(now_s + GROUP_MS / 1_000, self._committed_s + STEADY_MS / 1_000)
            if self._is_starved:
                deadline_s = now_s + RETRY_S
            while (left_s := deadline_s - time.monotonic()) > 0 and self._has_room(messages):
                self._take_in(inbox.get(timeout=left_s), messages)
        except queue.Empty:
            pass
        with suppress(queue.Empty):
            if self._unacked_bytes and self._has_room(messages) and self._link.flush():
                self._take_in(inbox.get(timeout=ANSWER_S), messages)
            while self._has_room(messages):
                self._take_in(inbox.get_nowait(), messages)
        return messages

    def _has_room(self, messages: Sequence[object]) -> bool:
        return len(messages) < GROUP_MESSAGES and self._unacked_bytes < GROUP_BYTES

    def _take_in(
        self,
        came: IncomingMessage | Connected | RawChunk,
        messages: list[IncomingMessage | Connected],
    ) -> None:
        if isinstance(came, RawChunk):
            self._unacked_bytes += len(came.data)
            arrived = self._link.unpack(came)
            messages += arrived
            self._unacked += arrived
        else:
            messages.append(came)
            if isinstance(came, IncomingMessage):
                self._unacked.append(came)

    def _commit(self) -> None:
        self._runs.clear()
        try:
            committed = self._spool.commit(self._held) if self._held else None
        except SpoolError as error:
            if not self._is_starved:
                _log.error("nothing is acknowledged until the spool works: %s", error.why)
            self._is_starved = True
            return
        if self._is_starved:
            _log.warning("the spool works again")
        self._is_starved = False
        self._committed_s = time.monotonic()
        self._link.release(self._unacked_bytes)
        self._unacked_bytes = 0
        self._link.ack(self._unacked)
        self._unacked.clear()
        self._held.clear()
        if committed is None:
            return
        now_unix_ms = self._link.now_unix_ms()
        self._link.publish_qos0([
            (_down_topic(node, "stored"),
             protocol.pack_stored(boot_id, seq_upto, now_unix_ms))
            for (node, boot_id), seq_upto in committed.stored_upto.items()
        ])
        shown = max(1, LIVE_RECORDS // max(1, len(committed.stored_upto)))
        for accepted in committed.accepted:
            # Of very many messages the last: whoever calibrates counts readings, not hundreds.
            self._handler.on_records(accepted, now_unix_ms, shown)

    def _read(self, message: IncomingMessage) -> Item | None:
        """Return what the spool must keep of a message; do at once what is of the moment."""
        node = ""
        try:
            node, leaf = _place(message.topic)
            if leaf in protocol.RECORD_LEAVES:
                return self._read_records(node, leaf, message)
            if not leaf or (not message.payload and leaf in ("status", "info", "config")):
                return None  # what a host says; somebody cleared a retained message
            return self._handler.on_message(node, leaf, message)
        except protocol.ProtocolError as error:
            _log.info("rejected: %s: %s", message.topic, error.why)
            return Rejected(
                node, message.topic, message.payload, error.why, message.unix_ms
            )

    def _read_records(self, node: str, leaf: str, message: IncomingMessage) -> Item | None:
        batch, unread = read_records(leaf, message.payload)
        for one in unread:
            _log.info("rejected: %s: seq %d: %s", message.topic, one.seq, one.reason)
        self._last_messages[node] = _last_message(
            (batch.boot_id, batch.sent_at_ms, message.unix_ms))
        if not batch.records and not unread:
            return None
        run = self._runs.get((message.topic, batch.boot_id))
        if run is not None and not unread and run.extend_with(batch, message.unix_ms):
            return None
        received = Received(node, leaf, batch, message.unix_ms, unread)
        if not unread:
            self._runs[message.topic, batch.boot_id] = received
        return received


@lru_cache(maxsize=16_384)
def _place(topic: str) -> tuple[str, str]:
    """Return (node, leaf); "" and "" for what a host says. Raises ProtocolError."""
    if topic.startswith(_OUR_TOPICS):
        return "", ""
    node, _, leaf = protocol.parse_topic(topic)
    return node, leaf

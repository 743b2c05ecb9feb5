"""Moves messages from the broker to the spool: decode, commit in groups, then acknowledge.

The node gets down/stored, if the host has its key; the broker gets PUBACK. While the spool cannot
be written (disk full) no node gets down/stored, and records are dropped: their nodes keep them
and send them again. Status, infos and answers are handled, so that stops work. It recovers
automatically. An invalid message or record is stored as rejected, acknowledged and counted, so
that it does not block others; a later version of the host may be able to read it. On a full disk
it is dropped too.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache

from idroserra.core import protocol
from idroserra.core.errors import SpoolError
from idroserra.ingest.confirmations import Confirmations, Copies
from idroserra.ingest.decoder import read_records
from idroserra.ingest.handler import LastMessage, MessageHandler
from idroserra.ingest.quota import Quota
from idroserra.ingest.received import NodeInfoMessage, Received
from idroserra.ingest.refusals import Rejected
from idroserra.ingest.spool import CommitResult, Item, Spool
from idroserra.mqtt.connection import Connected, IncomingMessage, MqttConnection, RawChunk

GROUP_MS = 50
STEADY_MS = 200  # between two commits under load
GROUP_MESSAGES = 1_000
GROUP_BYTES = 4 * 1_048_576
FLUSH_S = 0.05  # maximum wait for the connection's answer to flush()
IDLE_S = 0.5
RETRY_S = 1.0  # between two commits while the spool cannot be written
LIVE_RECORDS = 50  # records of one group for the live view, over all boots

_log = logging.getLogger("idroserra")
_OUR_TOPICS = f"{protocol.PREFIX}/host/"


class Ingest:
    """Consumes messages. run() is the loop of one thread. `handler` gets the messages without
    records, and the new records; `copies`: see Confirmations."""

    def __init__(
        self, link: MqttConnection, spool: Spool, handler: MessageHandler,
        copies: Copies | None = None,
    ) -> None:
        self._link = link
        self._spool = spool
        self._handler = handler
        self.confirmations = Confirmations(link, handler.stored_message, copies)
        self._stopping = threading.Event()
        self._waiting: deque[IncomingMessage | Connected] = deque()
        self._failed: IncomingMessage | None = None
        self._held: list[Item] = []
        self._unacked: list[IncomingMessage] = []
        self._unacked_bytes = 0
        self._runs: dict[tuple[str, str], Received] = {}
        self._is_starved = False
        self._committed_s = 0.0
        self._last_messages: dict[str, LastMessage] = {}
        self._sent_at_ms: dict[tuple[str, str], int | None] = {}  # of messages without an answer
        self._quota, self._now_s = Quota(), time.monotonic()

    def run(self) -> None:
        """Handle messages until stop(). A run after an exception rejects the failed message."""
        failed, self._failed = self._failed, None
        if failed is not None:
            self._waiting.popleft()
            node, leaf = _place(failed.topic)
            self._quota.charge_failure(_account(node, leaf), time.monotonic())
            self._held.append(Rejected(node, failed.topic, failed.payload,
                                       "the host failed on it, see its log", failed.unix_ms))
        while not self._stopping.is_set():
            self.step()

    def stop(self) -> None:
        """End run(); the broker keeps uncommitted messages."""
        self._stopping.set()
        self._link.flush()  # with a connection, this ends the wait for messages

    def step(self) -> None:
        """Handle one group of messages, or wait for messages."""
        waiting, held = self._waiting, self._held
        waiting.extend(self._collect())
        self._now_s = time.monotonic()
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
            self._failed = message if isinstance(message, IncomingMessage) else None
            raise
        if self._last_messages:
            self._handler.on_heartbeats(self._last_messages)
            self._last_messages = {}
        self._handler.tick()
        if self._unacked or self._unacked_bytes or self._held:
            self._commit()

    def _collect(self) -> list[IncomingMessage | Connected]:
        """Return the messages of one commit: about GROUP_MESSAGES, or those of GROUP_MS.

        The connection delivers large chunks; at the end it is asked to flush the rest."""
        messages: list[IncomingMessage | Connected] = []
        inbox = self._link.inbox
        try:
            self._take_in(inbox.get(timeout=RETRY_S if self._is_starved else IDLE_S), messages)
            if not messages and not self._unacked_bytes:
                return messages  # a late, empty answer to flush()
            now_s = time.monotonic()
            deadline_s = max(now_s + GROUP_MS / 1_000, self._committed_s + STEADY_MS / 1_000)
            if self._is_starved:
                deadline_s = now_s + RETRY_S
            while (left_s := deadline_s - time.monotonic()) > 0 and self._has_room(messages):
                if self._stopping.is_set():
                    break
                self._take_in(inbox.get(timeout=left_s), messages)
        except queue.Empty:
            pass
        with suppress(queue.Empty):
            if self._unacked_bytes and self._has_room(messages) and self._link.flush():
                self._take_in(inbox.get(timeout=FLUSH_S), messages)
            while self._has_room(messages):
                self._take_in(inbox.get_nowait(), messages)
        return messages

    def _has_room(self, messages: Sequence[object]) -> bool:
        return len(messages) < GROUP_MESSAGES and self._unacked_bytes < GROUP_BYTES

    def _take_in(
        self, item: IncomingMessage | Connected | RawChunk,
        messages: list[IncomingMessage | Connected],
    ) -> None:
        if isinstance(item, RawChunk):
            self._unacked_bytes += len(item.data)
            arrived = self._link.unpack(item)
            messages += arrived
            self._unacked += arrived
        else:
            messages.append(item)
            if isinstance(item, IncomingMessage):
                self._unacked.append(item)

    def _commit(self) -> None:
        self._runs.clear()
        committed = self._write()
        self._link.release(self._unacked_bytes)
        self._unacked_bytes = 0
        self._link.ack(self._unacked)
        self._unacked.clear()
        if committed is None:
            return
        self.confirmations.add(committed.stored_upto, self._sent_at_ms)
        self._sent_at_ms.clear()
        now_unix_ms = self._link.now_unix_ms()
        shown = max(1, LIVE_RECORDS // max(1, len(committed.stored_upto)))
        for accepted in committed.accepted:
            # A limited number: the live view and calibrations need only the newest readings.
            self._handler.on_records(accepted, now_unix_ms, shown)

    def _write(self) -> CommitResult | None:
        """Store what is held. Return None if that is nothing, or if the spool cannot be written:
        then only the newest info of each node is kept, which no node sends again."""
        if not self._held:
            return None
        try:
            committed = self._spool.commit(self._held)
        except SpoolError as error:
            if not self._is_starved:
                _log.error("no confirmations until the spool works again: %s", error.why)
            self._is_starved = True
            newest = {item.node: item for item in self._held if isinstance(item, NodeInfoMessage)}
            self._held = list(newest.values())
            self._sent_at_ms.clear()
            return None
        if self._is_starved:
            _log.warning("the spool works again")
        self._is_starved = False
        self._committed_s = time.monotonic()
        self._held = []
        return committed

    def _read(self, message: IncomingMessage) -> Item | None:
        """Return what the spool must store of a message; handle the rest at once."""
        node = account = ""
        try:
            node, leaf = _place(message.topic)
            account = _account(node, leaf)
            if not leaf or not message.payload:
                return None  # from a host, or the deletion of a retained message
            if not self._quota.takes(account, len(message.payload), self._now_s):
                return None
            if leaf in protocol.RECORD_LEAVES:
                return self._read_records(node, leaf, message)
            return self._handler.on_message(node, leaf, message)
        except protocol.ProtocolError as error:
            self._quota.charge_invalid(account, 1, self._now_s)
            self._quota.log(node, self._now_s, "rejected: %s: %s", message.topic, error.why)
            return Rejected(node, message.topic, message.payload, error.why, message.unix_ms)

    def _read_records(self, node: str, leaf: str, message: IncomingMessage) -> Item | None:
        batch, unread = read_records(leaf, message.payload)
        if unread:
            self._quota.charge_invalid(node, len(unread), self._now_s)
        for one in unread:
            self._quota.log(node, self._now_s, "rejected: %s: seq %d: %s", message.topic, one.seq,
                            one.error)
        self._last_messages[node] = LastMessage(batch.boot_id, batch.sent_at_ms, message.unix_ms)
        self._sent_at_ms[node, batch.boot_id] = batch.sent_at_ms
        if not batch.records and not unread:
            return None
        run = self._runs.get((message.topic, batch.boot_id))
        if run is not None and not unread and run.extend_with(batch, message.unix_ms):
            return None
        received = Received(node, leaf, batch, message.unix_ms, unread)
        if not unread:
            self._runs[message.topic, batch.boot_id] = received
        return received


def _account(node: str, leaf: str) -> str:
    """Return whose quota a message uses: only records are sent again, so they have their own."""
    return node if leaf in protocol.RECORD_LEAVES else f"{node} (status and answers)"


@lru_cache(maxsize=16_384)
def _place(topic: str) -> tuple[str, str]:
    """Return (node, leaf); ("", "") for topics of a host. Raises ProtocolError."""
    if topic.startswith(_OUR_TOPICS):
        return "", ""
    node, _, leaf = protocol.parse_topic(topic)
    return node, leaf

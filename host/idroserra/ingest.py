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
from functools import lru_cache

from idroserra import contract
from idroserra.decode import RECORD_LEAVES, read_records
from idroserra.errors import SpoolError
from idroserra.hearing import Hearing
from idroserra.mqtt_link import Arrived, Connected, Link, Piece
from idroserra.receipts import Received, Rejected
from idroserra.spool import Item, Spool

GROUP_MS = 50
GROUP_MESSAGES = 2_000
IDLE_S = 0.5
RETRY_S = 1.0
HELD_MESSAGES = 5_000

_log = logging.getLogger("idroserra")
_parse_topic = lru_cache(maxsize=16_384)(contract.parse_topic)
_OUR_TOPICS = f"{contract.PREFIX}/host/"


class Ingest:
    """Takes what arrives. run() is the loop of one thread. What is no record, and what is news,
    is for `hearing`."""

    def __init__(self, link: Link, spool: Spool, hearing: Hearing) -> None:
        self._link = link
        self._spool = spool
        self._hearing = hearing
        self._stopping = threading.Event()
        self._waiting: deque[Arrived | Connected] = deque()
        self._in_hand: Arrived | None = None
        self._held: list[tuple[Arrived, Item | None]] = []
        self._is_starved = False
        self._signs: dict[str, tuple[str, int | None, int]] = {}

    def run(self) -> None:
        """Take messages until stop(). Run again after a failure, it rejects what it failed on."""
        if self._in_hand is not None:
            self._waiting.popleft()
            reject = Rejected("", self._in_hand.topic, self._in_hand.payload,
                              "the host failed on it, see its log", self._in_hand.unix_ms)
            self._held.append((self._in_hand, reject))
            self._in_hand = None
        while not self._stopping.is_set():
            self.step()

    def stop(self) -> None:
        """End run() soon; what is not committed stays with the broker."""
        self._stopping.set()

    def step(self) -> None:
        """Take one group of messages, or wait a moment for one."""
        self._waiting.extend(self._collect())
        while self._waiting:
            message = self._waiting[0]
            if isinstance(message, Connected):
                self._hearing.connected()
            else:
                self._in_hand = message
                self._held.append((message, self._read(message)))
                self._in_hand = None
            self._waiting.popleft()
        for node, sign in self._signs.items():
            self._hearing.sign(node, *sign)
        self._signs.clear()
        self._hearing.tick()
        if self._held:
            self._commit()

    def _collect(self) -> list[Arrived | Connected]:
        """Return what arrives within GROUP_MS of the first message, about GROUP_MESSAGES."""
        if len(self._held) >= HELD_MESSAGES:
            self._stopping.wait(RETRY_S)
            return []
        messages: list[Arrived | Connected] = []
        is_first = not self._held
        wait_s = RETRY_S if self._held else IDLE_S
        deadline_s = time.monotonic() + wait_s
        while len(messages) < GROUP_MESSAGES:
            try:
                came = self._link.inbox.get(timeout=max(0.0, wait_s))
            except queue.Empty:
                break
            if isinstance(came, Piece):
                messages += self._link.unpack(came)
            else:
                messages.append(came)
            if is_first:
                is_first = False
                deadline_s = time.monotonic() + GROUP_MS / 1_000
            wait_s = deadline_s - time.monotonic()
        return messages

    def _commit(self) -> None:
        items = [item for _, item in self._held if item is not None]
        try:
            committed = self._spool.commit(items) if items else None
        except SpoolError as error:
            if not self._is_starved:
                _log.error("nothing is acknowledged until the spool works: %s", error.why)
            self._is_starved = True
            return
        if self._is_starved:
            _log.warning("the spool works again")
        self._is_starved = False
        self._link.ack(message for message, _ in self._held)
        self._held.clear()
        if committed is None:
            return
        now_unix_ms = self._link.now_unix_ms()
        for (node, boot_id), seq_upto in committed.stored_upto.items():
            self._link.publish(
                contract.down_topic(node, "stored"),
                contract.pack_stored(boot_id, seq_upto, now_unix_ms),
            )
        for accepted in committed.accepted:
            self._hearing.show(accepted, now_unix_ms)

    def _read(self, message: Arrived) -> Item | None:
        """Return what the spool must keep of a message; do at once what is of the moment."""
        if message.topic.startswith(_OUR_TOPICS):
            return None
        node = ""
        try:
            node, _, leaf = _parse_topic(message.topic)
            if not message.payload and leaf in ("status", "info", "config"):
                return None  # somebody cleared a retained message
            if leaf in RECORD_LEAVES:
                return self._read_records(node, leaf, message)
            return self._hearing.word(node, leaf, message)
        except contract.ProtocolError as error:
            _log.info("rejected: %s: %s", message.topic, error.why)
            return Rejected(
                node, message.topic, message.payload, error.why, message.unix_ms
            )

    def _read_records(self, node: str, leaf: str, message: Arrived) -> Item | None:
        batch, unread = read_records(leaf, message.payload)
        for one in unread:
            _log.info("rejected: %s: seq %d: %s", message.topic, one.seq, one.reason)
        self._signs[node] = batch.boot_id, batch.sent_at_ms, message.unix_ms
        if not batch.records and not unread:
            return None
        return Received(node, leaf, batch, message.unix_ms, unread)


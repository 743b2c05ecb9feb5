"""Confirms records to the nodes with down/stored.

Without a standby it is sent with the commit. With one it waits until the standby's copy of the
spool has the commit, in a thread of its own, so that neither the ingest nor a command waits:
what is committed meanwhile is confirmed together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Protocol

from idroserra.core import protocol
from idroserra.mqtt.connection import MqttConnection

RETRY_S = 0.5

StoredMessage = Callable[[str, protocol.Stored], bytes | None]
Boot = tuple[str, str]  # node, boot_id

_down_topic = lru_cache(maxsize=16_384)(protocol.down_topic)


class Copies(Protocol):
    """What a standby has. Each method may be called by any thread, and may wait for the
    standby."""

    def has_spool(self) -> bool:
        """Return whether it has what the spool had when this was called."""

    def has_store(self) -> bool:
        """As has_spool(), of the store and what feeds have still to receive."""

    def may_move(self) -> bool:
        """Return whether the store may get what is in the spool."""


class Confirmations:
    """Sends down/stored. run() is the loop of one thread, needed with a standby only."""

    def __init__(
        self, link: MqttConnection, stored_message: StoredMessage,
        copies: Copies | None,
    ) -> None:
        """`copies`: None without a standby."""
        self._link = link
        self._stored_message = stored_message
        self._copies = copies
        self._waiting: dict[Boot, tuple[int, int | None]] = {}
        self._changed = threading.Condition()
        self._stopping = threading.Event()

    def add(
        self, stored_upto: Mapping[Boot, int], sent_at_ms: Mapping[Boot, int | None]
    ) -> None:
        """Confirm each boot up to a seq, as an answer to its newest message."""
        new = {boot: (seq_upto, sent_at_ms.get(boot)) for boot, seq_upto in stored_upto.items()}
        if self._copies is None:
            self._publish(new)
            return
        with self._changed:
            self._waiting.update(new)
            self._changed.notify()

    def run(self) -> None:
        """Confirm what a standby has, until stop()."""
        while self._wait():
            self.step()

    def step(self) -> None:
        """Confirm what waits, once the standby has it; otherwise keep it for the next step."""
        with self._changed:
            taken, self._waiting = self._waiting, {}
        if self._copies is None or self._copies.has_spool():
            self._publish(taken)
            return
        with self._changed:
            self._waiting = taken | self._waiting
        self._stopping.wait(RETRY_S)

    def stop(self) -> None:
        """End run(); nodes send again what was not confirmed."""
        self._stopping.set()
        with self._changed:
            self._changed.notify()

    def _wait(self) -> bool:
        """Wait until something is to be confirmed; return False after stop()."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping.is_set())
        return not self._stopping.is_set()

    def _publish(self, confirmed: Mapping[Boot, tuple[int, int | None]]) -> None:
        now_unix_ms = self._link.now_unix_ms()
        messages = []
        for (node, boot_id), (seq_upto, sent_at_ms) in confirmed.items():
            payload = self._stored_message(
                node, protocol.Stored(boot_id, seq_upto, now_unix_ms, sent_at_ms))
            if payload is not None:
                messages.append((_down_topic(node, "stored"), payload))
        self._link.publish_qos0(messages)

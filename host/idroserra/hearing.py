"""Dispatches non-record messages (info, status, ack), publishes new records to live subscribers.

The host keeps the registry, answers commands and shows; a worker that only helps with the records
keeps when boots began, and leaves the rest to the host.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import suppress

from idroserra import contract
from idroserra.commands import Commands
from idroserra.errors import SpoolError
from idroserra.ingest_handler import LastMessage
from idroserra.latest_events import LatestEvents
from idroserra.live import Live
from idroserra.mqtt_link import Arrived, Link
from idroserra.news import NEWS_RECORDS
from idroserra.nodes import Nodes
from idroserra.receipts import Announced
from idroserra.spool import Accepted, Item, Spool
from idroserra.update.updates import Updates
from idroserra.worker_signs import RENEW_MS, STOPPED, WorkerSign

LIVE_EVENT_MS = 900_000  # older events are history, not news
FOLLOW_S = 0.25

_log = logging.getLogger("idroserra")


class HostMessageHandler:
    """The message handler of the host."""

    def __init__(
        self, nodes: Nodes, commands: Commands, live: Live, updates: Updates,
        events: LatestEvents,
    ) -> None:
        self._nodes = nodes
        self._commands = commands
        self._live = live
        self._updates = updates
        self._events = events

    def connected(self) -> None:
        """Tell every node its settings again."""
        self._commands.send_configs()

    def tick(self, oldest_unix_ms: int | None) -> None:
        """Give up commands that nobody answered."""
        self._commands.end_overdue()

    def on_heartbeats(self, last_messages: Mapping[str, LastMessage]) -> None:
        """Note when the nodes were there, and how long they have been running."""
        self._nodes.heard(last_messages)

    def on_message(self, node: str, leaf: str, message: Arrived) -> Item | None:
        """Do at once what is of the moment; return an up/info to be kept. Raises ProtocolError."""
        arrived_unix_ms = _arrival(message)
        item: Item | None = None
        if leaf == "info":
            announced = read_info(node, message)
            item, info = announced, announced.info
            self._nodes.set_info(node, info)
            if arrived_unix_ms is not None:
                self._nodes.set_uptime(node, info.boot_id, info.at_ms, arrived_unix_ms)
            self._live.publish({"type": "info", "node": node})
        elif leaf == "status":
            online = contract.unpack_status(message.payload)
            self._nodes.set_online(node, online)
            self._live.publish({"type": "status", "node": node, "online": online})
        elif leaf == "ack":
            self._commands.answer(node, contract.unpack_ack(message.payload))
        elif leaf == "update":
            self._updates.asked(node, contract.unpack_ask(message.payload))
        else:
            report = contract.unpack_config_report(message.payload)
            self._commands.reported(node, report, arrived_unix_ms)
        if arrived_unix_ms is not None and message.payload != b"offline":
            self._nodes.seen(node, arrived_unix_ms)
        return item

    def on_records(self, accepted: Accepted, now_unix_ms: int, most: int = NEWS_RECORDS) -> None:
        """Give the newest record of each message, and events that are news, to the live view.

        Of very many messages the last: whoever calibrates counts readings, but not hundreds."""
        if accepted.leaf == "telemetry":
            for record in accepted.news[-min(most, NEWS_RECORDS):]:
                self._live.record(accepted.node, accepted.epoch_unix_ms + record.at_ms,
                                  record.values, record.faults)
            return
        for record in accepted.records:
            unix_ms = accepted.epoch_unix_ms + record.at_ms
            self._events.take(accepted.node, unix_ms * 1_000 + record.seq % 1_000, record.kind,
                              record.detail)
            if now_unix_ms - unix_ms < LIVE_EVENT_MS:
                self._live.publish({
                    "type": "event", "node": accepted.node, "unix_ms": unix_ms,
                    "seq": record.seq, "kind": record.kind, "detail": record.detail,
                })


class WorkerHearing:
    """That of a worker: the host hears what is of the moment itself, and reads the news.

    It says now and then that the worker is there: in the ingest's thread, so that one that hangs
    says nothing."""

    def __init__(self, name: str, spool: Spool, link: Link) -> None:
        self._name = name
        self._spool = spool
        self._link = link
        self._started_unix_ms = link.now_unix_ms()
        self._told: tuple[str, float] | None = None
        self._behind_ms = 0

    def connected(self) -> None:
        """Nothing."""

    def tick(self, oldest_unix_ms: int | None) -> None:
        """Say every few seconds, and at once where the line has changed, how it stands."""
        now_unix_ms, state = self._link.now_unix_ms(), self._link.state
        if oldest_unix_ms is not None:
            self._behind_ms = max(self._behind_ms, now_unix_ms - oldest_unix_ms)
        now_s = time.monotonic()
        if self._told is None or self._told[0] != state or (
                now_s - self._told[1] >= RENEW_MS / 1_000):
            self._renew(state)
            self._told, self._behind_ms = (state, now_s), 0

    def sign_off(self) -> None:
        """Say that somebody stopped the worker."""
        self._renew(STOPPED)

    def _renew(self, state: str) -> None:
        told = WorkerSign(self._name, self._started_unix_ms, self._link.now_unix_ms(), state,
                          self._behind_ms)
        with suppress(SpoolError):  # then it is silent; the ingest says why in the log
            self._spool.sign_worker(told)

    def on_heartbeats(self, last_messages: Mapping[str, LastMessage]) -> None:
        """Nothing: they are in the news."""

    def on_message(self, node: str, leaf: str, message: Arrived) -> Item | None:
        """Return an up/info, which tells when boots began. Raises ProtocolError."""
        return read_info(node, message) if leaf == "info" else None

    def on_records(self, accepted: Accepted, now_unix_ms: int, most: int = NEWS_RECORDS) -> None:
        """Nothing: it is in the news."""


class Follower:
    """Shows what workers commit. run() is the loop of one thread."""

    def __init__(self, spool: Spool, hearing: HostMessageHandler) -> None:
        self._spool = spool
        self._hearing = hearing
        self._last: int | None = None
        self._stopping = threading.Event()

    def run(self) -> None:
        """Show until stop()."""
        while not self._stopping.wait(FOLLOW_S):
            self.step()

    def stop(self) -> None:
        """End run() soon."""
        self._stopping.set()

    def step(self) -> None:
        """Show what has come since the last step; the first only looks where that is.

        Raises SpoolError."""
        self._last, news = self._spool.news(self._last)
        self._hearing.on_heartbeats(
            {one.node: LastMessage(one.boot_id, one.sent_at_ms, one.unix_ms) for one in news})
        for one in news:
            if one.epoch_unix_ms is not None:
                accepted = Accepted(one.node, one.leaf, one.boot_id, one.epoch_unix_ms,
                                    one.records, one.records)
                self._hearing.on_records(accepted, one.unix_ms)
        if news:
            self._spool.wake()  # the writer, too, has something to do


def read_info(node: str, message: Arrived) -> Announced:
    """Return what an up/info announces. Raises ProtocolError."""
    return Announced(node, contract.unpack_info(message.payload), _arrival(message))


def _arrival(message: Arrived) -> int | None:
    """Return when a message came; None for a copy that the broker kept."""
    return None if message.retained else message.unix_ms

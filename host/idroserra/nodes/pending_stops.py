"""Delivers stops: sends each again under its id until the node has carried it out.

It shares no lock, queue or file with other commands, and waits for no disk: a stop is sent before
it is stored. Stops are sent with QoS 0 on the connection of the ingest, which no flood of commands
or settings fills, and which the broker passes on before the commands that wait for a slow node.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from idroserra.auth.clock import Uptime
from idroserra.core import protocol
from idroserra.core.reasons import Reason, reason_from_json
from idroserra.mqtt.connection import MqttConnection
from idroserra.nodes.command_messages import CommandMessages
from idroserra.nodes.command_state import CommandState
from idroserra.nodes.node import fingerprint
from idroserra.nodes.registry import Nodes

STOP_AGAIN_MS = 2_000
STOP_FOR_MS = 24 * 3_600_000  # then the node counts as out of reach for good
_SHARED_MS = 600_000  # a stop is repeated for one that is requested so long after it
_RECORD_MS = 60_000  # and such a request is recorded, if none was for so long
_TTL_MS = 30_000
_MAX_ENDED = 1_000
REPEAT_S = 0.5  # between two looks for stops that are due


@dataclass
class _Waiting:
    command: CommandState  # its reason: why it is not delivered yet, None once it was sent
    begun_ms: int  # the uptime of the machine when it was requested, or read after a restart
    recorded_ms: int  # the uptime when it was last requested by a person, and recorded
    sent_unix_ms: int = 0
    sent_count: int = 0
    failure: Reason | None = None  # by the node: why a reset would forget it
    keys: set[str] = field(default_factory=set)  # fingerprints of those it was signed with


class PendingStops:
    """The stops without an answer. Any thread may call; only look_up_boots() may wait."""

    def __init__(
        self, nodes: Nodes, link: MqttConnection, messages: CommandMessages,
        uptime: Callable[[], Uptime], stored: Iterable[CommandState] = (),
    ) -> None:
        """`stored` are the pending stops of an earlier run, oldest first; they wait for a day
        from now, because the wall clock may have been wrong then, or may be now."""
        self._nodes = nodes
        self._link = link
        self._messages = messages
        self._lock = threading.Lock()
        self._uptime = uptime
        self._waiting = {
            command.id: _Waiting(command, uptime().ms, uptime().ms) for command in stored}
        self._ended: dict[str, CommandState] = {}  # the last ones
        self._marks: dict[str, str] = {}  # by node
        self._first_mark = secrets.token_hex(6)

    def new(self, node: str, by: str, command_id: str | None = None) -> CommandState:
        """Return a stop of now, which add() sends."""
        now_unix_ms = self._link.now_unix_ms()
        return CommandState(command_id or secrets.token_hex(12), node, "stop", {}, by,
                            now_unix_ms, now_unix_ms + STOP_FOR_MS, "pending", None)

    def add(self, command: CommandState) -> bool:
        """Send a stop now and until it is answered.

        Returns False, and sends nothing, if another has its id."""
        with self._lock:
            if self._find(command.id) is not None:
                return False
            self._add(command)
            return True

    def add_or_repeat(self, node: str, by: str) -> tuple[CommandState, bool]:
        """Send a stop of a person as add() does; return it, and whether to record the request.

        If a stop of that person waits since lately, that one is sent again and waits for a day
        from now: requests in quick succession do not add up. No resume was sent since."""
        command = self.new(node, by)
        with self._lock:
            for waiting in reversed(self._waiting.values()):
                found = waiting.command
                age_ms = command.sent_unix_ms - found.sent_unix_ms
                if (found.node, found.by) == (node, by) and 0 <= age_ms < _SHARED_MS:
                    self._marks[node] = secrets.token_hex(6)
                    waiting.command = replace(found, ends_unix_ms=command.ends_unix_ms)
                    now_ms = waiting.begun_ms = self._uptime().ms
                    is_recorded = now_ms - waiting.recorded_ms >= _RECORD_MS
                    if is_recorded:
                        waiting.recorded_ms = now_ms
                    self._send(waiting)
                    return waiting.command, is_recorded
            return self._add(command), True

    def _add(self, command: CommandState) -> CommandState:
        self._marks[command.node] = secrets.token_hex(6)
        waiting = self._waiting[command.id] = _Waiting(
            command, self._uptime().ms, self._uptime().ms)
        self._send(waiting)
        return waiting.command

    def mark(self, node: str) -> str:
        """Return a text that each added stop of the node changes, and a restart. Takes no lock."""
        return self._marks.get(node, self._first_mark)

    def waits(self, node: str) -> bool:
        """Return whether a stop of the node waits for its answer."""
        with self._lock:
            return any(one.command.node == node for one in self._waiting.values())

    def all(self) -> list[CommandState]:
        """Return the stops without an answer, oldest first."""
        with self._lock:
            return [one.command for one in self._waiting.values()]

    def get(self, command_id: str) -> CommandState | None:
        """Return a stop that waits or has ended lately, or None."""
        with self._lock:
            return self._find(command_id)

    def repeat(self) -> list[CommandState]:
        """Send the newest stop of each node again if it is due; return those whose reason changed.

        An answer to it answers the older ones too."""
        now_unix_ms = self._link.now_unix_ms()
        # The wall clock may be set back meanwhile.
        return self._send_again(
            lambda one: abs(now_unix_ms - one.sent_unix_ms) >= STOP_AGAIN_MS)

    def look_up_boots(self) -> list[CommandState]:
        """Look up uptimes that stops wait for, and send these; return those whose reason changed.

        May wait for the disk, with no lock held: no other stop is delayed."""
        with self._lock:
            names = {one.command.node for one in self._waiting.values()}
        return [stop for name in names for stop in self._look_up_boot(name)]

    def _look_up_boot(self, name: str) -> list[CommandState]:
        node = self._nodes.peek(name)
        if node is None or self._messages.known_boot_epoch(node) is not None:
            return []
        try:
            epoch_unix_ms = self._messages.boot_epoch(node)
        except sqlite3.Error:  # it is looked up again with the next call
            return []
        if epoch_unix_ms is None:
            return []
        return self._send_again(lambda one: one.command.node == name)

    def answer(self, node: str, ack: protocol.Ack) -> list[CommandState]:
        """Return the stops that an answer ends, oldest first: it, and those sent before it.

        Only "done" ends one. A stop that came too late, or for an earlier boot, is sent again, and
        so is one that the node could not save: it carries the node's reason from then on."""
        with self._lock:
            stop = self._find(ack.id)
            if stop is None or stop.node != node:
                return []
            reason = reason_from_json(ack.reason)
            if ack.outcome == "failed" and ack.id in self._waiting:
                self._waiting[ack.id].failure = reason
            if ack.outcome != "done":
                return []
            if ack.id not in self._waiting:
                if stop.state == "done":  # the answer came before
                    return []
                # It was withdrawn, or ended as overdue.
                stop = self._ended[ack.id] = replace(stop, state="done", reason=reason)
                return [stop]
            ids = [one for one, other in self._waiting.items() if other.command.node == node]
            ids = ids[: ids.index(ack.id) + 1]
            return [self._end(one, "done", reason) for one in ids]

    def signed_with(self, command_id: str) -> str | None:
        """Return the fingerprint of the key that signed a waiting stop, None if two did."""
        with self._lock:
            waiting = self._waiting.get(command_id)
            if waiting is None or len(waiting.keys) != 1:
                return None
            return next(iter(waiting.keys))

    def withdraw(
        self, node: str, reason: Reason, resume: Callable[[], bool] = lambda: True
    ) -> list[CommandState] | None:
        """End the stops of a node as failed, and return them; None if `resume` returns False.

        No stop is sent again after `resume` has sent a later wish."""
        with self._lock:
            if not resume():
                return None
            ids = [one for one, other in self._waiting.items() if other.command.node == node]
            return [self._end(one, "failed", reason) for one in ids]

    def explained(self, command: CommandState, reason: Reason) -> Reason:
        """Return why a command was not sent; of a resume, also that a stop still waits.

        The stop acts as soon as the node is back: only a resume that was sent withdraws it."""
        with self._lock:
            nodes = {one.command.node for one in self._waiting.values()}
        is_told = command.verb != "resume" or reason.code == "dosing_changed"
        if is_told or command.node not in nodes:
            return reason
        return Reason("stop_waits", why=reason)

    def end_overdue(self) -> list[CommandState]:
        """End the stops that waited for STOP_FOR_MS, whatever the wall clock; return them."""
        with self._lock:
            now_ms = self._uptime().ms
            overdue = [one.command for one in self._waiting.values()
                       if now_ms - one.begun_ms > STOP_FOR_MS]
            return [self._end(one.id, "timeout", one.reason or Reason("unanswered"))
                    for one in overdue]

    def _find(self, command_id: str) -> CommandState | None:
        waiting = self._waiting.get(command_id)
        return self._ended.get(command_id) if waiting is None else waiting.command

    def _end(self, command_id: str, state: str, reason: Reason | None) -> CommandState:
        ended = replace(self._waiting.pop(command_id).command, state=state, reason=reason)
        self._ended[command_id] = ended
        if len(self._ended) > _MAX_ENDED:
            del self._ended[next(iter(self._ended))]
        return ended

    def _send_again(self, is_due: Callable[[_Waiting], bool]) -> list[CommandState]:
        """Send the newest stop of each node if it is due; return those whose reason changed."""
        changed = []
        with self._lock:
            newest = {one.command.node: one for one in self._waiting.values()}
            for waiting in newest.values():
                before = waiting.command
                if is_due(waiting):
                    self._send(waiting)
                if waiting.command != before:
                    changed.append(waiting.command)
        return changed

    def _send(self, waiting: _Waiting) -> None:
        """Send a stop, also to a node that seems offline; set its reason."""
        now_unix_ms = waiting.sent_unix_ms = self._link.now_unix_ms()
        code = self._publish(waiting, now_unix_ms + _TTL_MS)
        reason = Reason(code) if code else waiting.failure
        waiting.command = replace(waiting.command, reason=reason)

    def _publish(self, waiting: _Waiting, ends_unix_ms: int) -> str:
        """Publish a stop; return the code of why the node does not get it now, or ""."""
        node = self._nodes.peek(waiting.command.node)
        if node is None or node.key is None:
            return "not_adopted"
        if not self._link.is_connected:
            return "broker_unreachable"
        key = node.key
        if node.next_key is not None and waiting.sent_count % 2:  # with either key in turn
            key = node.next_key
        message = self._messages.pack(node, waiting.command, key, ends_unix_ms)
        if message is None:
            return "boot_unknown" if node.online else "node_offline"
        self._link.publish_qos0([message])
        waiting.sent_count += 1
        waiting.keys.add(fingerprint(key))
        return "" if node.online else "node_offline"


class StopLoops:
    """The loops of two threads that send stops again.

    `publish` receives the stops whose reason has changed."""

    def __init__(self, stops: PendingStops, publish: Callable[[CommandState], None]) -> None:
        self._stops, self._publish = stops, publish
        self._ending, self._look_up = threading.Event(), threading.Event()

    def run(self) -> None:
        """Repeat stops until end(). The loop of one thread."""
        while not self._ending.wait(REPEAT_S):
            self.repeat_stops()

    def run_look_ups(self) -> None:
        """Look up uptimes until end(). The loop of another thread: it may wait for the disk."""
        while not self._ending.is_set():
            self.look_up_boots()
            self._look_up.wait(REPEAT_S)
            self._look_up.clear()

    def wake(self) -> None:
        """Look up uptimes now: there is a new stop."""
        self._look_up.set()

    def end(self) -> None:
        """End both loops. Unanswered stops are repeated after the next start."""
        self._ending.set()
        self._look_up.set()

    def repeat_stops(self) -> None:
        """Send the stops that are due again."""
        for stop in self._stops.repeat():
            self._publish(stop)

    def look_up_boots(self) -> None:
        """Send the stops that waited for the uptime of their node, which is in the spool."""
        for stop in self._stops.look_up_boots():
            self._publish(stop)

"""Sends signed commands and settings to nodes, and records the answers.

A command is "pending" until the node answers (done, refused, expired, failed) or until its
"timeout"; one that cannot be sent is refused or failed at once. An answer after the timeout still
replaces it: what the node did is the truth.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from idroserra.auth.identity import current_identity
from idroserra.core import protocol
from idroserra.core.errors import HostError
from idroserra.core.sqlite import connect
from idroserra.mqtt.connection import MqttConnection
from idroserra.nodes.live import LiveState
from idroserra.nodes.registry import Node, Nodes, fingerprint

TTL_MS = 30_000
HIGHEST_TTL_MS = 60_000
ANSWER_GRACE_MS = 5_000
KEPT_COUNT = 10_000
CONFIG_AGAIN_MS = 60_000
# Stored verb: verb on down/update.
UPDATE_VERBS = {"offer update": "offer", "cancel update": "cancel"}
SHORT_CHARS = 8  # of a fingerprint, as people compare it

# Returns the wall time at uptime 0 of (node, boot_id), or None if it is unknown.
Epoch = Callable[[str, str], int | None]


class AuditSink(Protocol):
    """Writes a row of the audit log."""

    def __call__(
        self, who: str, action: str, *, target: str = "", address: str = "host",
        detail: Mapping[str, Any] | None = None, result: str = "done", reason: str = "",
    ) -> None: ...


def _no_audit(who: str, action: str, **_: Any) -> None:
    """Write nothing."""


_SCHEMA = """
CREATE TABLE IF NOT EXISTS commands (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, node TEXT NOT NULL, verb TEXT NOT NULL,
    args TEXT NOT NULL, by TEXT NOT NULL, sent_unix_ms INTEGER NOT NULL,
    ends_unix_ms INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS commands_by_node ON commands (node, number);
"""
_COLUMNS = "id, node, verb, args, by, sent_unix_ms, ends_unix_ms, state, reason"


@dataclass(frozen=True)
class CommandState:
    """One command. state: pending, done, refused, expired, failed or timeout."""

    id: str
    node: str
    verb: str
    args: Mapping[str, Any]
    by: str
    sent_unix_ms: int
    ends_unix_ms: int
    state: str
    reason: str


class DuplicateCommandId(HostError):
    """Another command has this id."""


class Commands:
    """Sends commands and settings, and stores their outcome. Any thread may call."""

    def __init__(
        self, path: Path, nodes: Nodes, live: LiveState, link: MqttConnection,
        epoch_unix_ms: Epoch, audit: AuditSink = _no_audit,
    ) -> None:
        """`audit` receives what the host itself requests, and the outcome of every command."""
        self._audit = audit
        self._nodes = nodes
        self._live = live
        self._link = link
        self._epoch_unix_ms = epoch_unix_ms
        self._lock = threading.RLock()
        self._database = connect(path, _SCHEMA)
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM commands WHERE state='pending'")
        self._pending = {row[0]: _from_row(row) for row in rows}
        self._config_sent_unix_ms: dict[str, int] = {}
        self._signed_with: dict[str, str] = {}  # id: key, while a node may have one of two

    def send(
        self, node: str, verb: str, args: Mapping[str, Any], by: str, ttl_ms: int = TTL_MS,
        *, command_id: str | None = None, until_unix_ms: int | None = None,
    ) -> str:
        """Send a command and return its id; state(id) returns its outcome.

        A `command_id` that exists already is not sent again, so a client may repeat its request. A
        command requested after `until_unix_ms` has expired.

        Raises UnknownNode, DuplicateCommandId, and ProtocolError for an unknown verb or a bad
        argument. For a node that is offline, not adopted or of unknown uptime the command has
        already failed or been refused, with the reason.
        """
        protocol.check_args(verb, args)
        with self._lock:
            if command_id is not None and self._is_sent(command_id, node, verb, args, by):
                return command_id
            return self._begin(node, verb, args, by, ttl_ms, None, command_id, until_unix_ms)

    def _is_sent(
        self, command_id: str, node: str, verb: str, args: Mapping[str, Any], by: str
    ) -> bool:
        """Return whether this command was sent before. Raises DuplicateCommandId for another."""
        try:
            found = self.state(command_id)
        except KeyError:
            return False
        if (found.node, found.verb, dict(found.args), found.by) != (node, verb, dict(args), by):
            raise DuplicateCommandId(f"id: another command was sent as {command_id}")
        return True

    def send_update(self, node: str, offer: protocol.Offer | None, by: str) -> str:
        """Offer a release to a node, or withdraw the offer with None; return the id as send().

        Raises UnknownNode, ProtocolError."""
        if offer is None:
            return self._begin(node, "cancel update", {}, by, TTL_MS, None)
        args = {"release": offer.sha256[:16], "version": offer.version}
        return self._begin(node, "offer update", args, by, TTL_MS, offer)

    def _begin(
        self, node: str, verb: str, args: Mapping[str, Any], by: str, ttl_ms: int,
        offer: protocol.Offer | None, command_id: str | None = None,
        until_unix_ms: int | None = None,
    ) -> str:
        known = self._nodes.get(node)
        protocol.check_by(by)
        now_unix_ms = self._link.now_unix_ms()
        ends_unix_ms = now_unix_ms + min(ttl_ms, HIGHEST_TTL_MS)
        command = CommandState(
            command_id or secrets.token_hex(12), node, verb, dict(args), by, now_unix_ms,
            ends_unix_ms, "pending", "")
        if current_identity() is None:
            self._audit(by, "command", target=node, result="asked",
                       detail={"id": command.id, "verb": verb, "args": dict(args)})
        with self._lock:
            state, reason = self._obstacle(known)
            if not state and until_unix_ms is not None and now_unix_ms > until_unix_ms:
                state, reason = "expired", "it reached the host too late"
            if not state:
                self._store(command)  # before it is sent: the answer may be fast
                if self._publish(known, command, offer):
                    return command.id
                state, reason = "failed", "the broker is not reachable"
            self._store(replace(command, state=state, reason=reason))
        return command.id

    def state(self, command_id: str) -> CommandState:
        """Return the command. Raises KeyError for an unknown id."""
        self.end_overdue()
        with self._lock:
            pending = self._pending.get(command_id)
            if pending is not None:
                return pending
            row = self._database.execute(
                f"SELECT {_COLUMNS} FROM commands WHERE id=?", (command_id,)).fetchone()
        if row is None:
            raise KeyError(command_id)
        return _from_row(row)

    def recent(self, node: str, count: int = 50) -> list[CommandState]:
        """Return the newest commands of a node, newest first."""
        with self._lock:
            rows = self._database.execute(
                f"SELECT {_COLUMNS} FROM commands WHERE node=? ORDER BY number DESC LIMIT ?",
                (node, count)).fetchall()
        return [_from_row(row) for row in rows]

    def on_ack(self, node: str, ack: protocol.Ack) -> None:
        """Process a node's answer; ignore one to a command of another node."""
        try:
            command = self.state(ack.id)
        except KeyError:
            return
        if command.node == node and command.state in ("pending", "timeout"):
            self._confirm_key(command)
            self._store(replace(command, state=ack.outcome, reason=ack.reason))

    def end_overdue(self) -> None:
        """Time out the pending commands that are overdue."""
        now_unix_ms = self._link.now_unix_ms()
        with self._lock:
            for command in list(self._pending.values()):
                if now_unix_ms > command.ends_unix_ms + ANSWER_GRACE_MS:
                    self._try_next_key(command)
                    self._store(replace(command, state="timeout",
                                        reason="the node did not answer"))

    def set_config(self, node: str, changes: Mapping[str, Any], by: str) -> int:
        """Change settings of a node and return the new rev; its report shows the outcome.

        Raises UnknownNode, NotAdopted, SettingsError, ProtocolError. Without a broker the settings
        are sent later."""
        protocol.check_by(by)
        known = self._nodes.set_desired_config(node, changes, by)
        if current_identity() is None:
            self._audit(by, "change settings", target=node,
                       detail={"values": dict(changes), "rev": known.wanted_rev})
        self._send_config(known)
        return known.wanted_rev

    def on_config_report(
        self, node: str, report: protocol.ConfigReport, unix_ms: int | None = None
    ) -> None:
        """Process a node's settings report; send the desired settings if it lacks them.

        `unix_ms` is the arrival time, None for a retained copy."""
        before = next((one.report for one in self._nodes.all() if one.node == node), None)
        known = self._nodes.set_report(node, report, unix_ms)
        if before is None or (before.rev, before.error) != (report.rev, report.error):
            by = known.wanted_by if report.rev == known.wanted_rev else ""
            self._audit(by or node, "settings reported", target=node, address=node,
                       detail={"rev": report.rev},
                       result="refused" if report.error else "done", reason=report.error or "")
        self._publish_config(known)
        sent_unix_ms = self._config_sent_unix_ms.get(node, 0)
        is_due = self._link.now_unix_ms() - sent_unix_ms >= CONFIG_AGAIN_MS
        if report.rev < known.wanted_rev and report.error is None and is_due:
            self._send_config(known)

    def send_configs(self) -> None:
        """Send the desired settings to every node that does not report them; on connecting."""
        for node in self._nodes.all():
            if node.wanted_rev and (node.report is None or node.report.rev != node.wanted_rev):
                self._send_config(node)

    def forget(self, node: str) -> None:
        """Remove a node and its retained messages. Raises UnknownNode."""
        self._nodes.forget(node)
        for topic in (*(protocol.up_topic(node, leaf) for leaf in ("status", "info", "config")),
                      protocol.down_topic(node, "config")):
            self._link.publish(topic, b"", retained=True)
        self._live.forget(node)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _confirm_key(self, command: CommandState) -> None:
        """Confirm the key that signed the command: the node accepts no other key."""
        found = self._signed_with.pop(command.id, None)
        if found is None:
            return
        try:
            self._nodes.confirm_key(command.node, found)
        except HostError:  # replaced or forgotten meanwhile, or the disk is full
            return
        self._audit(command.by, "key in use", target=command.node,
                   detail={"fingerprint": found[:SHORT_CHARS]})

    def _try_next_key(self, command: CommandState) -> None:
        found = self._signed_with.pop(command.id, None)
        known = next((one for one in self._nodes.all() if one.node == command.node), None)
        if found is not None and known is not None and known.fingerprints[:1] == (found,):
            self._nodes.try_next_key(command.node)

    def _obstacle(self, node: Node) -> tuple[str, str]:
        """Return (state, reason) if a command cannot be sent to the node, else ("", "")."""
        if not node.is_adopted:
            return "refused", "not adopted"
        if not self._link.is_connected:
            return "failed", "the broker is not reachable"
        if not node.online:
            return "failed", "the node is offline"
        if node.info is None or self._boot_epoch(node) is None:
            return "failed", "the node has not said yet which boot it runs"
        return "", ""

    def _boot_epoch(self, node: Node) -> int | None:
        if node.boot_epoch_unix_ms is not None:
            return node.boot_epoch_unix_ms
        return None if node.info is None else self._epoch_unix_ms(node.node, node.info.boot_id)

    def _publish(self, node: Node, command: CommandState, offer: protocol.Offer | None) -> bool:
        epoch_unix_ms, info = self._boot_epoch(node), node.info
        if epoch_unix_ms is None or info is None:
            return False
        message = protocol.Command(
            command.id, command.verb, command.args, info.boot_id,
            max(0, command.ends_unix_ms - epoch_unix_ms), command.by)
        mac = self._mac(node.node)
        if node.next_key is not None:
            self._signed_with[command.id] = fingerprint(self._nodes.key(node.node))
        if command.verb not in UPDATE_VERBS:
            payload = protocol.pack_command(node.node, message, mac)
            return self._link.publish(protocol.down_topic(node.node, "command"), payload)
        wanted = message._replace(verb=UPDATE_VERBS[command.verb], args=offer)
        return self._link.publish(protocol.down_topic(node.node, "update"),
                                  protocol.pack_update(node.node, wanted, mac))

    def _send_config(self, node: Node) -> None:
        if not node.is_adopted or node.wanted_values is None:
            return
        message = protocol.Config(node.wanted_rev, node.wanted_by, dict(node.wanted_values))
        payload = protocol.pack_config(node.node, message, self._mac(node.node))
        topic = protocol.down_topic(node.node, "config")
        if self._link.publish(topic, payload, retained=True):
            self._config_sent_unix_ms[node.node] = self._link.now_unix_ms()
        self._publish_config(node)

    def _publish_config(self, node: Node) -> None:
        report = node.report
        self._live.publish({
            "type": "config", "node": node.node, "rev": node.wanted_rev,
            "reported_rev": None if report is None else report.rev,
            "error": None if report is None else report.error,
        })

    def _mac(self, node: str) -> protocol.Mac:
        key = self._nodes.key(node)
        return lambda signed: hmac.new(key, signed, hashlib.sha256).hexdigest()

    def _store(self, command: CommandState) -> None:
        """Store and publish a command. A full disk loses the record, not the command."""
        with self._lock:
            values = asdict(command) | {"args": json.dumps(command.args)}
            try:
                number = self._database.execute(
                    f"INSERT INTO commands ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)"
                    " ON CONFLICT (id) DO UPDATE SET state=excluded.state, reason=excluded.reason",
                    tuple(values.values())).lastrowid
                self._database.execute(
                    "DELETE FROM commands WHERE number <= ?", ((number or 0) - KEPT_COUNT,))
                self._pending.pop(command.id, None)
            except sqlite3.Error:
                self._pending[command.id] = command
            if command.state == "pending":
                self._pending[command.id] = command
        if command.state != "pending":
            self._audit(command.by, "command ended", target=command.node, address=command.node,
                       detail={"id": command.id, "verb": command.verb},
                       result=command.state, reason=command.reason)
        self._live.publish({"type": "command", **asdict(command)})


def _from_row(row: tuple[Any, ...]) -> CommandState:
    command_id, node, verb, args, by, sent, ends, state, reason = row
    return CommandState(command_id, node, verb, json.loads(args), by, sent, ends, state, reason)

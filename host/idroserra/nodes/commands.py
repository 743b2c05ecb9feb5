"""Sends signed commands and settings to nodes, and records the answers.

A command is "pending" until the node answers (done, refused, expired, failed) or until its
"timeout"; one that cannot be sent is refused or failed at once. An answer after the timeout still
replaces it: what the node did is the truth. Stops are repeated: nodes/pending_stops.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from idro.protocol.topics import UP
from idroserra.auth.clock import Uptime, system_uptime
from idroserra.auth.identity import current_identity
from idroserra.core import protocol
from idroserra.core.audit_sink import AuditSink, AuditTogether, no_audit
from idroserra.core.errors import Conflict, UnknownNode
from idroserra.core.reasons import Reason, reason_from_json
from idroserra.i18n.reasons import english
from idroserra.mqtt.connection import MqttConnection
from idroserra.nodes.command_messages import CommandMessages, Epoch, packed_settings
from idroserra.nodes.command_rate import CommandRate
from idroserra.nodes.command_state import CommandState
from idroserra.nodes.command_store import CommandStore
from idroserra.nodes.key_trials import KeyTrials
from idroserra.nodes.live import LiveState
from idroserra.nodes.node import Node
from idroserra.nodes.pending_stops import PendingStops, StopLoops
from idroserra.nodes.registry import Nodes
from idroserra.nodes.report_audit import ReportAuditLimit

TTL_MS = 30_000
HIGHEST_TTL_MS = 60_000
ANSWER_GRACE_MS = 5_000
CONFIG_AGAIN_MS = 60_000


class DuplicateCommandId(Conflict):
    """Another command has this id."""


class Commands:
    """Sends commands and settings, and stores their outcome. Any thread may call."""

    def __init__(
        self, path: Path, nodes: Nodes, live: LiveState, link: MqttConnection,
        epoch_unix_ms: Epoch, audit: AuditSink = no_audit, together: AuditTogether = nullcontext,
        uptime: Callable[[], Uptime] = system_uptime,
    ) -> None:
        """`audit` receives what the host itself requests, and the outcome of every command."""
        self._audit, self._together = audit, together
        self._nodes = nodes
        self._live = live
        self._link = link
        self._messages = CommandMessages(epoch_unix_ms)
        self._records = CommandStore(path)
        self._lock = self._records.lock
        pending = self._records.pending()
        self._uptime = uptime
        self._pending = {one.id: one for one in pending if one.verb != "stop"}
        self._stops = PendingStops(
            nodes, link, self._messages, uptime, [one for one in pending if one.verb == "stop"])
        self.stop_mark, self.stop_waits = self._stops.mark, self._stops.waits  # of a node
        self.stop_loops = StopLoops(self._stops, self._publish_live)
        self._config_sent_unix_ms: dict[str, int] = {}
        self._report_rows = ReportAuditLimit()
        self._keys = KeyTrials(nodes, audit)
        self._rate = CommandRate()

    def send(
        self, node: str, verb: str, args: Mapping[str, Any], by: str, ttl_ms: int = TTL_MS,
        *, command_id: str | None = None, until_unix_ms: int | None = None,
        is_current: Callable[[], bool] = lambda: True,
    ) -> str:
        """Send a command and return its id; state(id) returns its outcome.

        A `command_id` that exists already is not sent again, so a client may repeat its request. A
        command requested after `until_unix_ms` has expired. A resume is refused if `is_current`
        returns False; no stop comes between the two. It must not wait.

        Raises UnknownNode, DuplicateCommandId, TooManyCommands, ProtocolError.
        For a node that is offline, not adopted or of unknown uptime the command has already failed
        or been refused, with the reason. A stop waits until the node is in contact."""
        protocol.check_args(verb, args)
        if verb == "stop":
            return self.begin_stop(node, by, command_id)()
        with self._lock:
            if command_id is not None and self._is_sent(command_id, node, verb, args, by):
                return command_id
            return self._begin(
                node, verb, args, by, ttl_ms, None, command_id, until_unix_ms, is_current)

    def begin_stop(self, node: str, by: str, command_id: str | None = None) -> Callable[[], str]:
        """Send a stop before anything is written; return what records it, or refuses it for an
        unknown node, and returns its id. That may wait for the disk. Raises ProtocolError."""
        protocol.check_by(by)
        known = self._nodes.peek(node)
        if known is None or not known.is_adopted:
            return lambda: self._begin(node, "stop", {}, by, TTL_MS, None, command_id)
        wanted = self._stops.new(node, by, command_id)
        is_new = self._stops.add(wanted)
        self.stop_loops.wake()

        def record() -> str:
            if is_new:
                self._audit_request(wanted)
                self._store_stop(wanted)
            else:
                self._is_sent(wanted.id, node, "stop", {}, by)
            return wanted.id

        return record

    def begin_stops(self, nodes: Iterable[Node], by: str) -> Callable[[], list[str]]:
        """Stop nodes; return what records it and returns the ids of the commands in their order.

        All are sent before the first is recorded: no disk and no silent node delays another. A
        stop of the same person that still waits is sent again under its id, and recorded again
        once a minute. A node that is forgotten meanwhile is left out."""
        protocol.check_by(by)
        known = list(nodes)
        sent = {one.node: self._stops.add_or_repeat(one.node, by)
                for one in known if one.is_adopted}
        self.stop_loops.wake()

        def record() -> list[str]:
            self._record_stops([stop for stop, is_recorded in sent.values() if is_recorded])
            ids = []
            for one in known:
                with suppress(UnknownNode):
                    ids.append(sent[one.node][0].id if one.node in sent
                               else self.begin_stop(one.node, by)())
            return ids

        return record

    def _record_stops(self, commands: list[CommandState]) -> None:
        """Store the stops of one request in one transaction, then their audit rows in one."""
        if not commands:
            return
        with self._records.together():
            for command in commands:
                self._store_stop(command)
        with self._together():
            for command in commands:
                self._audit_request(command, is_one_of_many=True)

    def _store_stop(self, command: CommandState) -> None:
        with self._lock:
            stop = self._stops.get(command.id)
            if stop is not None and stop.state == "pending":  # else its answer was faster
                self._store(stop)

    def _audit_request(self, command: CommandState, *, is_one_of_many: bool = False) -> None:
        """Record what has no row of a request of its own."""
        if is_one_of_many or current_identity() is None:
            self._audit(command.by, "command", target=command.node, result="asked", detail={
                "id": command.id, "verb": command.verb, "args": dict(command.args)})

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
        until_unix_ms: int | None = None, is_current: Callable[[], bool] = lambda: True,
    ) -> str:
        known = self._nodes.get(node)
        protocol.check_by(by)
        now_unix_ms = self._link.now_unix_ms()
        ends_unix_ms = now_unix_ms + min(ttl_ms, HIGHEST_TTL_MS)
        command = CommandState(command_id or secrets.token_hex(12), node, verb, dict(args), by,
                               now_unix_ms, ends_unix_ms, "pending", None)
        with self._lock:
            state, reason = self._messages.obstacle(known, self._link.is_connected)
            if not state and until_unix_ms is not None and now_unix_ms > until_unix_ms:
                state, reason = "expired", Reason("reached_late")
            if not state:
                self._rate.check(node, verb, now_unix_ms)
            self._audit_request(command)
            if not state:
                self._store(command)  # before it is sent: the answer may be fast
                state, reason = self._publish(known, command, offer, is_current)
                if not state:
                    self._rate.count(node, now_unix_ms)
                    return command.id
            reported = None if reason is None else self._stops.explained(command, reason)
            self._store(replace(command, state=state, reason=reported))
        return command.id

    def state(self, command_id: str) -> CommandState:
        """Return the command. Raises KeyError for an unknown id."""
        stop = self._stops.get(command_id)
        if stop is not None:
            return stop
        self.end_overdue()
        with self._lock:
            if command_id in self._pending:
                return self._pending[command_id]
            found = self._records.find(command_id)
        if found is None:
            raise KeyError(command_id)
        return found

    def recent(self, node: str, count: int = 50) -> list[CommandState]:
        """Return the newest commands of a node, newest first."""
        return self._records.recent(node, count)

    def on_ack(self, node: str, ack: protocol.Ack) -> None:
        """Process a node's answer; ignore one to a command of another node."""
        signed_with = self._stops.signed_with(ack.id)
        stops = self._stops.answer(node, ack)
        for stop in stops:
            self._store(stop)
        if stops:
            self._keys.confirm(stops[-1], signed_with)
            return
        if self._stops.get(ack.id) is not None:
            return
        try:
            command = self.state(ack.id)
        except KeyError:
            return
        if command.node == node and command.state in ("pending", "timeout"):
            self._keys.confirm(command, self._keys.take(command))
            self._store(replace(command, state=ack.outcome, reason=reason_from_json(ack.reason)))

    def end_overdue(self) -> None:
        """Time out the pending commands that are overdue."""
        now_unix_ms = self._link.now_unix_ms()
        with self._lock:
            for command in list(self._pending.values()):
                if now_unix_ms > command.ends_unix_ms + ANSWER_GRACE_MS:
                    self._keys.try_next(command)
                    self._store(replace(command, state="timeout", reason=Reason("unanswered")))
        for stop in self._stops.end_overdue():
            self._store(stop)
        self._records.save_unsaved(self._uptime().ms)

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

    def keep_own_settings(self, node: str) -> None:
        """Keep the node's settings after a restore. Raises UnknownNode, StoreUnavailable."""
        self._publish_config(self._nodes.keep_own_settings(node))

    def on_config_report(
        self, node: str, report: protocol.ConfigReport, unix_ms: int | None = None
    ) -> None:
        """Process a node's settings report; send the desired settings if it lacks them.

        `unix_ms` is the arrival time, None for a retained copy."""
        before = self._nodes.peek(node)
        known = self._nodes.set_report(node, report, unix_ms)
        is_new = before is None or before.reported_outcome != known.reported_outcome
        detail = self._report_rows.detail(
            node, report.rev, self._link.now_unix_ms()) if is_new else None
        if detail is not None:
            by = known.wanted_by if report.rev == known.wanted_rev else ""
            self._audit(by or node, "settings reported", target=node, address=node,
                       detail=detail, result="refused" if report.error else "done",
                       reason=english(report.error))
        if is_new:
            self._publish_config(known)
        sent_unix_ms = self._config_sent_unix_ms.get(node, 0)
        is_due = self._link.now_unix_ms() - sent_unix_ms >= CONFIG_AGAIN_MS
        if report.rev < known.wanted_rev and report.error is None and is_due:
            self._send_config(known)

    def send_configs(self) -> None:
        """Send the desired settings to every node that does not report them; on connecting."""
        for node in self._nodes.all():
            if node.wanted_rev and (node.report is None or node.report.rev < node.wanted_rev):
                self._send_config(node)

    def forget(self, node: str) -> None:
        """Remove a node and its retained messages. Raises UnknownNode."""
        self._nodes.forget(node)
        for stop in self._stops.withdraw(node, Reason("not_adopted")) or ():
            self._store(stop)
        for topic in (*(protocol.up_topic(node, leaf) for leaf in UP),
                      protocol.down_topic(node, "config")):
            self._link.publish(topic, b"", retained=True)
        self._live.forget(node)

    def close(self) -> None:
        """Store the stops whose recording was cut short, and close the file."""
        with self._records.together():  # a resume comes wholly before or after
            for stop in self._stops.all():
                self._records.store(stop)
        self._records.close()

    def _publish(
        self, node: Node, command: CommandState, offer: protocol.Offer | None,
        is_current: Callable[[], bool],
    ) -> tuple[str, Reason | None]:
        """Publish a command; return (state, reason) if that failed, else ("", None)."""
        failure = "failed", Reason("broker_unreachable")
        key = self._nodes.key(node.node)
        self._keys.signed(node, command, key)

        def publish() -> bool:
            message = self._messages.pack(node, command, key, command.ends_unix_ms, offer)
            return message is not None and self._link.publish(*message)

        def resume() -> bool:
            nonlocal failure
            if not is_current():
                failure = "refused", Reason("dosing_changed")
                return False
            return publish()

        if command.verb != "resume":
            return ("", None) if publish() else failure
        withdrawn = self._stops.withdraw(node.node, Reason("cancelled", by=command.by), resume)
        for stop in withdrawn or ():
            self._store(stop)
        return failure if withdrawn is None else ("", None)

    def _send_config(self, node: Node) -> None:
        if not node.is_adopted or node.wanted_values is None:
            return
        message = packed_settings(node, node.wanted_values, self._nodes.key(node.node))
        if self._link.publish(*message, retained=True):
            self._config_sent_unix_ms[node.node] = self._link.now_unix_ms()
        self._publish_config(node)

    def _publish_config(self, node: Node) -> None:
        report = node.report
        error = None if report is None or report.error is None else report.error.as_json()
        self._live.publish({
            "type": "config", "node": node.node, "rev": node.wanted_rev,
            "reported_rev": None if report is None else report.rev,
            "refused_rev": node.refused_rev, "error": error})

    def _store(self, command: CommandState) -> None:
        """Store and publish a command. A full disk loses the record, not the command."""
        with self._lock:
            self._records.store(command)
            self._pending.pop(command.id, None)
            if command.verb != "stop" and command.state == "pending":
                self._pending[command.id] = command
        if command.state != "pending":
            self._audit(command.by, "command ended", target=command.node, address=command.node,
                       detail={"id": command.id, "verb": command.verb},
                       result=command.state, reason=english(command.reason))
        self._publish_live(command)

    def _publish_live(self, command: CommandState) -> None:
        self._live.publish({"type": "command", **command.as_json()})

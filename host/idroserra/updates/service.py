"""Updates of a host's nodes: what is rolled out, how far it is, and the bytes nodes ask for.

run() is the loop of one thread; everything else may be called from any. A node's way is read from
its events and its up/info, whichever say it first, so neither a restart of the host nor a line
that was away loses any of it.
"""

from __future__ import annotations

import queue
import secrets
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from idroserra.alarms.active import ActiveAlarm
from idroserra.core import protocol
from idroserra.core.config import Config
from idroserra.core.errors import StoreUnavailable, UnknownNode
from idroserra.mqtt.connection import MqttConnection
from idroserra.nodes.commands import AuditSink, Commands
from idroserra.nodes.correction_state import correction_of
from idroserra.nodes.latest_events import LatestEvents
from idroserra.nodes.registry import Node, Nodes
from idroserra.updates import database as books
from idroserra.updates import eligibility, node_progress, rollout_policy
from idroserra.updates.chunk_server import ChunkRateLimit, piece_of, reached_bytes, whole_bytes
from idroserra.updates.database import NodeUpdate, Rollout, RolloutDatabase
from idroserra.updates.errors import BadRelease, CannotOffer, UnknownRelease
from idroserra.updates.release import Release
from idroserra.updates.release_store import ReleaseStore
from idroserra.updates.selection import TargetSelection, eligible_nodes
from idroserra.updates.signing import load_trusted

LOOK_EVERY_S = 1.0
KEEP_EVERY_MS = 5_000
OFFERED_MS = 120_000  # without a word of the node an offer came to nothing
SILENT_MS = 600_000  # and a download

_JOURNAL = {rollout_policy.CONFIRMED: "Software {version} is in force.",
            rollout_policy.REVERTED: "Software {version} was tried and given up: {reason}.",
            rollout_policy.LOST: "Did not come back from the trial of software {version}."}


@dataclass(frozen=True)
class Dependencies:
    """What updates ask of the rest of the host. standing: the alarms; jot: writes a line about a
    node into the journal; note: a row of the audit log."""

    nodes: Nodes
    commands: Commands
    link: MqttConnection
    events: LatestEvents
    standing: Callable[[], Sequence[ActiveAlarm]]
    jot: Callable[[str, str], None]
    note: AuditSink


class UpdateService:
    """Releases, roll-outs and their nodes."""

    def __init__(self, config: Config, parts: Dependencies) -> None:
        """Open the library and the book. Raises ConfigError, OSError, sqlite3.Error."""
        self._parts = parts
        self._config = config.update
        self._now_unix_ms = parts.link.now_unix_ms
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self.library = ReleaseStore(config.data_dir, load_trusted(self._config.public_keys))
        self._book = RolloutDatabase(config.data_dir / "state.db")
        self._rollouts = {one.id: one for one in self._book.rollouts()}
        self._updates = {one: self._book.nodes(one) for one in self._rollouts}
        self._unkept: set[tuple[str, str]] = set()
        self._kept_unix_ms = 0
        self._offers: dict[str, str] = {}  # node: id of the command that offers it something
        self._asks = queue.SimpleQueue[tuple[str, protocol.ChunkRequest] | None]()
        self._shares = ChunkRateLimit()

    def run(self) -> None:
        """Answer asks, and look after the roll-outs, until stop()."""
        due_unix_ms = 0
        while not self._stopping.is_set():
            try:
                asked = self._asks.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                asked = None
            if asked is not None:
                self._answer(*asked)
            now = self._now_unix_ms()
            if abs(now - due_unix_ms) >= LOOK_EVERY_S * 1_000:
                due_unix_ms = now
                self.look()

    def stop(self) -> None:
        """End run() soon."""
        self._stopping.set()
        self._asks.put(None)

    def close(self) -> None:
        """Write what is unwritten and close the file."""
        with self._lock:
            self._keep_all(forced=True)
            self._book.close()

    def asked(self, node: str, ask: protocol.ChunkRequest) -> None:
        """Take an ask of a node; one too many, or of a release it was not offered, is dropped."""
        update = self._under_way(node, ask.sha256)
        if update is not None and self._shares.take(node, self._now_unix_ms()):
            self._asks.put((node, ask))

    def begin(self, wish: TargetSelection, by: str) -> Rollout:
        """Roll a release out; it begins with the next look.

        Raises UnknownRelease, UnknownNode, CannotOffer, StoreUnavailable."""
        protocol.check_by(by)
        with self._lock:
            wanted = self.library.get(wish.release)
            board_class = wanted.manifest.board_class
            going = self._newest(board_class)
            if going is not None and going.state == books.RUNNING:
                raise CannotOffer(f"{going.version} is being rolled out to {board_class} already: "
                                  "`idroserra update cancel` ends that")
            nodes = eligible_nodes(self._parts.nodes, wanted, wish)
            now, config = self._now_unix_ms(), self._config
            rollout = Rollout(
                secrets.token_hex(6), wanted.sha256, wanted.manifest.version, board_class, nodes,
                wish.wave_nodes or config.wave_nodes,
                config.watch_min * 60_000 if wish.watch_ms is None else wish.watch_ms,
                wish.per_site or config.per_site, by, now, books.RUNNING, now)
            ways = {
                node: NodeUpdate(rollout.id, node, rollout_policy.WAITING, now) for node in nodes
            }
            if going is not None and going.state == books.STOPPED:
                self._end(going, books.CANCELLED, f"{rollout.version} takes its place", by)
            self._book.keep_rollout(rollout, ways)
            self._rollouts[rollout.id], self._updates[rollout.id] = rollout, ways
            self._audit(rollout, by, "begin roll-out")
            return rollout

    def cancel(self, rollout_id: str, by: str) -> Rollout:
        """End a roll-out, or put away one that stopped by itself. Nodes on trial go on.

        Raises CannotOffer, StoreUnavailable."""
        protocol.check_by(by)
        with self._lock:
            found = self._rollouts.get(rollout_id)
            if found is None or found.state not in (books.RUNNING, books.STOPPED):
                raise CannotOffer("roll-out: there is none of this id under way")
            return self._end(found, books.CANCELLED, "", by)

    def remove(self, release: str) -> Release:
        """Give up a release that is not being rolled out. Raises UnknownRelease, CannotOffer."""
        with self._lock:
            found = self.library.get(release)
            if any(one.release == found.sha256 and one.state == books.RUNNING
                   for one in self._rollouts.values()):
                raise CannotOffer(f"{found.manifest.version} is being rolled out: cancel that "
                                  "first")
            return self.library.remove(found.sha256)

    def rollouts(self) -> list[tuple[Rollout, dict[str, NodeUpdate], rollout_policy.Decision]]:
        """Return every roll-out, newest first, its nodes, and what it waits for."""
        with self._lock:
            newest = sorted(self._rollouts.values(), key=lambda one: -one.begun_unix_ms)
            return [
                (
                    one,
                    dict(self._updates[one.id]),
                    self._decision(one)
                    if one.state == books.RUNNING
                    else rollout_policy.Decision(),
                )
                for one in newest
            ]

    def dropped(self, node: str) -> int:
        """Return how many asks of a node went beyond its bounds since the host started."""
        return self._shares.dropped(node)

    def size_bytes(self, sha256: str) -> int:
        """Return how many bytes a node asks for at most, 0 where the release is not kept."""
        try:
            return whole_bytes(self.library.get(sha256))
        except UnknownRelease:
            return 0

    def failed(self, node: str) -> str | None:
        """Return why the newest update of a node failed, None where it did not."""
        with self._lock:
            for one in sorted(self._rollouts.values(), key=lambda one: -one.begun_unix_ms):
                update = self._updates[one.id].get(node)
                if update is None or update.wave is None:
                    continue
                if one.state == books.CANCELLED or update.state not in rollout_policy.FAILED:
                    return None
                return f"{one.version}: {update.reason or 'it has not come back from its trial'}"
        return None

    def stopped(self) -> dict[str, str]:
        """Return {board class: why its newest roll-out stopped by itself}."""
        with self._lock:
            newest = {one.board_class: one for one in sorted(
                self._rollouts.values(), key=lambda one: one.begun_unix_ms)}
            return {name: f"{one.version}: {one.reason}" for name, one in newest.items()
                    if one.state == books.STOPPED}

    def look(self) -> None:
        """Take in what nodes told, and do what is due."""
        with self._lock:
            for rollout in list(self._rollouts.values()):
                self._take_in(rollout)
                if rollout.state == books.RUNNING:
                    self._go_on(rollout)
            self._keep_all()

    def _take_in(self, rollout: Rollout) -> None:
        """Let each node's way follow what it told of it."""
        now = self._now_unix_ms()
        for name, update in list(self._updates[rollout.id].items()):
            if not node_progress.is_open(update, rollout.state == books.RUNNING):
                continue
            node = self._known(name)
            self._parts.events.is_read(name)
            found = node_progress.apply_events(
                update, rollout.release, node, self._parts.events, now)
            found = node_progress.apply_ack(found, self._answer_to_offer(name), now)
            found = node_progress.apply_timeout(found, now, OFFERED_MS, SILENT_MS)
            found = node_progress.apply_alarms(found, eligibility.has_new_alarm(
                node, self._parts.standing(), update.offered_unix_ms or now), now)
            if found != update:
                self._change(rollout, found)

    def _go_on(self, rollout: Rollout) -> None:
        decision = self._decision(rollout)
        if decision.stop:
            self._end(rollout, books.STOPPED, decision.stop, "host")
        elif decision.is_finished:
            ways = self._updates[rollout.id].values()
            is_taken = any(one.state == rollout_policy.CONFIRMED for one in ways)
            why = next((f"{one.node}: {one.reason}" for one in ways if one.reason),
                       "no node is left")
            self._end(rollout, books.FINISHED if is_taken else books.STOPPED,
                      "" if is_taken else f"no node took it: {why}", "host")
        for name in decision.offer:
            self._offer(rollout, name, decision.wave)

    def _decision(self, rollout: Rollout) -> rollout_policy.Decision:
        ways, now = self._updates[rollout.id], self._now_unix_ms()
        seen = []
        for name in rollout.nodes:
            update = ways[name]
            node = self._known(name)
            why = self._obstacle(node, now) if update.state == rollout_policy.WAITING else ""
            seen.append(update.seen(node.site, why))
        return rollout_policy.decide(rollout.plan, seen, now)

    def _known(self, name: str) -> Node:
        try:
            return self._parts.nodes.get(name)
        except UnknownNode:  # forgotten meanwhile
            return Node(name, "")

    def _obstacle(self, node: Node, now_unix_ms: int) -> str:
        events = self._parts.events
        is_known = events.is_read(node.node, with_doses=True)
        dosed = events.newest(node.node, "dosed")
        correction = correction_of(events, node.node)
        pending = any(one.state == "pending" and one.verb in ("dose", "correct")
                      for one in self._parts.commands.recent(node.node, 5))
        dosing = eligibility.Dosing(
            is_known, None if dosed is None else dosed.unix_ms,
            correction is not None and bool(correction["is_open"]), pending)
        return eligibility.obstacle(node, dosing, self._parts.standing(),
                                  self._config.rest_after_dose_min * 60_000, now_unix_ms)

    def _offer(self, rollout: Rollout, name: str, wave: int) -> None:
        update, now = self._updates[rollout.id][name], self._now_unix_ms()
        try:
            found = self.library.get(rollout.release)
        except UnknownRelease as error:
            self._end(rollout, books.STOPPED, str(error), "host")
            return
        offer = protocol.Offer(found.sha256, len(found.text), found.signature, found.key_id,
                               found.manifest.version)
        self._offers[name] = self._parts.commands.send_update(name, offer, rollout.by)
        self._change(rollout, replace(
            update, state=rollout_policy.OFFERED, state_unix_ms=now, reason="", wave=wave,
            heard_unix_ms=now, offered_unix_ms=now, quiet_unix_ms=None))

    def _answer_to_offer(self, node: str) -> tuple[str, str] | None:
        """Return (state, reason) of the command that offered a node something, once it ended."""
        command_id = self._offers.get(node)
        if command_id is None:
            return None
        try:
            command = self._parts.commands.state(command_id)
        except KeyError:
            del self._offers[node]
            return None
        if command.state == "pending":
            return None
        del self._offers[node]
        return command.state, command.reason

    def _end(self, rollout: Rollout, state: str, reason: str, by: str) -> Rollout:
        """End a roll-out in `state`; what is being downloaded is called off."""
        now = self._now_unix_ms()
        ended = replace(rollout, state=state, state_unix_ms=now, reason=reason or rollout.reason)
        called_off = {
            name: replace(one, state=rollout_policy.CANCELLED, state_unix_ms=now, reason=reason)
            for name, one in self._updates[rollout.id].items()
            if one.state
            in (rollout_policy.WAITING, rollout_policy.OFFERED, rollout_policy.DOWNLOADING)
            and state in (books.STOPPED, books.CANCELLED)
        }
        downloading = [name for name in called_off
                       if self._updates[rollout.id][name].state != rollout_policy.WAITING]
        try:
            self._book.keep_rollout(ended, called_off)
        except StoreUnavailable:
            if by != "host":
                raise
        self._rollouts[rollout.id] = ended
        self._updates[rollout.id].update(called_off)
        for name in downloading:
            self._offers.pop(name, None)
            self._parts.commands.send_update(name, None, by)
        action = {books.FINISHED: "finish roll-out", books.STOPPED: "stop roll-out"}.get(
            state, "cancel roll-out")
        self._audit(ended, by, action)
        return ended

    def _change(self, rollout: Rollout, update: NodeUpdate) -> None:
        was = self._updates[rollout.id][update.node]
        self._updates[rollout.id][update.node] = update
        self._unkept.add((rollout.id, update.node))
        if was.state == update.state:
            return
        self._kept_unix_ms = 0
        self._parts.note(
            rollout.by,
            f"update {update.state}",
            target=update.node,
            address=update.node,
            detail={
                "rollout": rollout.id,
                "release": rollout.release[:16],
                "version": rollout.version,
            },
            result="refused"
            if update.state in (rollout_policy.REFUSED, *rollout_policy.FAILED)
            else "done",
            reason=update.reason,
        )
        line = _JOURNAL.get(update.state)
        if line is not None:
            self._parts.jot(update.node, line.format(
                version=rollout.version, reason=update.reason or "no reason was told"))

    def _keep_all(self, *, forced: bool = False) -> None:
        """Write what changed, now and then; what a full disk does not take is written later."""
        now = self._now_unix_ms()
        if not forced and abs(now - self._kept_unix_ms) < KEEP_EVERY_MS:
            return
        self._kept_unix_ms = now
        for key in list(self._unkept):
            try:
                self._book.keep(self._updates[key[0]][key[1]])
            except (StoreUnavailable, sqlite3.Error):
                return
            self._unkept.discard(key)

    def _answer(self, node: str, ask: protocol.ChunkRequest) -> None:
        try:
            update = self._under_way(node, ask.sha256)
            if update is None:
                return
            try:
                found = self.library.get(ask.sha256)
                piece = piece_of(found, ask)
            except (UnknownRelease, BadRelease) as error:
                with self._lock:
                    self._end(self._rollouts[update.rollout], books.STOPPED, str(error), "host")
                return
            if piece is not None:
                self._parts.link.publish(protocol.down_topic(node, "update_data"), piece)
            with self._lock:
                rollout = self._rollouts[update.rollout]
                self._change(rollout, node_progress.asked(
                    self._updates[rollout.id][node], reached_bytes(found, ask),
                    self._now_unix_ms()))
        finally:
            self._shares.done(node)

    def _under_way(self, node: str, sha256: str) -> NodeUpdate | None:
        with self._lock:
            for rollout in self._rollouts.values():
                update = self._updates[rollout.id].get(node)
                if (rollout.release == sha256 and rollout.state == books.RUNNING
                        and update is not None and update.state in rollout_policy.UNDER_WAY):
                    return update
        return None

    def _newest(self, board_class: str) -> Rollout | None:
        of_class = [one for one in self._rollouts.values() if one.board_class == board_class]
        return max(of_class, key=lambda one: one.begun_unix_ms, default=None)

    def _audit(self, rollout: Rollout, by: str, action: str) -> None:
        self._parts.note(
            by, action, target=rollout.board_class, reason=rollout.reason,
            detail={"rollout": rollout.id, "release": rollout.release[:16],
                    "version": rollout.version, "nodes": len(rollout.nodes)})

"""The update service: rolls releases out and serves their chunks to the nodes.

run() is the body of one thread; everything else may be called from any. A node's progress is read
from its events and its up/info, whichever arrives first, so neither a restart of the host nor a
lost connection loses any of it.
"""

from __future__ import annotations

import queue
import secrets
import sqlite3
import threading
from contextlib import suppress
from dataclasses import replace

from idroserra.core import protocol
from idroserra.core.config import Config
from idroserra.core.errors import NotAdopted, StoreUnavailable, UnknownNode
from idroserra.core.reasons import Reason
from idroserra.core.text import Text
from idroserra.i18n.marker import N_
from idroserra.i18n.reasons import english
from idroserra.i18n.translate import current_locale
from idroserra.nodes.correction_state import correction_of
from idroserra.nodes.node import Node
from idroserra.updates import database as states
from idroserra.updates import describe, eligibility, node_progress, rollout_policy
from idroserra.updates.chunk_server import ChunkRateLimit, chunk_of, reached_bytes, whole_bytes
from idroserra.updates.database import NodeUpdate, Rollout, RolloutDatabase
from idroserra.updates.dependencies import Dependencies
from idroserra.updates.errors import BadRelease, CannotOffer, UnknownRelease
from idroserra.updates.release import Release
from idroserra.updates.release_store import ReleaseStore
from idroserra.updates.selection import TargetSelection, eligible_nodes
from idroserra.updates.signing import load_trusted

POLL_S = 1.0
SAVE_EVERY_MS = 5_000
OFFERED_MS = 120_000  # without a response of the node an offer has failed
SILENT_MS = 600_000  # and without a request a download


class UpdateService:
    """Releases, roll-outs and their nodes."""

    def __init__(self, config: Config, parts: Dependencies) -> None:
        """Open the releases and the database. Raises ConfigError, OSError, sqlite3.Error."""
        self._parts = parts
        self._config = config.update
        self._now_unix_ms = parts.link.now_unix_ms
        self._began_unix_ms = self._now_unix_ms()
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self.releases = ReleaseStore(config.data_dir, load_trusted(self._config.public_keys))
        self._database = RolloutDatabase(config.data_dir / "state.db")
        self._rollouts = {one.id: one for one in self._database.rollouts()}
        self._updates = {one: self._database.nodes(one) for one in self._rollouts}
        self._unsaved: set[tuple[str, str]] = set()
        self._saved_unix_ms = 0
        self._offers: dict[str, str] = {}  # node: id of the command that offers it a release
        self._requests = queue.SimpleQueue[tuple[str, protocol.ChunkRequest] | None]()
        self._rate_limit = ChunkRateLimit()

    def run(self) -> None:
        """Answer requests and update the roll-outs until stop()."""
        updated_unix_ms = 0
        while not self._stopping.is_set():
            try:
                request = self._requests.get(timeout=POLL_S)
            except queue.Empty:
                request = None
            if request is not None:
                self._answer(*request)
            now = self._now_unix_ms()
            if abs(now - updated_unix_ms) >= POLL_S * 1_000:
                updated_unix_ms = now
                self.update()

    def stop(self) -> None:
        """End run() soon."""
        self._stopping.set()
        self._requests.put(None)

    def close(self) -> None:
        """Write what is unsaved and close the file."""
        with self._lock:
            self._save_all(forced=True)
            self._database.close()

    def on_chunk_request(self, node: str, ask: protocol.ChunkRequest) -> None:
        """Queue a node's request; drop one beyond its limit or for a release not offered."""
        update = self._under_way(node, ask.sha256)
        if update is not None and self._rate_limit.take(node, self._now_unix_ms()):
            self._requests.put((node, ask))

    def begin(self, selection: TargetSelection, by: str) -> Rollout:
        """Start a roll-out; the next update() makes the first offer.

        Raises UnknownRelease, UnknownNode, CannotOffer, StoreUnavailable."""
        protocol.check_by(by)
        with self._lock:
            wanted = self.releases.get(selection.release)
            board_class = wanted.manifest.board_class
            current = self._newest(board_class)
            if current is not None and current.state == states.RUNNING:
                raise CannotOffer(Text(N_(
                    "{version} is being rolled out to {board_class} already: cancel that "
                    "first"), version=current.version,
                    board_class=board_class))
            nodes = eligible_nodes(self._parts.nodes, wanted, selection)
            now, config = self._now_unix_ms(), self._config
            rollout = Rollout(
                secrets.token_hex(6), wanted.sha256, wanted.manifest.version, board_class, nodes,
                selection.wave_nodes or config.wave_nodes,
                config.watch_min * 60_000 if selection.watch_ms is None else selection.watch_ms,
                selection.per_site or config.per_site, by, now, states.RUNNING, now,
                language=current_locale().language)
            updates = {
                node: NodeUpdate(rollout.id, node, rollout_policy.WAITING, now) for node in nodes}
            if current is not None and current.state == states.STOPPED:
                replaced = Reason("replaced", version=rollout.version)
                self._end(current, states.CANCELLED, replaced, by)
            self._database.save_rollout(rollout, updates)
            self._rollouts[rollout.id], self._updates[rollout.id] = rollout, updates
            self._audit(rollout, by, "begin roll-out")
            return rollout

    def cancel(self, rollout_id: str, by: str) -> Rollout:
        """Cancel a running or stopped roll-out. Trials on nodes continue.

        Raises CannotOffer, StoreUnavailable."""
        protocol.check_by(by)
        with self._lock:
            found = self._rollouts.get(rollout_id)
            if found is None or found.state not in (states.RUNNING, states.STOPPED):
                raise CannotOffer(Text(N_("roll-out: none with this id is in progress")))
            return self._end(found, states.CANCELLED, None, by)

    def remove(self, release: str) -> Release:
        """Delete a release that is not being rolled out. Raises UnknownRelease, CannotOffer."""
        with self._lock:
            found = self.releases.get(release)
            if any(one.release == found.sha256 and one.state == states.RUNNING
                   for one in self._rollouts.values()):
                why = N_("{version} is being rolled out: cancel that first")
                raise CannotOffer(Text(why, version=found.manifest.version))
            return self.releases.remove(found.sha256)

    def rollouts(self) -> list[tuple[Rollout, dict[str, NodeUpdate], rollout_policy.Decision]]:
        """Return every roll-out with its nodes and decision, newest first."""
        with self._lock:
            newest = sorted(self._rollouts.values(), key=lambda one: -one.begun_unix_ms)
            return [(one, dict(self._updates[one.id]),
                     self._decision(one) if one.state == states.RUNNING
                     else rollout_policy.Decision()) for one in newest]

    def dropped(self, node: str) -> int:
        """Return how many requests of a node were dropped since the host started."""
        return self._rate_limit.dropped(node)

    def size_bytes(self, sha256: str) -> int:
        """Return the size of a release, or 0 if the host does not have it."""
        try:
            return whole_bytes(self.releases.get(sha256))
        except UnknownRelease:
            return 0

    def failed(self, node: str) -> Reason | None:
        """Return why the newest update of a node failed, or None."""
        with self._lock:
            for one in sorted(self._rollouts.values(), key=lambda one: -one.begun_unix_ms):
                update = self._updates[one.id].get(node)
                if update is None or update.wave is None:
                    continue
                if one.state == states.CANCELLED or update.state not in rollout_policy.FAILED:
                    return None
                return Reason("version_failed", version=one.version,
                              why=update.reason or Reason("trial_lost"))
        return None

    def stopped(self) -> dict[str, Reason]:
        """Return {board class: reason} of the newest roll-outs that stopped automatically."""
        with self._lock:
            newest = {one.board_class: one for one in sorted(
                self._rollouts.values(), key=lambda one: one.begun_unix_ms)}
            return {name: Reason("version_failed", version=one.version, why=one.reason)
                    for name, one in newest.items() if one.state == states.STOPPED}

    def update(self) -> None:
        """Process what nodes reported, and do what is due."""
        with self._lock:
            for rollout in list(self._rollouts.values()):
                self._update_nodes(rollout)
                if rollout.state == states.RUNNING:
                    self._advance(rollout)
            self._save_all()

    def _update_nodes(self, rollout: Rollout) -> None:
        """Apply the reports of the nodes to their progress."""
        now = self._now_unix_ms()
        for name, update in list(self._updates[rollout.id].items()):
            if not node_progress.is_open(update, rollout.state == states.RUNNING):
                continue
            node = self._known(name)
            self._parts.events.is_read(name)
            found = node_progress.apply_events(
                update, rollout.release, node, self._parts.events, now)
            found = node_progress.apply_ack(found, self._answer_to_offer(name), now)
            found = node_progress.apply_timeout(
                found, now, OFFERED_MS, SILENT_MS, self._began_unix_ms)
            found = node_progress.apply_alarms(found, eligibility.has_new_alarm(
                node, self._parts.active_alarms(), update.offered_unix_ms or now), now)
            if rollout.state != states.RUNNING and found.state == rollout_policy.WAITING:
                found = replace(found, state=rollout_policy.CANCELLED)
            if found != update:
                self._change(rollout, found)

    def _advance(self, rollout: Rollout) -> None:
        decision = self._decision(rollout)
        if decision.stop is not None:
            self._end(rollout, states.STOPPED, decision.stop, "host")
        elif decision.is_finished:
            updates = self._updates[rollout.id].values()
            is_installed = any(one.state == rollout_policy.CONFIRMED for one in updates)
            why = next((Reason("of_node", node=one.node, why=one.reason) for one in updates
                        if one.reason is not None), Reason("no_node_left"))
            self._end(rollout, states.FINISHED if is_installed else states.STOPPED,
                      None if is_installed else Reason("not_installed", why=why), "host")
        for name in decision.offer:
            self._offer(rollout, name, decision.wave)

    def _decision(self, rollout: Rollout) -> rollout_policy.Decision:
        updates, now = self._updates[rollout.id], self._now_unix_ms()
        nodes = []
        for name in rollout.nodes:
            node, update = self._known(name), updates[name]
            why = self._obstacle(node, now) if update.state == rollout_policy.WAITING else None
            nodes.append(update.progress(node.site, why))
        return rollout_policy.decide(rollout.plan, nodes, now)

    def _known(self, name: str) -> Node:
        try:
            return self._parts.nodes.get(name)
        except UnknownNode:  # removed meanwhile
            return Node(name, "")

    def _obstacle(self, node: Node, now_unix_ms: int) -> Reason | None:
        events = self._parts.events
        is_known = events.is_read(node.node, with_doses=True)
        dosed = events.newest(node.node, "dosed")
        correction = correction_of(events, node.node)
        pending = any(one.state == "pending" and one.verb in ("dose", "correct")
                      for one in self._parts.commands.recent(node.node, 5))
        dosing = eligibility.Dosing(
            is_known, None if dosed is None else dosed.unix_ms,
            correction is not None and bool(correction["is_open"]), pending)
        return eligibility.obstacle(node, dosing, self._parts.active_alarms(),
                                    self._config.rest_after_dose_min * 60_000, now_unix_ms)

    def _offer(self, rollout: Rollout, name: str, wave: int) -> None:
        update, now = self._updates[rollout.id][name], self._now_unix_ms()
        try:
            found = self.releases.get(rollout.release)
        except UnknownRelease as error:
            self._stop(rollout.id, error)
            return
        offer = protocol.Offer(found.sha256, len(found.text), found.signature, found.key_id,
                               found.manifest.version)
        self._offers[name] = self._parts.commands.send_update(name, offer, rollout.by)
        self._change(rollout, replace(
            update, state=rollout_policy.OFFERED, state_unix_ms=now, reason=None, wave=wave,
            heard_unix_ms=now, offered_unix_ms=now, quiet_unix_ms=None))

    def _answer_to_offer(self, node: str) -> tuple[str, Reason | None] | None:
        """Return (state, reason) of the node's offer command once it has ended, else None."""
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

    def _stop(self, rollout_id: str, error: UnknownRelease | BadRelease) -> None:
        reason = (Reason("release_missing") if isinstance(error, UnknownRelease)
                  else Reason("release_damaged", detail=str(error)))
        with self._lock:
            self._end(self._rollouts[rollout_id], states.STOPPED, reason, "host")

    def _end(self, rollout: Rollout, state: str, reason: Reason | None, by: str) -> Rollout:
        """End a roll-out in `state` and cancel its waiting nodes and downloads. A node that has
        the whole release is cancelled, too: it waits for a quiet moment, an hour at most."""
        now, updates = self._now_unix_ms(), self._updates[rollout.id]
        ended = replace(rollout, state=state, state_unix_ms=now, reason=reason or rollout.reason)
        cancelled = {} if state == states.FINISHED else {
            name: replace(one, state=rollout_policy.CANCELLED, state_unix_ms=now, reason=reason)
            for name, one in updates.items() if one.state in (
                rollout_policy.WAITING, rollout_policy.OFFERED, rollout_policy.DOWNLOADING)}
        busy = [] if state == states.FINISHED else [
            name for name, one in updates.items() if one.state in (
                rollout_policy.OFFERED, rollout_policy.DOWNLOADING, rollout_policy.DOWNLOADED)]
        try:
            self._database.save_rollout(ended, cancelled)
        except StoreUnavailable:
            if by != "host":
                raise
        self._rollouts[rollout.id] = ended
        updates.update(cancelled)
        for name in busy:
            self._offers.pop(name, None)
            with suppress(UnknownNode, NotAdopted):  # forgotten meanwhile
                self._parts.commands.send_update(name, None, by)
        action = {states.FINISHED: "finish roll-out", states.STOPPED: "stop roll-out"}.get(
            state, "cancel roll-out")
        self._audit(ended, by, action)
        return ended

    def _change(self, rollout: Rollout, update: NodeUpdate) -> None:
        was = self._updates[rollout.id][update.node]
        self._updates[rollout.id][update.node] = update
        self._unsaved.add((rollout.id, update.node))
        if was.state == update.state:
            return
        self._saved_unix_ms = 0
        is_bad = update.state in (rollout_policy.REFUSED, *rollout_policy.FAILED)
        self._parts.audit(
            rollout.by, f"update {update.state}", target=update.node, address=update.node,
            detail={"rollout": rollout.id, "release": rollout.release[:16],
                    "version": rollout.version},
            result="refused" if is_bad else "done", reason=english(update.reason))
        note = describe.journal_note(update, rollout)
        if note:
            self._parts.add_journal_note(update.node, note)

    def _save_all(self, *, forced: bool = False) -> None:
        """Save changes every few seconds; if the disk is full they are saved later."""
        now = self._now_unix_ms()
        if not forced and abs(now - self._saved_unix_ms) < SAVE_EVERY_MS:
            return
        self._saved_unix_ms = now
        for key in list(self._unsaved):
            try:
                self._database.save(self._updates[key[0]][key[1]])
            except (StoreUnavailable, sqlite3.Error):
                return
            self._unsaved.discard(key)

    def _answer(self, node: str, ask: protocol.ChunkRequest) -> None:
        try:
            update = self._under_way(node, ask.sha256)
            if update is None:
                return
            try:
                found = self.releases.get(ask.sha256)
                chunk = chunk_of(found, ask)
            except (UnknownRelease, BadRelease) as error:
                self._stop(update.rollout, error)
                return
            if chunk is not None:
                # A node asks again for one that was lost. No stop waits behind it.
                topic = protocol.down_topic(node, "update_data")
                self._parts.link.publish(topic, chunk, qos=0)
            with self._lock:
                rollout = self._rollouts[update.rollout]
                self._change(rollout, node_progress.apply_request(
                    self._updates[rollout.id][node], reached_bytes(found, ask),
                    self._now_unix_ms()))
        finally:
            self._rate_limit.done(node)

    def _under_way(self, node: str, sha256: str) -> NodeUpdate | None:
        with self._lock:
            for rollout in self._rollouts.values():
                update = self._updates[rollout.id].get(node)
                if (rollout.release == sha256 and rollout.state == states.RUNNING
                        and update is not None and update.state in rollout_policy.UNDER_WAY):
                    return update
        return None

    def _newest(self, board_class: str) -> Rollout | None:
        of_class = [one for one in self._rollouts.values() if one.board_class == board_class]
        return max(of_class, key=lambda one: one.begun_unix_ms, default=None)

    def _audit(self, rollout: Rollout, by: str, action: str) -> None:
        self._parts.audit(
            by, action, target=rollout.board_class, reason=english(rollout.reason),
            detail={"rollout": rollout.id, "release": rollout.release[:16],
                    "version": rollout.version, "nodes": len(rollout.nodes)})

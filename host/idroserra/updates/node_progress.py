"""Pure state transitions of one node's update."""

from __future__ import annotations

from dataclasses import replace

from idroserra.core.reasons import Reason, reason_from_json
from idroserra.nodes.latest_events import LatestEvents
from idroserra.nodes.node import Node
from idroserra.updates import rollout_policy
from idroserra.updates.database import NodeUpdate
from idroserra.updates.eligibility import runs

# The events of an update, with the state each leads to.
STATE_OF = {
    "update_offered": rollout_policy.DOWNLOADING, "update_refused": rollout_policy.WAITING,
    "update_downloaded": rollout_policy.DOWNLOADED, "update_trial": rollout_policy.TRIAL,
    "update_confirmed": rollout_policy.CONFIRMED, "update_reverted": rollout_policy.REVERTED,
}
_ORDER = (
    rollout_policy.WAITING, rollout_policy.OFFERED, rollout_policy.DOWNLOADING,
    rollout_policy.DOWNLOADED, rollout_policy.TRIAL, rollout_policy.CONFIRMED,
    rollout_policy.REVERTED)
SKEW_MS = 120_000  # tolerated difference of the node's clock and the host's
SETTLED_MS = 60_000  # within this, up/info and events of one boot have both arrived
RELEASE_CHARS = 16  # length of a manifest's hash in an event


def is_open(update: NodeUpdate, is_running: bool) -> bool:
    """Return True while the state may change; in a running roll-out also once confirmed."""
    if update.state in (*rollout_policy.UNDER_WAY, rollout_policy.LOST):
        return True
    return is_running and (update.wave is not None) and update.state in (
        rollout_policy.WAITING, rollout_policy.CONFIRMED)


def apply_events(
    update: NodeUpdate, release: str, node: Node, events: LatestEvents, now_unix_ms: int
) -> NodeUpdate:
    """Return the update after the node's events and up/info."""
    if update.state == rollout_policy.CONFIRMED or update.offered_unix_ms is None:
        return update
    event = events.newest(node.node, *STATE_OF)
    newer_than_unix_ms = update.told_unix_ms or update.offered_unix_ms - SKEW_MS
    if event is not None and event.unix_ms > newer_than_unix_ms:
        update = replace(update, told_unix_ms=event.unix_ms)
        is_its = str(event.detail.get("release") or "")[:RELEASE_CHARS] == release[:RELEASE_CHARS]
        reason = reason_from_json(event.detail.get("reason"))
        if is_its and event.kind == "update_refused":
            return apply_ack(update, ("refused", reason), now_unix_ms)
        if is_its:
            update = _moved(update, STATE_OF[event.kind], reason, now_unix_ms)
    running = runs(node, release)
    if running is not None:
        state = rollout_policy.CONFIRMED if running.state == "ok" else rollout_policy.TRIAL
        return _moved(update, state, None, now_unix_ms)
    is_back = node.online and now_unix_ms - update.state_unix_ms > SETTLED_MS
    if update.state in (rollout_policy.TRIAL, rollout_policy.LOST) and is_back:
        return _moved(update, rollout_policy.REVERTED, Reason("runs_previous"), now_unix_ms)
    return update


def apply_ack(
    update: NodeUpdate, answer: tuple[str, Reason | None] | None, now_unix_ms: int
) -> NodeUpdate:
    """Return the update after the node's answer to an offer: (state of the command, reason)."""
    if answer is None or update.state not in (rollout_policy.OFFERED, rollout_policy.DOWNLOADING,
                                              rollout_policy.DOWNLOADED):
        return update
    state, reason = answer
    if state == "done":
        return replace(update, heard_unix_ms=now_unix_ms)
    if state != "refused":
        return replace(update, state=rollout_policy.WAITING, state_unix_ms=now_unix_ms,
                       reason=reason)
    offers = update.offers + 1
    is_over = offers >= rollout_policy.MOST_OFFERS
    return replace(update, state=rollout_policy.REFUSED if is_over else rollout_policy.WAITING,
                   offers=offers, state_unix_ms=now_unix_ms, reason=reason)


def apply_timeout(
    update: NodeUpdate, now_unix_ms: int, offered_ms: int, silent_ms: int, began_unix_ms: int = 0
) -> NodeUpdate:
    """Return the update after a time without progress. `began_unix_ms`: when the host began; it
    has yet to hear what came before."""
    silent = now_unix_ms - update.heard_unix_ms
    if update.state == rollout_policy.OFFERED and silent > offered_ms:
        return replace(update, state=rollout_policy.WAITING, state_unix_ms=now_unix_ms,
                       reason=Reason("offer_unanswered"))
    if update.state == rollout_policy.DOWNLOADING and silent > silent_ms:
        return replace(update, state=rollout_policy.WAITING, state_unix_ms=now_unix_ms,
                       reason=Reason("download_stalled"))
    most_ms = {rollout_policy.DOWNLOADED: rollout_policy.QUIET_MS,
               rollout_policy.TRIAL: rollout_policy.BACK_MS}.get(update.state)
    since_unix_ms = max(update.state_unix_ms, began_unix_ms)
    if most_ms is not None and now_unix_ms - since_unix_ms > most_ms:
        return replace(update, state=rollout_policy.LOST, state_unix_ms=now_unix_ms)
    return update


def apply_alarms(update: NodeUpdate, has_new_alarm: bool, now_unix_ms: int) -> NodeUpdate:
    """Return the update with the time since which a confirmed node has had no new alarm."""
    if update.state != rollout_policy.CONFIRMED:
        return update
    if has_new_alarm:
        return replace(update, quiet_unix_ms=None)
    if update.quiet_unix_ms is None:
        return replace(update, quiet_unix_ms=now_unix_ms)
    return update


def apply_request(update: NodeUpdate, reached_bytes: int, now_unix_ms: int) -> NodeUpdate:
    """Return the update after a request for bytes."""
    update = replace(update, done_bytes=max(update.done_bytes, reached_bytes),
                     heard_unix_ms=now_unix_ms)
    if update.state == rollout_policy.OFFERED:
        return replace(update, state=rollout_policy.DOWNLOADING, state_unix_ms=now_unix_ms,
                       reason=None)
    return update


def _moved(
    update: NodeUpdate, state: str, reason: Reason | None, now_unix_ms: int
) -> NodeUpdate:
    """Return the update in a later state; an earlier state is old news and ignored."""
    known = rollout_policy.TRIAL if update.state == rollout_policy.LOST else update.state
    if _ORDER.index(state) <= _ORDER.index(known):
        return update
    return replace(update, state=state, state_unix_ms=now_unix_ms, reason=reason,
                   heard_unix_ms=now_unix_ms)

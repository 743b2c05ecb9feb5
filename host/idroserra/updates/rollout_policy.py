"""Decides which nodes are offered a release next: one canary, then waves. Pure.

A wave is offered to nodes that are ready, at most `per_site` of one site at a time. The next wave
begins once every node of the wave has confirmed and had no new alarm for `watch_ms`. The first
node that reverts, or does not come back, stops the roll-out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from idroserra.core.reasons import Reason

WAITING, OFFERED, DOWNLOADING = "waiting", "offered", "downloading"
DOWNLOADED, TRIAL, CONFIRMED = "downloaded", "trial", "confirmed"
REFUSED, REVERTED, LOST, CANCELLED = "refused", "reverted", "lost", "cancelled"
STATES = (WAITING, OFFERED, DOWNLOADING, DOWNLOADED, TRIAL, CONFIRMED, REFUSED, REVERTED, LOST,
          CANCELLED)
UNDER_WAY = (OFFERED, DOWNLOADING, DOWNLOADED, TRIAL)
FAILED = (REVERTED, LOST)
MOST_OFFERS = 3  # refusals before a node is left out
AGAIN_MS = 600_000  # after a refusal, or an offer without a response
QUIET_MS = 5_400_000  # a node with the whole release waits for a quiet moment, an hour at most
BACK_MS = 1_800_000  # a trial has ended by then


@dataclass(frozen=True)
class RolloutPlan:
    """How a release is rolled out."""

    wave_nodes: int
    watch_ms: int
    per_site: int


@dataclass(frozen=True)
class NodeProgress:
    """The progress of one node.

    `obstacle`: why it may be offered nothing now, or None. `wave`: 0 for the canary's, None before
    an offer. `quiet_unix_ms`: since when it has been confirmed without a new alarm, or None.
    `offers`: refused so far."""

    node: str
    site: str
    state: str
    state_unix_ms: int
    obstacle: Reason | None = None
    wave: int | None = None
    quiet_unix_ms: int | None = None
    offers: int = 0
    reason: Reason | None = None


@dataclass(frozen=True)
class Decision:
    """What to do: offer the release to `offer`, of `wave`; or `stop`, with the reason.

    `waits`: what the roll-out waits for, or None."""

    offer: tuple[str, ...] = ()
    wave: int = 0
    stop: Reason | None = None
    is_finished: bool = False
    waits: Reason | None = None


def decide(plan: RolloutPlan, nodes: Sequence[NodeProgress], now_unix_ms: int) -> Decision:
    """Return what a running roll-out does now. `nodes`: all of it, in the order of the offers."""
    stop = _why_stop(nodes)
    if stop is not None:
        return Decision(stop=stop)
    pool = [one for one in nodes if one.state == WAITING]
    begun = [one for one in nodes if one.wave is not None and one.state != WAITING]
    wave = max((one.wave or 0 for one in nodes if one.wave is not None), default=0)
    of_wave = [one for one in begun if one.wave == wave]
    unsettled = [one for one in of_wave if not _is_settled(plan, one, now_unix_ms)]
    if not pool and not unsettled:
        return Decision(is_finished=True, wave=wave)
    if not any(one.state == CONFIRMED for one in begun):  # the canary has not proven it yet
        room = 1 - sum(one.state in UNDER_WAY for one in begun)
    else:
        if of_wave and not unsettled:
            wave, of_wave = wave + 1, []
        room = (plan.wave_nodes if wave else 1) - _occupied(of_wave)
    chosen = _chosen(plan, pool, nodes, room, now_unix_ms)
    return Decision(chosen, wave, waits=None if chosen else _waits(
        plan, pool, unsettled, now_unix_ms))


def _why_stop(nodes: Sequence[NodeProgress]) -> Reason | None:
    failed = next((one for one in nodes if one.state in FAILED), None)
    if failed is None:
        return None
    if failed.state == LOST:
        return Reason("trial_lost_node", node=failed.node)
    if failed.reason is None:
        return Reason("node_reverted", node=failed.node)
    return Reason("node_reverted_by", node=failed.node, why=failed.reason)


def _is_settled(plan: RolloutPlan, one: NodeProgress, now_unix_ms: int) -> bool:
    """Return True if nothing more is expected: it was quiet long enough, or is left out."""
    if one.state == CONFIRMED:
        quiet = one.quiet_unix_ms
        return quiet is not None and now_unix_ms - quiet >= plan.watch_ms
    return one.state in (REFUSED, CANCELLED)


def _occupied(of_wave: Sequence[NodeProgress]) -> int:
    """Return how many places of a wave are occupied; nodes left out free theirs."""
    return sum(one.state not in (REFUSED, CANCELLED) for one in of_wave)


def _chosen(
    plan: RolloutPlan, pool: Sequence[NodeProgress], nodes: Sequence[NodeProgress], room: int,
    now_unix_ms: int,
) -> tuple[str, ...]:
    under_way = Counter(one.site for one in nodes if one.state in UNDER_WAY)
    chosen: list[str] = []
    for one in pool:
        if len(chosen) >= room:
            break
        rests = one.wave is not None and now_unix_ms - one.state_unix_ms < AGAIN_MS
        if one.obstacle or rests or under_way[one.site] >= plan.per_site:
            continue
        chosen.append(one.node)
        under_way[one.site] += 1
    return tuple(chosen)


def _waits(
    plan: RolloutPlan, pool: Sequence[NodeProgress], unsettled: Sequence[NodeProgress],
    now_unix_ms: int,
) -> Reason:
    if unsettled:
        one = unsettled[0]
        if one.state != CONFIRMED:
            return Reason("of_node", node=one.node, why=_PROGRESS[one.state])
        if one.quiet_unix_ms is None:
            return Reason("of_node", node=one.node, why=Reason("alarm_new"))
        left_ms = plan.watch_ms - now_unix_ms + one.quiet_unix_ms
        return Reason("of_node", node=one.node, why=Reason("release_watched", left_ms=left_ms))
    first = pool[0]
    return Reason("of_node", node=first.node,
                  why=first.obstacle or first.reason or Reason("offered_again"))


_PROGRESS = {
    OFFERED: Reason("release_offered"), DOWNLOADING: Reason("release_downloading"),
    DOWNLOADED: Reason("release_downloaded"), TRIAL: Reason("release_on_trial"),
}

"""The HTTP API of updates: the releases a host keeps, and how they go through its nodes."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from idroserra.auth.identity import check_recent_password
from idroserra.core.errors import UnknownNode
from idroserra.core.validation import string_pattern
from idroserra.i18n.translate import gettext as _
from idroserra.i18n.translate import translate_message
from idroserra.nodes.registry import Node
from idroserra.server.service import Service
from idroserra.updates.database import NodeUpdate, Rollout
from idroserra.updates.describe import rollout_words, state_words
from idroserra.updates.errors import BadRelease
from idroserra.updates.release import MOST_PACKED_BYTES, PACKED_TYPE, Release
from idroserra.updates.rollout_policy import Decision
from idroserra.updates.selection import TargetSelection, open_to
from idroserra.web.api.schemas import AskedBy, Out, refused
from idroserra.web.routing import Replies, Routes

MOST_ROLLOUTS = 20
_REFUSALS: Replies = {
    404: refused("No such release, roll-out or node."),
    409: refused("It cannot be done now; the message says why."),
    422: refused("A field is wrong, or it is no release."),
    503: refused("It could not be written down."),
}
ReleaseId = Annotated[str, string_pattern(
    r"^[0-9a-f]{6,64}$", description="Its hash, or how that begins.")]
RolloutId = Annotated[str, string_pattern(r"^[0-9a-f]{12}$", description="Of the roll-out.")]
NodeId = Annotated[str, Meta(min_length=3, max_length=32)]


class OfferIn(AskedBy):
    """Which release goes to which nodes, and how."""

    release: ReleaseId
    nodes: Annotated[list[NodeId], Meta(
        max_length=10_000, description="Empty: every node it fits that does not run it.")] = []
    canary: Annotated[NodeId | None, Meta(
        description="Which node is first; without it, the first that is ready.")] = None
    wave_nodes: Annotated[int, Meta(
        ge=1, le=1_000, description="So many at once after it.")] | None = None
    watch_min: Annotated[int, Meta(
        ge=0, le=10_080,
        description="So many minutes without a new alarm before the next wave.")] | None = None
    per_site: Annotated[int, Meta(
        ge=1, le=1_000, description="So many of a site at once.")] | None = None


class ReleaseOut(Out):
    """A release that is kept."""

    release: str
    version: str
    board_class: str
    kernel: int
    security_counter: int
    files: int
    bytes: int
    key_id: str
    open_to: Annotated[list[str], Meta(description="Nodes that it fits and that do not run it.")]


class NodeUpdateOut(Out):
    """A node in a roll-out."""

    node: str
    site: str
    state: Annotated[str, Meta(
        description="waiting, offered, downloading, downloaded, trial, confirmed, refused, "
                    "reverted, lost or cancelled")]
    text: str
    level: str
    reason: str
    percent: int
    state_unix_ms: int


class RolloutOut(Out):
    """One release on its way."""

    id: str
    release: str
    version: str
    board_class: str
    state: Annotated[str, Meta(description="running, stopped, finished or cancelled")]
    text: str
    level: str
    reason: str
    waits: str
    by: str
    begun_unix_ms: int
    state_unix_ms: int
    wave: int
    wave_nodes: int
    watch_min: int
    per_site: int
    nodes: list[NodeUpdateOut]


class RunsOut(Out):
    """What a node runs."""

    node: str
    site: str
    online: bool
    board: str
    version: str
    slot: str
    state: Annotated[str, Meta(description="base (as flashed), trial, ok; unknown before it said")]
    release: str
    security_counter: int
    text: str


class UpdatesOut(Out):
    """All of it: what nodes run, what is kept, what is under way and was."""

    nodes: list[RunsOut]
    releases: list[ReleaseOut]
    rollouts: list[RolloutOut]
    key_ids: list[str]


def updates_json(service: Service) -> dict[str, Any]:
    """Return what UpdatesOut describes."""
    updates = service.updates
    return {
        "nodes": [_runs_json(node) for node in service.nodes.all()],
        "releases": [_release_json(service, one) for one in updates.library.all()],
        "rollouts": [_rollout_json(service, *one) for one in updates.rollouts()[:MOST_ROLLOUTS]],
        "key_ids": [key.id for key in updates.library.trusted],
    }


def _release_json(service: Service, found: Release) -> dict[str, Any]:
    told = found.manifest
    return {"release": found.sha256, "version": told.version, "board_class": told.board_class,
            "kernel": told.kernel, "security_counter": told.security_counter,
            "files": len(told.files), "bytes": told.total_bytes, "key_id": found.key_id,
            "open_to": open_to(service.nodes, found)}


def updates_router(service: Service) -> Routes:
    """Return the routes."""
    router = Routes("/api/updates", _REFUSALS)
    updates = service.updates

    @router.get("", answer=UpdatesOut)
    def show() -> dict[str, Any]:
        """Which node runs which version, what is under way, what failed and why."""
        return updates_json(service)

    @router.post("/releases", status=201, answer=ReleaseOut, takes={
        PACKED_TYPE: {"schema": {"type": "string", "format": "binary"}}})
    async def add(request: Request) -> dict[str, Any]:
        """Keep a release, packed as `idroserra update offer` does; its signature is checked."""
        packed = await _received(request)
        return _release_json(service, await run_in_threadpool(updates.library.add, packed))

    @router.delete("/releases/{release}", answer=ReleaseOut)
    def remove(release: ReleaseId) -> dict[str, Any]:
        """Give up a release that is not being rolled out."""
        return _release_json(service, updates.remove(release))

    @router.post("/rollouts", status=201, answer=RolloutOut)
    def begin(body: OfferIn) -> dict[str, Any]:
        """Roll a release out: one canary first, then waves."""
        check_recent_password()
        rollout = updates.begin(_wish(body), body.by)
        return _one(service, rollout.id)

    @router.post("/rollouts/{rollout}/cancel", answer=RolloutOut)
    def cancel(rollout: RolloutId, body: AskedBy) -> dict[str, Any]:
        """End a roll-out, or put away one that stopped by itself. A node on trial goes on."""
        updates.cancel(rollout, body.by)
        return _one(service, rollout)

    return router


async def _received(request: Request) -> bytes:
    """Return the body of a request. Raises BadRelease where it is too large."""
    packed = b""
    async for piece in request.stream():
        packed += piece
        if len(packed) > MOST_PACKED_BYTES:
            raise BadRelease(f"larger than the {MOST_PACKED_BYTES} bytes of any release")
    return packed


def _wish(body: OfferIn) -> TargetSelection:
    return TargetSelection(body.release, tuple(body.nodes), body.canary, body.wave_nodes,
                None if body.watch_min is None else body.watch_min * 60_000, body.per_site)


def _one(service: Service, rollout_id: str) -> dict[str, Any]:
    found = next(one for one in service.updates.rollouts() if one[0].id == rollout_id)
    return _rollout_json(service, *found)


def _rollout_json(
    service: Service, rollout: Rollout, ways: dict[str, NodeUpdate], decision: Decision
) -> dict[str, Any]:
    whole = service.updates.size_bytes(rollout.release)
    level, text = rollout_words(rollout, ways)
    return {
        "id": rollout.id,
        "release": rollout.release,
        "version": rollout.version,
        "board_class": rollout.board_class,
        "state": rollout.state,
        "text": text,
        "level": level,
        "reason": translate_message(rollout.reason),
        "waits": _waits(decision.waits),
        "by": rollout.by,
        "begun_unix_ms": rollout.begun_unix_ms,
        "state_unix_ms": rollout.state_unix_ms,
        "wave": max((one.wave or 0 for one in ways.values()), default=0),
        "wave_nodes": rollout.wave_nodes,
        "watch_min": rollout.watch_ms // 60_000,
        "per_site": rollout.per_site,
        "nodes": [_way_json(service, ways[node], whole) for node in rollout.nodes],
    }


def _waits(text: str) -> str:
    """Return what a roll-out waits for in words: which node, and why."""
    node, colon, why = text.partition(": ")
    return f"{node}{colon}{translate_message(why)}" if colon else translate_message(text)


def _way_json(service: Service, way: NodeUpdate, whole: int) -> dict[str, Any]:
    level, text = state_words(way.state)
    return {"node": way.node, "site": _site(service, way.node), "state": way.state,
            "text": text, "level": level, "reason": translate_message(way.reason),
            "percent": _percent(way, whole), "state_unix_ms": way.state_unix_ms}


def _percent(way: NodeUpdate, whole: int) -> int:
    if way.state in ("downloaded", "trial", "confirmed"):
        return 100
    return min(99, 100 * way.done_bytes // whole) if whole else 0


def _site(service: Service, node: str) -> str:
    try:
        return service.nodes.get(node).site
    except UnknownNode:
        return ""


def _runs_json(node: Node) -> dict[str, Any]:
    info = node.info
    base = {"node": node.node, "site": node.site, "online": node.online}
    if info is None:
        return base | {"board": "", "version": "", "slot": "", "state": "unknown", "release": "",
                       "security_counter": 0, "text": _("It has not said yet what it runs.")}
    runs = info.update
    words = {"base": _("As flashed over USB"), "trial": _("On trial"), "ok": _("Updated")}
    text = words[runs.state] if runs.kernel else _("Takes no updates: flash it once over USB")
    return base | {
        "board": info.board, "version": info.version, "slot": runs.slot, "state": runs.state,
        "release": runs.release, "security_counter": runs.security_counter, "text": text}

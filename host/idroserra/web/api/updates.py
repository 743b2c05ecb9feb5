"""The HTTP API of over-the-air updates: releases and roll-outs."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from idroserra.auth.identity import check_recent_password
from idroserra.core.errors import UnknownNode
from idroserra.core.text import Text
from idroserra.core.validation import string_pattern
from idroserra.i18n.marker import N_
from idroserra.i18n.reasons import reason_json
from idroserra.i18n.translate import gettext as _
from idroserra.nodes.node import Node
from idroserra.nodes.registry import Nodes
from idroserra.updates.database import NodeUpdate, Rollout
from idroserra.updates.describe import rollout_words, state_words
from idroserra.updates.errors import BadRelease
from idroserra.updates.release import MOST_PACKED_BYTES, PACKED_TYPE, Release
from idroserra.updates.rollout_policy import Decision
from idroserra.updates.selection import TargetSelection, open_to
from idroserra.updates.service import UpdateService
from idroserra.web.api.schemas import AskedBy, Out, ReasonOut, error_replies
from idroserra.web.routing import Routes

MOST_ROLLOUTS = 20
_ERROR_REPLIES = error_replies({
    404: "No such release, roll-out or node.",
    409: "Not possible now; the message names the reason.",
    422: "A field is wrong, or the body is not a release.",
    503: "The host's database cannot be written.",
})
ReleaseId = Annotated[str, string_pattern(
    r"^[0-9a-f]{6,64}$", description="SHA-256 of the release, or a prefix.")]
RolloutId = Annotated[str, string_pattern(r"^[0-9a-f]{12}$", description="Id of the roll-out.")]
NodeId = Annotated[str, Meta(min_length=3, max_length=32)]


class OfferIn(AskedBy):
    """A release, its nodes and the roll-out policy."""

    release: ReleaseId
    nodes: Annotated[list[NodeId], Meta(
        max_length=10_000, description="Empty: every compatible node that does not run it.")] = []
    canary: Annotated[NodeId | None, Meta(
        description="The first node; default: the first that is ready.")] = None
    wave_nodes: Annotated[int, Meta(
        ge=1, le=1_000, description="Nodes at once after the canary.")] | None = None
    watch_min: Annotated[int, Meta(
        ge=0, le=10_080,
        description="Minutes without a new alarm before the next wave.")] | None = None
    per_site: Annotated[int, Meta(
        ge=1, le=1_000, description="Nodes of a site at once.")] | None = None


class ReleaseOut(Out):
    """A stored release."""

    release: str
    version: str
    board_class: str
    kernel: int
    security_counter: int
    files: int
    bytes: int
    key_id: str
    open_to: Annotated[list[str], Meta(description="Compatible nodes that do not run it.")]


class NodeUpdateOut(Out):
    """A node in a roll-out."""

    node: str
    site: str
    state: Annotated[str, Meta(
        description="waiting, offered, downloading, downloaded, trial, confirmed, refused, "
                    "reverted, lost or cancelled")]
    text: str
    level: str
    reason: ReasonOut | None
    percent: int
    state_unix_ms: int


class RolloutOut(Out):
    """The roll-out of a release."""

    id: str
    release: str
    version: str
    board_class: str
    state: Annotated[str, Meta(description="running, stopped, finished or cancelled")]
    text: str
    level: str
    reason: ReasonOut | None
    waits: Annotated[ReasonOut | None, Meta(description="What it waits for.")]
    by: str
    begun_unix_ms: int
    state_unix_ms: int
    wave: int
    wave_nodes: int
    watch_min: int
    per_site: int
    nodes: list[NodeUpdateOut]


class RunsOut(Out):
    """The firmware of a node."""

    node: str
    site: str
    online: bool
    board: str
    version: str
    slot: str
    state: Annotated[str, Meta(description="base (as flashed), trial, ok, or unknown")]
    release: str
    security_counter: int
    text: str


class UpdatesOut(Out):
    """Firmware of the nodes, releases, roll-outs and trusted keys."""

    nodes: list[RunsOut]
    releases: list[ReleaseOut]
    rollouts: list[RolloutOut]
    key_ids: list[str]


def updates_json(updates: UpdateService, nodes: Nodes) -> dict[str, Any]:
    """Return UpdatesOut."""
    return {
        "nodes": [_runs_json(node) for node in nodes.all()],
        "releases": [_release_json(nodes, one) for one in updates.releases.all()],
        "rollouts": [_rollout_json(updates, nodes, *one)
                     for one in updates.rollouts()[:MOST_ROLLOUTS]],
        "key_ids": [key.id for key in updates.releases.trusted],
    }


def _release_json(nodes: Nodes, found: Release) -> dict[str, Any]:
    manifest = found.manifest
    return {"release": found.sha256, "version": manifest.version,
            "board_class": manifest.board_class, "kernel": manifest.kernel,
            "security_counter": manifest.security_counter, "files": len(manifest.files),
            "bytes": manifest.total_bytes, "key_id": found.key_id,
            "open_to": open_to(nodes, found)}


def updates_router(updates: UpdateService, nodes: Nodes) -> Routes:
    """Return the routes under /api/updates."""
    router = Routes("/api/updates", _ERROR_REPLIES)

    @router.get("", answer=UpdatesOut)
    def show() -> dict[str, Any]:
        """Return the firmware of the nodes, releases and roll-outs."""
        return updates_json(updates, nodes)

    @router.post("/releases", status=201, answer=ReleaseOut, takes={
        PACKED_TYPE: {"schema": {"type": "string", "format": "binary"}}})
    async def add(request: Request) -> dict[str, Any]:
        """Store a release, packed by `idroserra update offer`, after a signature check."""
        packed = await _body(request)
        return _release_json(nodes, await run_in_threadpool(updates.releases.add, packed))

    @router.delete("/releases/{release}", answer=ReleaseOut)
    def remove(release: ReleaseId) -> dict[str, Any]:
        """Delete a release that is not being rolled out."""
        return _release_json(nodes, updates.remove(release))

    @router.post("/rollouts", status=201, answer=RolloutOut)
    def begin(body: OfferIn) -> dict[str, Any]:
        """Start a roll-out: one canary, then waves."""
        check_recent_password()
        rollout = updates.begin(_selection(body), body.by)
        return _one(updates, nodes, rollout.id)

    @router.post("/rollouts/{rollout}/cancel", answer=RolloutOut)
    def cancel(rollout: RolloutId, body: AskedBy) -> dict[str, Any]:
        """Cancel a roll-out or dismiss a stopped one. A trial in progress continues."""
        updates.cancel(rollout, body.by)
        return _one(updates, nodes, rollout)

    return router


async def _body(request: Request) -> bytes:
    """Return the body of a request. Raises BadRelease if it is too large."""
    packed = b""
    async for piece in request.stream():
        packed += piece
        if len(packed) > MOST_PACKED_BYTES:
            raise BadRelease(Text(N_("larger than {count} bytes"), count=MOST_PACKED_BYTES))
    return packed


def _selection(body: OfferIn) -> TargetSelection:
    return TargetSelection(body.release, tuple(body.nodes), body.canary, body.wave_nodes,
                None if body.watch_min is None else body.watch_min * 60_000, body.per_site)


def _one(updates: UpdateService, nodes: Nodes, rollout_id: str) -> dict[str, Any]:
    found = next(one for one in updates.rollouts() if one[0].id == rollout_id)
    return _rollout_json(updates, nodes, *found)


def _rollout_json(
    updates: UpdateService, nodes: Nodes, rollout: Rollout, node_updates: dict[str, NodeUpdate],
    decision: Decision,
) -> dict[str, Any]:
    size_bytes = updates.size_bytes(rollout.release)
    level, text = rollout_words(rollout, node_updates)
    return {
        "id": rollout.id, "release": rollout.release, "version": rollout.version,
        "board_class": rollout.board_class, "state": rollout.state, "text": text, "level": level,
        "reason": reason_json(rollout.reason), "waits": reason_json(decision.waits),
        "by": rollout.by, "begun_unix_ms": rollout.begun_unix_ms,
        "state_unix_ms": rollout.state_unix_ms,
        "wave": max((one.wave or 0 for one in node_updates.values()), default=0),
        "wave_nodes": rollout.wave_nodes, "watch_min": rollout.watch_ms // 60_000,
        "per_site": rollout.per_site,
        "nodes": [_node_json(nodes, node_updates[node], size_bytes) for node in rollout.nodes],
    }


def _node_json(nodes: Nodes, update: NodeUpdate, size_bytes: int) -> dict[str, Any]:
    level, text = state_words(update.state)
    return {"node": update.node, "site": _site(nodes, update.node), "state": update.state,
            "text": text, "level": level, "reason": reason_json(update.reason),
            "percent": _percent(update, size_bytes), "state_unix_ms": update.state_unix_ms}


def _percent(update: NodeUpdate, size_bytes: int) -> int:
    if update.state in ("downloaded", "trial", "confirmed"):
        return 100
    return min(99, 100 * update.done_bytes // size_bytes) if size_bytes else 0


def _site(nodes: Nodes, node: str) -> str:
    try:
        return nodes.get(node).site
    except UnknownNode:
        return ""


def _runs_json(node: Node) -> dict[str, Any]:
    info = node.info
    base = {"node": node.node, "site": node.site, "online": node.online}
    if info is None:
        return base | {"board": "", "version": "", "slot": "", "state": "unknown", "release": "",
                       "security_counter": 0, "text": _("Version not reported yet")}
    runs = info.update
    words = {"base": _("Flashed over USB"), "trial": _("On trial"), "ok": _("Updated")}
    text = words[runs.state] if runs.kernel else _("No update support: flash once over USB")
    return base | {
        "board": info.board, "version": info.version, "slot": runs.slot, "state": runs.state,
        "release": runs.release, "security_counter": runs.security_counter, "text": text}

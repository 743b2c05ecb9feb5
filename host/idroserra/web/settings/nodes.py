"""The HTTP API of the nodes in the settings: who waits for adoption, names, retired keys."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from idroserra.core.validation import string_pattern
from idroserra.nodes.node import Node
from idroserra.nodes.registry import Nodes
from idroserra.web.api.schemas import AskedBy, Out, error_replies
from idroserra.web.node_titles import SHORT_CHARS, NodeTitles
from idroserra.web.routing import Routes

MOST_TITLE_CHARS = 60

_ERROR_REPLIES = error_replies({
    404: "No such node.", 503: "The host's database cannot be written.",
})


class TitleIn(AskedBy):
    """The name of a node for people; empty: its node id."""

    title: Annotated[str, string_pattern(
        r"^[^\x00-\x1f\x7f]*$", max_length=MOST_TITLE_CHARS, description="Any text, one line.")]


class SettingsNodeOut(Out):
    """A node as the settings list it."""

    node: str
    title: Annotated[str, Meta(description="The name for people; empty: none.")]
    site: str
    state: Annotated[str, Meta(
        description="waiting (not adopted, it reports), online, offline, or new: never heard")]
    last_seen_unix_ms: int | None
    board: str | None
    version: str | None
    key: Annotated[str, Meta(description="The first digits of its key's fingerprint.")]
    newer_key: Annotated[str, Meta(description="Those of a key that is not confirmed yet.")]


class RetiredKeyOut(Out):
    """A key that no node of this host uses any more."""

    node: str
    key: str
    unix_ms: Annotated[int, Meta(description="When the host learned it, or forgot the node.")]


class SettingsNodesOut(Out):
    """Every node: those that wait for adoption first, then by name."""

    nodes: list[SettingsNodeOut]
    retired: list[RetiredKeyOut]
    site: Annotated[str, Meta(description="The site of a new node.")]


def settings_nodes_json(nodes: Nodes, titles: NodeTitles, site: str) -> dict[str, Any]:
    """Return SettingsNodesOut."""
    known = nodes.all()
    found = [_node_json(node, titles) for node in known]
    return {"nodes": sorted(found, key=lambda one: (one["state"] != "waiting", one["node"])),
            "retired": titles.retired(known), "site": site}


def settings_nodes_router(nodes: Nodes, titles: NodeTitles, site: str) -> Routes:
    """Return the routes."""
    router = Routes("/api", _ERROR_REPLIES)

    @router.get("/settings/nodes", answer=SettingsNodesOut)
    def list_nodes() -> dict[str, Any]:
        """List the nodes with their keys by fingerprint, those that wait for adoption first."""
        return settings_nodes_json(nodes, titles, site)

    @router.put("/nodes/{node}/title", answer=SettingsNodeOut)
    def name_node(node: str, body: TitleIn) -> dict[str, Any]:
        """Name a node. Its node id stays, in addresses and on the wire."""
        nodes.get(node)
        titles.set(node, body.title.strip(), body.by)
        return _node_json(nodes.get(node), titles)

    return router


def _node_json(node: Node, titles: NodeTitles) -> dict[str, Any]:
    was_heard = node.last_seen_unix_ms is not None or node.info is not None
    state = "online" if node.online else "offline" if was_heard else "new"
    keys = [found[:SHORT_CHARS] for found in node.fingerprints] + ["", ""]
    return {"node": node.node, "title": titles.of(node.node), "site": node.site,
            "state": state if node.is_adopted else "waiting",
            "last_seen_unix_ms": node.last_seen_unix_ms,
            "board": None if node.info is None else node.info.board,
            "version": None if node.info is None else node.info.version,
            "key": keys[0], "newer_key": keys[1]}

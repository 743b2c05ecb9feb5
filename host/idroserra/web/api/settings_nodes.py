"""The HTTP API of the nodes in the settings: who waits for adoption, names, retired keys."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from idroserra.core.page_settings import PageSettings
from idroserra.core.validation import string_pattern
from idroserra.nodes.node import Node
from idroserra.nodes.registry import Nodes
from idroserra.web.api.schemas import AskedBy, Out, error_replies
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Routes

KEYS, TITLES = "keys", "node titles"
SHORT_CHARS = 8  # of a fingerprint, for comparison by people
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


class NodeTitles:
    """The names of nodes for people, and the fingerprints of keys that were in use."""

    def __init__(self, settings: PageSettings) -> None:
        self._settings = settings

    def of(self, node: str) -> str:
        """Return the name of a node, "" if it has none."""
        return str(self._settings.get(TITLES, node, ""))

    def set(self, node: str, title: str, by: str) -> None:
        """Name a node. Raises StoreUnavailable."""
        self._settings.put(TITLES, node, title, by, wall_unix_ms())

    def record_keys(self, node: Node, by: str) -> None:
        """Remember the fingerprints of a node's keys. Raises StoreUnavailable."""
        for found in node.fingerprints:
            self._settings.put(KEYS, found[:SHORT_CHARS], {
                "node": node.node, "unix_ms": wall_unix_ms()}, by, wall_unix_ms())

    def forget(self, node: Node, by: str) -> None:
        """Remove the name of a node that is forgotten. Raises StoreUnavailable."""
        self.record_keys(node, by)
        self._settings.remove(TITLES, node.node)

    def retired(self, nodes: list[Node]) -> list[dict[str, Any]]:
        """Return RetiredKeyOut of each key that none of these nodes has, newest first."""
        used = {found[:SHORT_CHARS] for node in nodes for found in node.fingerprints}
        found = [{"key": key, **one} for key, one in self._settings.all(KEYS).items()
                 if key not in used]
        return sorted(found, key=lambda one: -int(one["unix_ms"]))


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

"""The names of nodes for people, and the fingerprints of keys that were in use."""

from __future__ import annotations

from typing import Any

from idroserra.core.page_settings import PageSettings
from idroserra.nodes.node import Node
from idroserra.web.node_view import wall_unix_ms

KEYS, TITLES = "keys", "node titles"
SHORT_CHARS = 8  # of a fingerprint, for comparison by people


class NodeTitles:
    """Names and fingerprints, stored with what is set on the page."""

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

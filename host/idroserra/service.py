"""The host service: builds the parts, starts and stops them (the host's composition root)."""

from __future__ import annotations

from typing import Any

from idroserra.commands import Commands
from idroserra.config import Config
from idroserra.live import Live
from idroserra.nodes import Nodes
from idroserra.store import Store


class Service:
    """Everything that runs. start() returns at once; broker and store may come later.

    counts() is a dict: {"nodes": {node: {"received", "stored", "duplicates", "lost",
    "rejected"}}, "rejected" (all of them, those of no known node too), "spool": {"depth"
    (records waiting for the store), "state" ("ok" or why not)}, "store": {"kind", "state"},
    "broker": {"state"}}.
    """

    nodes: Nodes
    commands: Commands
    live: Live
    store: Store

    def __init__(self, config: Config) -> None:
        self.config = config
        raise NotImplementedError

    def start(self) -> None:
        """Start the threads. Raises ConfigError, StoreError, SpoolError."""

    def stop(self) -> None:
        """Stop everything, in order, and close the files."""

    def counts(self) -> dict[str, Any]:
        """Return the counters, as above."""
        raise NotImplementedError

"""Adopts nodes in the data folder of a host that is not running."""

from collections.abc import Iterable
from pathlib import Path

from idroserra.nodes.registry import Nodes


def adopt_nodes(data_dir: Path, names: Iterable[str], key: bytes) -> None:
    """Share `key` with each node, as `idroserra provision` does."""
    data_dir.mkdir(parents=True, exist_ok=True)
    nodes = Nodes(data_dir / "state.db", "site")
    for name in names:
        nodes.adopt(name, key)
    nodes.close()

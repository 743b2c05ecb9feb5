"""The folder of the boards that a host keeps: `boards` in its data folder.

Commands beside a host find it by its configuration or the environment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from idroserra.core.config import ENV_PREFIX, load_config

FOLDER = "boards"
VARIABLE = f"{ENV_PREFIX}DATA_DIR"
_folders: list[Path] = []  # of the hosts in this process; the newest counts
_revisions = count(1)
_revision = 0


def folder() -> Path:
    """Return the folder, which may not exist. Raises ConfigError for a wrong environment."""
    return _folders[-1] if _folders else load_config().data_dir / FOLDER


@contextmanager
def in_data_dir(data_dir: Path) -> Iterator[Path]:
    """Use the boards of a data folder meanwhile; yield their folder."""
    used = data_dir / FOLDER
    _folders.append(used)
    mark_changed()
    try:
        yield used
    finally:
        _folders.remove(used)
        mark_changed()


def revision() -> int:
    """Return a number that is another one after each change of the boards by this process."""
    return _revision


def mark_changed() -> None:
    """Count a change."""
    global _revision
    _revision = next(_revisions)

"""Marks a data folder that a standby follows."""

from __future__ import annotations

import shutil
from pathlib import Path

from idroserra.backup.create import COPIES
from idroserra.core.sqlite import FOLLOWED


def prepare(folder: Path, *, is_followed: bool) -> None:
    """Mark the folder before its databases are opened, or delete what was for a standby.

    Raises OSError."""
    state = folder / FOLLOWED
    if is_followed:
        state.mkdir(mode=0o700, exist_ok=True)
    elif state.exists():
        shutil.rmtree(state)
        for path in folder.glob(f"{COPIES}*"):
            path.unlink()

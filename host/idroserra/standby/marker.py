"""What a host that has taken over knows about it, in its data folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

MARKER = "taken-over.json"


class TakenOver(NamedTuple):
    """A take-over: when, and as of which instant the copy of each database was."""

    unix_ms: int
    copied_unix_ms: dict[str, int]

    @property
    def age_ms(self) -> int:
        """Changes of this time before the take-over may be lost, such as notes. No record is."""
        return self.unix_ms - min(self.copied_unix_ms.values(), default=self.unix_ms)


def read(folder: Path) -> TakenOver | None:
    """Return the take-over of a data folder; None without one, or if the file is damaged."""
    try:
        found = msgspec.json.decode((folder / MARKER).read_bytes(), type=dict)
        return TakenOver(int(found["unix_ms"]), dict(found["copied_unix_ms"]))
    except (OSError, msgspec.DecodeError, KeyError, ValueError, TypeError):
        return None

"""Caches results in a file, so that an interrupted run resumes and a changed policy is run again.

Each result is a JSON line, its key ends with a digest of the code it depends on. CPython only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import idro
import idrosim


class ResultCache:
    """Results of the simulation by the sources that `patterns` name below idrosim, and of the
    firmware in it; nothing is kept without a path. Raises OSError."""

    def __init__(self, path: Path | None, patterns: tuple[str, ...]) -> None:
        self._path = path
        self._patterns = patterns
        self._known: dict[str, Any] = {}
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    key, value = json.loads(line)
                except ValueError:
                    continue  # truncated when the run was interrupted
                self._known[key] = value

    def get(self, job: str, *, is_firmware: bool) -> Any:
        """Return the result of a job, or None. is_firmware: it depends on the firmware too."""
        return self._known.get(self._key(job, is_firmware))

    def put(self, job: str, value: Any, *, is_firmware: bool) -> None:
        """Append the result of a job."""
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([self._key(job, is_firmware), value]) + "\n")

    def _key(self, job: str, is_firmware: bool) -> str:
        return f"{job} {_digest(self._patterns, is_firmware)}"


@cache
def _digest(patterns: Iterable[str], is_firmware: bool) -> str:
    here = Path(str(idrosim.__file__)).parent
    files = [file for pattern in patterns for file in sorted(here.glob(pattern))]
    if is_firmware:
        files.append(here / "benchmark" / "firmware_policy.py")
        files += sorted(Path(str(idro.__file__)).parent.rglob("*.py"))
    found = hashlib.sha256()
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()[:16]

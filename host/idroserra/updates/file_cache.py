"""The files of the releases a host keeps: read from its disk, the last few held in memory.

The nodes of a wave ask for the same file, piece by piece.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path

from idroserra.image import build
from idroserra.updates import manifest
from idroserra.updates.errors import BadRelease
from idroserra.updates.manifest import File, Manifest

MOST_BYTES = 20 * manifest.MOST_TOTAL_BYTES


class FileCache:
    """Holds the files asked for last, MOST_BYTES of them at most. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[str, bytes] = OrderedDict()  # by their hash, oldest first

    @property
    def held_bytes(self) -> int:
        """How much is held in memory."""
        with self._lock:
            return sum(map(len, self._held.values()))

    def of(self, folder: Path, told: Manifest) -> Mapping[str, bytes]:
        """Return the files of a release in `folder`; to take one reads it.

        That raises BadRelease where it cannot be read or is not the file it was."""
        return _Files(self, folder, told)

    def take(self, path: Path, file: File) -> bytes:
        """Return a file of a release. Raises BadRelease."""
        with self._lock:
            data = self._held.pop(file.sha256, None)
            if data is None:
                data = _read(path, file)
            self._held[file.sha256] = data
            while len(self._held) > 1 and sum(map(len, self._held.values())) > MOST_BYTES:
                self._held.popitem(last=False)
            return data


class _Files(Mapping[str, bytes]):
    def __init__(self, shelf: FileCache, folder: Path, told: Manifest) -> None:
        self._shelf = shelf
        self._folder = folder
        self._files = {file.path: file for file in told.files}

    def __getitem__(self, path: str) -> bytes:
        return self._shelf.take(self._folder / path, self._files[path])

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _read(path: Path, file: File) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadRelease(f"{path}: {error.strerror or error}") from None
    if len(data) != file.size or build.sha256(data) != file.sha256:
        raise BadRelease(f"{path}: was changed since the release was taken in: remove it with "
                         "`idroserra update remove`, and add it again")
    return data

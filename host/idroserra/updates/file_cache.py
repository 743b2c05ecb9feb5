"""Reads the files of stored releases from disk, and caches the recently used ones in memory.

The nodes of a wave request the same file, chunk by chunk.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path

from idroserra.image import build
from idroserra.updates.errors import BadRelease
from idroserra.updates.manifest import MOST_TOTAL_BYTES, File, Manifest

MOST_BYTES = 20 * MOST_TOTAL_BYTES


class FileCache:
    """Caches the most recently used files, up to MOST_BYTES. Any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[str, bytes] = OrderedDict()  # by hash, least recently used first

    @property
    def held_bytes(self) -> int:
        """The size of the cached files."""
        with self._lock:
            return sum(map(len, self._held.values()))

    def of(self, folder: Path, manifest: Manifest) -> Mapping[str, bytes]:
        """Return the files of a release in `folder`, each read on access.

        Access raises BadRelease if the file cannot be read or has changed."""
        return _Files(self, folder, manifest)

    def get(self, path: Path, file: File) -> bytes:
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
    def __init__(self, cache: FileCache, folder: Path, manifest: Manifest) -> None:
        self._cache = cache
        self._folder = folder
        self._files = {file.path: file for file in manifest.files}

    def __getitem__(self, path: str) -> bytes:
        return self._cache.get(self._folder / path, self._files[path])

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
        raise BadRelease(f"{path}: changed since the release was added: remove it, "
                         "and add it again")
    return data

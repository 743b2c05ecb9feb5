"""Stores releases in folders below data_dir; verifies each when it is added and when it is loaded,
so that no release is offered that a node would refuse."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from idroserra.core.errors import ConfigError, StoreUnavailable
from idroserra.core.text import Text
from idroserra.i18n.marker import N_
from idroserra.updates import release
from idroserra.updates.errors import BadRelease, UnknownRelease
from idroserra.updates.file_cache import FileCache
from idroserra.updates.release import Release
from idroserra.updates.signing import PublicKey

FOLDER = "releases"
MOST_KEPT = 50

_log = logging.getLogger("idroserra")


class ReleaseStore:
    """All releases; their files are read from disk on demand. Any thread may call."""

    def __init__(self, data_dir: Path, trusted: Sequence[PublicKey]) -> None:
        """Load the stored releases; an invalid one is left out, and may be added again."""
        self._folder = data_dir / FOLDER
        self.trusted = tuple(trusted)
        self._lock = threading.Lock()
        self._releases: dict[str, Release] = {}
        self.file_cache = FileCache()
        for path in sorted(self._folder.glob("*")) if self._folder.is_dir() else ():
            self._load(path)

    def all(self) -> list[Release]:
        """Return every release, sorted by board and version."""
        with self._lock:
            return sorted(self._releases.values(), key=lambda one: (
                one.manifest.board_class, one.manifest.security_counter, one.manifest.version,
                one.sha256))

    def get(self, sha256: str) -> Release:
        """Return the release whose hash begins with `sha256`. Raises UnknownRelease."""
        with self._lock:
            found = [one for sha, one in self._releases.items() if sha.startswith(sha256)]
        if len(found) != 1 or len(sha256) < 6:
            raise UnknownRelease(Text(N_(
                "release: the host has no {release}: add it first"),
                release=sha256[:64]))
        return found[0]

    def add(self, packed: bytes) -> Release:
        """Verify and store a packed release. Raises BadRelease, StoreUnavailable."""
        if not self.trusted:
            raise BadRelease(Text(N_(
                "this host has no public key to verify releases: add it to its configuration, "
                "[update] public_keys")))
        return self._store(release.unpack(packed, self.trusted))

    def remove(self, sha256: str) -> Release:
        """Delete a release. Raises UnknownRelease."""
        found = self.get(sha256)
        with self._lock:
            shutil.rmtree(self._folder / found.sha256, ignore_errors=True)
            self._releases.pop(found.sha256, None)
        return found

    def _store(self, found: Release) -> Release:
        with self._lock:
            if found.sha256 in self._releases:
                return self._releases[found.sha256]
            if len(self._releases) >= MOST_KEPT:
                raise BadRelease(Text(N_(
                    "{count} releases are stored already: remove one first"), count=MOST_KEPT))
            part = self._folder / f".{found.sha256}"
            try:
                shutil.rmtree(part, ignore_errors=True)
                release.write(found, part)
                shutil.rmtree(self._folder / found.sha256, ignore_errors=True)  # a damaged one
                part.rename(self._folder / found.sha256)
            except (OSError, ConfigError) as error:
                raise StoreUnavailable(f"releases: {error}") from error
            return self._add(found)

    def _load(self, path: Path) -> None:
        if path.name.startswith("."):  # incomplete: the host ended while writing
            shutil.rmtree(path, ignore_errors=True)
            return
        try:
            found = release.read(path, self.trusted)
        except BadRelease as error:
            _log.warning("a stored release is left out, add it again: %s: %s", path.name, error)
            return
        if found.sha256 == path.name:
            self._add(found)

    def _add(self, found: Release) -> Release:
        files = self.file_cache.of(self._folder / found.sha256, found.manifest)
        self._releases[found.sha256] = replace(found, content=files)
        return self._releases[found.sha256]

"""The releases a host keeps: each in a folder of its own under data_dir, checked when it comes in
and again when it is read, so that nothing is offered that a node would refuse."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from idroserra.core.errors import ConfigError, StoreUnavailable
from idroserra.updates import release
from idroserra.updates.errors import BadRelease, UnknownRelease
from idroserra.updates.file_cache import FileCache
from idroserra.updates.release import Release
from idroserra.updates.signing import PublicKey

FOLDER = "releases"
MOST_KEPT = 50


class ReleaseStore:
    """All releases; their files stay on the disk until they are asked for. Any thread may call.
    """

    def __init__(self, data_dir: Path, trusted: Sequence[PublicKey]) -> None:
        """Read what is kept; what no longer checks is passed over: `refused` says why."""
        self._folder = data_dir / FOLDER
        self.trusted = tuple(trusted)
        self._lock = threading.Lock()
        self._releases: dict[str, Release] = {}
        self.shelf = FileCache()
        self.refused: dict[str, str] = {}
        for path in sorted(self._folder.glob("*")) if self._folder.is_dir() else ():
            self._take(path)

    def all(self) -> list[Release]:
        """Return every release, by board, then as it was versioned."""
        with self._lock:
            return sorted(self._releases.values(), key=lambda one: (
                one.manifest.board_class, one.manifest.security_counter, one.manifest.version,
                one.sha256))

    def get(self, sha256: str) -> Release:
        """Return the release whose hash begins so. Raises UnknownRelease."""
        with self._lock:
            found = [one for sha, one in self._releases.items() if sha.startswith(sha256)]
        if len(found) != 1 or len(sha256) < 6:
            raise UnknownRelease(f"release: the host keeps no {sha256[:64]}: `idroserra update "
                                 "status` lists them")
        return found[0]

    def add(self, packed: bytes) -> Release:
        """Keep a release that was packed. Raises BadRelease, StoreUnavailable."""
        if not self.trusted:
            raise BadRelease("this host knows no key that releases are checked with: put the "
                             "public key into its configuration, [update] public_keys")
        return self._keep(release.unpack(packed, self.trusted))

    def remove(self, sha256: str) -> Release:
        """Give up a release. Raises UnknownRelease."""
        found = self.get(sha256)
        with self._lock:
            shutil.rmtree(self._folder / found.sha256, ignore_errors=True)
            self._releases.pop(found.sha256, None)
        return found

    def _keep(self, found: Release) -> Release:
        with self._lock:
            if found.sha256 in self._releases:
                return self._releases[found.sha256]
            if len(self._releases) >= MOST_KEPT:
                raise BadRelease(f"{MOST_KEPT} releases are kept already: remove one with "
                                 "`idroserra update remove`")
            half = self._folder / f".{found.sha256}"
            try:
                shutil.rmtree(half, ignore_errors=True)
                release.write(found, half)
                half.rename(self._folder / found.sha256)
            except (OSError, ConfigError) as error:
                raise StoreUnavailable(f"releases: {error}") from error
            return self._shelved(found)

    def _take(self, path: Path) -> None:
        if path.name.startswith("."):  # half written when the host ended
            shutil.rmtree(path, ignore_errors=True)
            return
        try:
            found = release.read(path, self.trusted)
        except BadRelease as error:
            self.refused[path.name] = str(error)
            return
        if found.sha256 == path.name:
            self._shelved(found)

    def _shelved(self, found: Release) -> Release:
        folder = self._folder / found.sha256
        kept = replace(found, content=self.shelf.of(folder, found.manifest))
        self._releases[found.sha256] = kept
        return kept

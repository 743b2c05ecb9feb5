"""Makes one backup at a time in the data folder, on request of the page, for download."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from idroserra.backup.archive import BackupError
from idroserra.backup.create import FOLDER, data_bytes, make_backup
from idroserra.core.config import Config
from idroserra.core.errors import Conflict, HostError, NotFound
from idroserra.core.page_settings import PageSettings
from idroserra.core.text import Text
from idroserra.i18n.marker import N_

# The name of a file says whether it holds keys, so no stale label can deny it.
NAMES = {False: "idroserra.backup", True: "idroserra-with-keys.backup"}
SECTION, NEWEST = "backup", "newest"

_log = logging.getLogger("idroserra")


class CannotBackUp(Conflict):
    """A backup cannot be started now."""


class NoBackup(NotFound):
    """There is no backup to download."""


class PageBackup:
    """The newest backup made on the page. Every method may be called from any thread."""

    def __init__(self, config: Config, settings: PageSettings) -> None:
        self._config = config
        self._settings = settings
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        self._done_bytes = 0
        self._expected_bytes = 0
        self._error = ""
        self._folder = config.data_dir / FOLDER
        self._remove_others()  # of a host that was killed

    def begin(self, by: str, *, with_keys: bool) -> None:
        """Start a backup, which replaces the one before when it is complete.

        Raises CannotBackUp."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                raise CannotBackUp(N_("a backup is being made already"))
            self._expected_bytes = data_bytes(self._config.data_dir)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            free_bytes = shutil.disk_usage(self._folder).free
            if free_bytes < 2 * self._expected_bytes:  # the archive, and a copy of the database
                raise CannotBackUp(Text(
                    N_("not enough room on the host's disk: {free} MB are free, {needed} MB are "
                       "needed"), free=free_bytes // 1_000_000,
                    needed=2 * self._expected_bytes // 1_000_000 + 1))
            self._done_bytes, self._error = 0, ""
            self._thread = threading.Thread(target=self._make, args=(by, with_keys), name="backup")
            self._thread.start()

    def status(self) -> dict[str, Any]:
        """Return state (idle, running or failed), progress, error, and the newest backup: unix_ms,
        bytes, with_keys, by; None without one."""
        thread = self._thread
        is_running = thread is not None and thread.is_alive()
        newest = self._settings.get(SECTION, NEWEST)
        if newest is not None and not self.path(with_keys=newest["with_keys"]).is_file():
            newest = None
        return {"state": "running" if is_running else "failed" if self._error else "idle",
                "done_bytes": min(self._done_bytes, self._expected_bytes),
                "expected_bytes": self._expected_bytes, "error": self._error,
                "newest": newest}

    def path(self, *, with_keys: bool) -> Path:
        """Return the path of the newest backup, which holds keys or not."""
        return self._folder / NAMES[with_keys]

    def newest(self) -> dict[str, Any]:
        """Return unix_ms, bytes, with_keys and by of the newest backup. Raises NoBackup."""
        newest: dict[str, Any] | None = self.status()["newest"]
        if newest is None:
            raise NoBackup(N_("there is no backup: make one first"))
        return newest

    def remove(self) -> None:
        """Delete the newest backup. Raises NoBackup."""
        self.path(with_keys=self.newest()["with_keys"]).unlink(missing_ok=True)
        self._settings.remove(SECTION, NEWEST)

    def close(self) -> None:
        """Abandon a backup that is being made, and wait for its end."""
        self._is_stopping = True
        if self._thread is not None:
            self._thread.join()

    def _make(self, by: str, with_keys: bool) -> None:
        path = self.path(with_keys=with_keys)
        try:
            manifest = make_backup(self._config, path, with_keys=with_keys, on_file=self._on_file)
            self._settings.put(SECTION, NEWEST, {
                "unix_ms": manifest.made_unix_ms, "bytes": path.stat().st_size,
                "with_keys": with_keys, "by": by}, by, time.time_ns() // 1_000_000)
        except (HostError, OSError) as error:
            self._error = str(error)
            _log.warning("the backup failed: %s", error)
        self._remove_others()

    def _remove_others(self) -> None:
        """Delete the files that are not the newest backup."""
        newest = self._settings.get(SECTION, NEWEST)
        for with_keys in NAMES:
            if newest is None or newest["with_keys"] is not with_keys:
                try:
                    self.path(with_keys=with_keys).unlink(missing_ok=True)
                except OSError as error:
                    _log.warning("an older backup cannot be deleted: %s", error)

    def _on_file(self, _name: str, size_bytes: int) -> None:
        self._done_bytes += size_bytes
        if self._is_stopping:
            raise BackupError("the host stopped")

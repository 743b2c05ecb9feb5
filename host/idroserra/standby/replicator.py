"""Copies a running host to its standby, and says what the standby has.

Everything is copied every two seconds; the spool and the store also when the ingest asks. The
spool is copied before the store, so that no record is in the copy of the store that the copy of
the spool does not know.
"""

from __future__ import annotations

import logging
import re
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from idroserra.backup.create import COPIES, DATABASES
from idroserra.core.config import Config
from idroserra.core.errors import StoreUnavailable
from idroserra.core.others_config import StandbyConfig
from idroserra.core.sqlite import FOLLOWED
from idroserra.pki.x509 import write_private
from idroserra.standby import marker
from idroserra.standby.copy_database import CopyDatabase
from idroserra.standby.litestream import CopyError, Litestream, program

EVERY_S = 2.0
# A connection to a machine that has lost its power may hang for longer. Doubled with each start
# that copies nothing, up to an hour: the first copy of a large store takes long. A start also
# empties Litestream's log.
STUCK_S, LONGEST_STUCK_S = 60.0, 3_600.0
FIRST_S = 10.0  # of a start, at most, until the host connects to the broker
STARTING = "starting"
TAKEN_OVER = "the standby has taken over, or standby.url names a file: this host serves no node"
_SPOOL, _STORE, _FEEDS = "spool.db", "store.db", "feeds.db"
# Copied by Litestream itself within this time. The store only when asked, after the spool.
_SOON, _ASKED = "1s", "24h"
_GENERATION = "[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}"

_log = logging.getLogger("idroserra")


class Replicator:
    """Copies one host. run() is the loop of one thread; the other methods may be called by
    any."""

    def __init__(
        self, config: Config, now_unix_ms: Callable[[], int], leave: Callable[[str], None],
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now_s` is a monotonic clock. `leave(why)` ends the connection to the broker, after the
        standby has taken over.

        Raises ConfigError, OSError, sqlite3.Error, StoreUnavailable."""
        program()
        self._config, self._now_unix_ms, self._leave = config.standby, now_unix_ms, leave
        self._folder = config.data_dir.resolve()
        self._state_folder = self._folder / FOLLOWED
        self._litestream = Litestream(self._state_folder)
        self._copies = CopyDatabase(self._folder)
        self._names: list[str] = []
        self._store = ((_STORE,) if config.store.kind == "sqlite" else ()) + (
            (_FEEDS,) if config.feed else ())
        self._copied_unix_ms: dict[str, int] = {}
        self._now_s = now_s
        self._reached_s = self._started_s = now_s()
        self._stuck_s = STUCK_S
        # A host that has just taken over does not wait for the machine that has died.
        self._is_alone = marker.read(self._folder) is not None and not (
            self._state_folder / "generation").exists()
        self._is_sealed = False
        self._state = STARTING
        self._tried = threading.Event()
        self._stopping = threading.Event()

    @property
    def state(self) -> str:
        """Return "ok", or why the standby does not follow."""
        return self._state

    def has_spool(self) -> bool:
        """Return whether the standby has what the spool has now. Also True while this host is
        alone: after alone_after_min without a standby."""
        return self._has(_SPOOL)

    def has_store(self) -> bool:
        """As has_spool(), of spool, store and what feeds have still to receive."""
        return self._has(_SPOOL, *self._store)

    def may_move(self) -> bool:
        """Return whether the store may get what is in the spool.

        A database that is not copied gets no record of a boot whose time the standby does not
        know: it would be stored under another time after a take-over."""
        return _STORE in self._store or self.has_spool()

    def run(self) -> None:
        """Copy until stop()."""
        while not self._stopping.is_set():
            self.step()
            self._tried.set()
            self._stopping.wait(EVERY_S)

    def wait_tried(self) -> None:
        """Wait until run() knows whether the standby has taken over, but not for long.

        A host that connects to the broker ends the connection of the host that took over."""
        self._tried.wait(FIRST_S)

    def step(self) -> None:
        """Copy everything once."""
        try:
            self._start()
            self._copies.update_files()
            for name in self._in_order():
                unix_ms = self._now_unix_ms()
                self._sync(name)
                self._copied_unix_ms[name] = unix_ms
            self._copies.set_copied(self._copied_unix_ms)
            self._sync(COPIES)
        except CopyError as error:
            self._failed(error)
        except (OSError, StoreUnavailable) as error:
            self._failed(CopyError(str(error)))
        else:
            if self._state not in ("ok", STARTING):
                _log.info("the standby follows again")
            self._reached_s, self._is_alone, self._state = self._now_s(), False, "ok"
            self._stuck_s = STUCK_S

    def stop(self) -> None:
        """End run(), without waiting for a standby that does not answer."""
        self._stopping.set()
        if self._state != "ok":
            self._litestream.end()

    def close(self) -> None:
        """Copy the rest, and end Litestream. Nothing may use the databases any more."""
        if self._state == "ok":
            self.step()
        self._copies.close()
        self._litestream.end()

    def _has(self, *names: str) -> bool:
        if self._is_alone:
            return True
        try:
            for name in names:
                self._sync(name)
        except CopyError as error:
            self._failed(error)
            return self._is_alone
        return True

    def _sync(self, name: str) -> None:
        if self._is_sealed:
            raise CopyError(TAKEN_OVER)
        self._litestream.sync(self._folder / name)

    def _failed(self, error: CopyError) -> None:
        """Record why the standby does not follow; after a while, go on alone."""
        if self._stopping.is_set():
            self._litestream.end()  # each further sync would wait for as long
        if not self._is_sealed and is_sealed(self._config, error):
            self._is_sealed = True
            _log.error("%s: %s", self._config.url, TAKEN_OVER)
            self._leave(TAKEN_OVER)
        if self._is_sealed:
            self._is_alone, self._state = False, TAKEN_OVER
            return
        short = error.why.rsplit(": ", 1)[-1]  # Litestream names each step that failed
        if self._state != short:
            _log.warning("the standby does not follow: %s", error.why)
        self._state = short
        alone_after_s = 60 * self._config.alone_after_min
        if not self._is_alone and self._now_s() - self._reached_s > alone_after_s:
            _log.error("no standby for %d minutes: records are confirmed without it",
                       self._config.alone_after_min)
            self._is_alone = True

    def _in_order(self) -> list[str]:
        first = [_SPOOL, *self._store]
        return [*(name for name in first if name in self._names),
                *(name for name in self._names if name not in first)]

    def _start(self) -> None:
        """Start Litestream if it does not run, or lacks a database that is new."""
        names = [name for name in DATABASES if (self._folder / name).exists()]
        is_stuck = self._now_s() - max(self._reached_s, self._started_s) > self._stuck_s
        if self._stopping.is_set() or (
                self._litestream.is_running and names == self._names and not is_stuck):
            return
        self._litestream.end()
        if is_stuck:
            self._stuck_s = min(2 * self._stuck_s, LONGEST_STUCK_S)
        self._started_s = self._now_s()
        self._names = names
        generation = _generation(self._state_folder)
        self._litestream.start({
            self._folder / name: replica(
                self._config, f"{generation}/{name}", _ASKED if name == _STORE else _SOON)
            for name in (*names, COPIES)})


def replica(config: StandbyConfig, name: str, interval: str) -> dict[str, Any]:
    """Return Litestream's settings of a copy below the URL."""
    found: dict[str, Any] = {"url": f"{str(config.url).rstrip('/')}/{name}",
                             "sync-interval": interval}
    if config.is_sftp:
        found |= {"key-path": str(config.key_file), "host-key": config.host_key}
    return found


def is_sealed(config: StandbyConfig, error: CopyError) -> bool:
    """Return whether the folder of the URL is a file now: see take_over.seal()."""
    path = urlsplit(str(config.url)).path.rstrip("/")
    if config.is_sftp:
        return error.why.endswith(f"mkdir {path}: not a directory")
    return Path(path).is_file()


def _generation(folder: Path) -> str:
    """Return the folder of the copies. A new one, such as after a restore, has a new folder: what
    Litestream knows of the other copies is of other databases.

    A damaged name is replaced: with it the copies would be where no standby looks for them.
    Raises OSError."""
    file = folder / "generation"
    found = file.read_text("ascii", "replace") if file.exists() else ""
    if re.fullmatch(_GENERATION, found) is None:
        found = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        write_private(file, found.encode())
    return found

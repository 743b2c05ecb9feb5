"""A worker: takes its part of the records of a group into the host's spool, and nothing else.

It shares the host's data folder and keeps nothing of its own, so it may die at any instant. The
host moves the records to the store and shows them; while it is away they wait in the spool.
"""

from __future__ import annotations

import logging
import re
import threading
from contextlib import ExitStack

from idroserra.backups.restore import JOURNAL
from idroserra.config import Config
from idroserra.database import WORKERS_LOCK, lock_folder
from idroserra.errors import ConfigError
from idroserra.hearing import WorkerHearing
from idroserra.ingest import Ingest
from idroserra.mqtt_link import Link
from idroserra.spool import Spool

RESTART_S = 1.0
_NAME = re.compile(r"[A-Za-z0-9_]{1,32}")

_log = logging.getLogger("idroserra")


class Worker:
    """One worker of the host on config.data_dir. start() returns at once."""

    def __init__(self, config: Config, name: str) -> None:
        """Raises ConfigError, SpoolError."""
        if config.mqtt.share is None:
            raise ConfigError("mqtt", "share", "not set: name the group that the host and its "
                              "workers share, such as share = \"ingest\"")
        if not _NAME.fullmatch(name):
            raise ConfigError("command line", "--name", "1 to 32 letters, digits and _")
        folder = config.data_dir
        with ExitStack() as opened:
            try:
                opened.callback(lock_folder(folder, f"worker-{name}.lock").close)
                opened.callback(lock_folder(folder, WORKERS_LOCK, is_shared=True).close)
            except BlockingIOError:
                why = f"a worker {name} is running on this folder, or a backup is put back"
                raise ConfigError(str(folder), "data_dir", why) from None
            except OSError as error:
                raise ConfigError(str(folder), "data_dir", str(error)) from error
            if (folder / JOURNAL).exists():
                why = "a backup is half put back: start the host first, which ends that"
                raise ConfigError(str(folder), "data_dir", why)
            spool = config.spool
            self._spool = Spool(folder / "spool.db", spool.max_mb, spool.max_rejected,
                                spool.max_unread, worker=name)
            opened.callback(self._spool.close)
            self._link = Link(config.mqtt, worker=name)
            self._hearing = WorkerHearing(name, self._spool, self._link)
            self._ingest = Ingest(self._link, self._spool, self._hearing)
            self._opened = opened.pop_all()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="ingest")

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self._link.start()

    def stop(self) -> None:
        """End; what is not committed stays with the broker and the nodes."""
        self._stopping.set()
        self._ingest.stop()
        self._thread.join()
        self._link.stop()
        self._hearing.sign_off()
        self._opened.close()

    @staticmethod
    def forget(config: Config, name: str) -> bool:
        """Give a worker up that does not run; False where there was none of that name.

        Raises ConfigError, SpoolError."""
        folder = config.data_dir
        if not (folder / "spool.db").is_file() or not _NAME.fullmatch(name):
            return False
        with ExitStack() as opened:
            try:
                opened.callback(lock_folder(folder, f"worker-{name}.lock").close)
            except BlockingIOError:
                raise ConfigError("command line", "NAME", f"worker {name} is running: stop it "
                                  "first") from None
            spool = Spool(folder / "spool.db", config.spool.max_mb)
            opened.callback(spool.close)
            return spool.forget_worker(name)

    def _supervise(self) -> None:
        """Run the ingest, again where it failed on something nobody foresaw."""
        while not self._stopping.is_set():
            try:
                self._ingest.run()
            except Exception:  # noqa: BLE001  the supervisor of the worker's thread
                _log.exception("ingest failed and is started again")
                self._stopping.wait(RESTART_S)

"""The composition root of the host: builds, starts and stops its services."""

from __future__ import annotations

import gc
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from idroserra.alarms.factory import build_alarm_loop
from idroserra.alarms.page_settings import AlarmPageSettings
from idroserra.alarms.snapshot_builder import HostSources
from idroserra.auth.service import AuthService
from idroserra.backup.page_backup import PageBackup
from idroserra.backup.restore import finish_restore
from idroserra.boards import kept
from idroserra.boards.library import BoardLibrary
from idroserra.calibration.service import CalibrationService
from idroserra.core.config import Config
from idroserra.core.errors import ConfigError
from idroserra.core.page_settings import PageSettings
from idroserra.core.sqlite import lock_folder
from idroserra.feeds.service import Feeds
from idroserra.foreign.service import ForeignReadings
from idroserra.history.factory import open_store
from idroserra.history.maintenance import MaintenanceWorker
from idroserra.ingest.consumer import Ingest
from idroserra.ingest.receipts import COUNTERS
from idroserra.ingest.spool import Spool
from idroserra.ingest.store_writer import StoreWriter
from idroserra.journal.models import Author, Draft
from idroserra.journal.service import Journal
from idroserra.mqtt.connection import MqttConnection, wall_unix_ms
from idroserra.nodes.commands import Commands
from idroserra.nodes.latest_events import LatestEvents
from idroserra.nodes.live import LiveState
from idroserra.nodes.registry import Nodes
from idroserra.other_hosts.service import OtherHosts
from idroserra.recipes.recipe_library import RecipeLibrary
from idroserra.recipes.runner import RecipeRunner
from idroserra.server.message_handler import HostMessageHandler
from idroserra.server.node_states import node_states, text_of
from idroserra.setpoints.history import SettingsHistory
from idroserra.simulation.preview_service import PreviewService
from idroserra.standby.folder import prepare
from idroserra.standby.marker import read as taken_over
from idroserra.updates.dependencies import Dependencies as UpdateParts
from idroserra.updates.service import UpdateService

if TYPE_CHECKING:
    from idroserra.auth.openid.login import OpenIdLogin
    from idroserra.homeassistant.bridge import Bridge
    from idroserra.pki.site_https import SiteHttps
    from idroserra.standby.replicator import Replicator

DRAIN_S = 2.0
RESTART_S = 1.0
FAILED_MS = 600_000  # as in the rule host_failed
GC_EVERY = 10_000

_log = logging.getLogger("idroserra")


class _Closable(Protocol):
    def close(self) -> object:
        """Close it."""


_Part = TypeVar("_Part", bound=_Closable)


def tune_garbage_collector() -> None:
    """Run Python's cyclic garbage collector less often, in a process that only runs the host.

    Objects alive at start stay alive, and records form no cycles: collecting at every 700
    allocations took a sixth of the ingest's CPU time. A much higher threshold would retain
    discarded pages, 300 kB each, for too long."""
    gc.freeze()
    gc.set_threshold(GC_EVERY)


class Service:
    """All services of the host. start() does not wait for the broker or the store, and for a
    standby not for long."""

    def __init__(self, config: Config, now_unix_ms: Callable[[], int] = wall_unix_ms) -> None:
        """Open the files of data_dir. Raises ConfigError, SpoolError, StoreUnavailable."""
        self.config = config
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._failures: dict[str, tuple[int, str]] = {}
        folder = config.data_dir
        with ExitStack() as opened, _config_errors(folder):
            def closed(part: _Part) -> _Part:
                """Close a part at the end."""
                return opened.enter_context(closing(part))

            closed(lock_folder(folder))
            finish_restore(folder)
            self._mqtt = MqttConnection(config.mqtt, now_unix_ms)
            self._open_standby(opened, now_unix_ms)
            state = folder / "state.db"
            self.nodes = closed(Nodes(state, config.site))
            self.boards = BoardLibrary(opened.enter_context(kept.in_data_dir(folder)))
            self.page_settings = closed(PageSettings(folder))
            self.page_backup = closed(PageBackup(config, self.page_settings))
            self.lan = _open_site_https(config) if config.lan.enabled else None
            self.spool = closed(Spool(
                folder / "spool.db", config.spool.max_mb, config.spool.max_rejected,
                config.spool.max_unread))
            self.store = closed(open_store(config))
            self.live = LiveState()
            self.latest_events = LatestEvents(lambda: self.store, now_unix_ms)
            self.settings_history = closed(SettingsHistory(state, config.store.keep.daily_days))
            self.settings_history.begin(self.nodes.all(), now_unix_ms())
            self.access = closed(AuthService(folder, config.access, now_unix_ms))
            self.openid = _open_openid(config, self.access)
            self.journal = closed(Journal(
                folder, config.journal.photos_max_mb * 1_000_000, now_unix_ms,
                lambda node: self.live.publish({"type": "journal", "node": node})))
            self.commands = closed(Commands(
                state, nodes=self.nodes, live=self.live, link=self._mqtt,
                epoch_unix_ms=self.spool.epoch, audit=self.access.audit.add,
                together=self.access.audit.together))
            self.calibrations = closed(CalibrationService(
                state, self.nodes, self.commands, self.live, now_unix_ms))
            self.recipes = closed(RecipeRunner(state, self.nodes, self.commands, now_unix_ms))
            self.recipe_library = closed(RecipeLibrary(
                state, now_unix_ms, self.recipes.nodes_running))
            self.previews = closed(PreviewService(now_unix_ms))
            self._open_feeds(opened, now_unix_ms)
            self._writer = StoreWriter(
                self.spool, self.store, now_unix_ms, self.feeds.mark, self.standby)
            self.foreign = ForeignReadings(
                config, self.page_settings, lambda: self.store, self.feeds.mark, now_unix_ms)
            self.other_hosts = OtherHosts(config.other_host, now_unix_ms)
            self._maintenance = MaintenanceWorker(self.store, now_unix_ms)
            self.updates = closed(UpdateService(config, self._update_parts()))
            self._ingest = Ingest(self._mqtt, self.spool, HostMessageHandler(
                self.nodes, self.commands, self.live, self.updates, self.latest_events,
                self.settings_history), self.standby)
            self._open_alarms(opened, now_unix_ms)
            self._bridge = self._new_bridge() if config.homeassistant.enabled else None
            self._opened = opened.pop_all()

    def _open_feeds(self, opened: ExitStack, now_unix_ms: Callable[[], int]) -> None:
        """Open the feeds. Their long reads of an InfluxDB keep no chart waiting."""
        is_apart = self.config.feed and self.config.store.kind != "sqlite"
        fed = opened.enter_context(closing(open_store(self.config))) if is_apart else None
        self.feeds = opened.enter_context(closing(Feeds(
            self.config, lambda: fed or self.store, now_unix_ms)))

    def _open_standby(self, opened: ExitStack, now_unix_ms: Callable[[], int]) -> None:
        """Open what copies this host to its standby, if it has one. It is closed last."""
        self.standby: Replicator | None = None
        self._taken_over = taken_over(self.config.data_dir)
        prepare(self.config.data_dir, is_followed=self.config.standby.url is not None)
        if self.config.standby.url is None:
            return
        from idroserra.standby.replicator import Replicator

        self.standby = opened.enter_context(closing(Replicator(
            self.config, now_unix_ms, self._mqtt.leave)))

    def _open_alarms(self, opened: ExitStack, now_unix_ms: Callable[[], int]) -> None:
        self.alarms = build_alarm_loop(
            self.config.alarms, self._alarm_sources(), now_unix_ms, opened)
        self.alarm_settings = AlarmPageSettings(
            self.config, self.page_settings, self.alarms, now_unix_ms)
        self.states = node_states(
            self.latest_events, self.live, lambda: self.store, self.recipes,
            self.alarms.alarms, now_unix_ms)

    def start(self) -> None:
        """Start the threads and the connection to the broker."""
        loops = [
            ("writer", self._writer.run), ("upkeep", self._maintenance.run),
            ("ingest", self._ingest.run), ("stops", self.commands.stop_loops.run),
            ("stops of unknown uptime", self.commands.stop_loops.run_look_ups),
            ("settings", self.settings_history.run),
            ("recipes", self.recipes.run), ("updates", self.updates.run),
            ("alarms", self.alarms.run),
            ("notices", self.alarms.dispatcher.run), *self.feeds.loops(),
        ]
        if self._bridge is not None:
            loops.append(("home assistant", self._bridge.run))
        if self.standby is not None:
            loops += [("standby", self.standby.run), (
                "confirmations", self._ingest.confirmations.run)]
        if self.config.foreign.topics:
            loops.append(("foreign readings", self.foreign.run))
        if self._taken_over is not None:
            _log.warning("this host has taken over; as of: %s", self._taken_over.copied_unix_ms)
        for name, run in loops:
            thread = threading.Thread(target=self._supervise, args=(name, run), name=name)
            self._threads.append(thread)
            thread.start()
        for name, run in self.other_hosts.loops():
            # stop() does not wait for them: another host may take long to answer.
            threading.Thread(
                target=self._supervise, args=(name, run), name=name, daemon=True).start()
        if self.standby is not None:
            self.standby.wait_tried()
        self._mqtt.start()

    def stop(self) -> None:
        """Stop all services in order, drain the spool to the store, and close the files."""
        self._stopping.set()
        if self._bridge is not None:
            self._bridge.stop()
        self.foreign.stop()
        self.other_hosts.stop()
        self.alarms.stop()
        self.commands.stop_loops.end()
        self._ingest.stop()
        self._ingest.confirmations.stop()
        if self.standby is not None:
            self.standby.stop()
        self.settings_history.stop()
        self.recipes.end()
        self.updates.stop()
        self._maintenance.stop()
        self._writer.stop()
        self.feeds.stop()
        for thread in self._threads:
            thread.join()
        self._mqtt.stop()
        self._writer.drain(DRAIN_S)
        self._opened.close()

    def counts(self) -> dict[str, Any]:
        """Return {"nodes": {node: {received, stored, refused, duplicates, lost, rejected}},
        "rejected", "spool": {"depth", "state"}, "store": {"kind", "state"},
        "feeds": {feed: state}, "standby": {"state"} if there is one, "broker": {"state"},
        "failures": {thread: last error, of the last FAILED_MS}}.

        In records, except `rejected`: messages; the top-level one includes all topics. A state
        is "ok", "connected", or one line describing the failure."""
        depth, counts = self.spool.depth_and_counts()
        rejected = sum(of_node["rejected"] for of_node in counts.values())
        zero = dict.fromkeys(COUNTERS, 0)
        return {
            "nodes": {node.node: counts.get(node.node, zero) for node in self.nodes.all()},
            "rejected": rejected, "spool": {"depth": depth, "state": self.spool.state},
            "store": {"kind": self.config.store.kind, "state": self._writer.state},
            "feeds": self.feeds.health(),
            **({} if self.standby is None else {"standby": {"state": self.standby.state}}),
            "broker": {"state": self._mqtt.state}, "failures": self._failure_texts()}

    def _failure_texts(self) -> dict[str, str]:
        begins = self._mqtt.now_unix_ms() - FAILED_MS
        failures = {name: why for name, (at, why) in self._failures.items() if begins < at}
        if self.access.audit.failure:
            failures["audit log"] = self.access.audit.failure
        return failures

    def _update_parts(self) -> UpdateParts:
        def add_note(node: str, text: str) -> None:
            draft = Draft(node, "maintenance", self._mqtt.now_unix_ms(), text)
            self.journal.add(draft, Author("host", "host"), "host")

        return UpdateParts(
            nodes=self.nodes, commands=self.commands, link=self._mqtt, events=self.latest_events,
            active_alarms=lambda: self.alarms.alarms.all(), add_journal_note=add_note,
            audit=self.access.audit.add)

    def _new_bridge(self) -> Bridge:
        """Return the bridge to Home Assistant."""
        from idroserra.homeassistant.bridge import Bridge

        return Bridge(
            self.config, nodes=self.nodes, live=self.live, commands=self.commands,
            alarms=self.alarms, states=self.states, audit=self.access.audit.add,
            page_url=self._page_url, link=self._mqtt)

    def _page_url(self) -> str | None:
        """Return the URL of the page for other machines, or None."""
        return self.config.http.public_url or (None if self.lan is None else self.lan.url)

    def _alarm_sources(self) -> HostSources:
        return HostSources(
            nodes=self.nodes, live=self.live, events=self.latest_events, counts=self.counts,
            failures=lambda: dict(self._failures), epoch=self.spool.epoch,
            store=lambda: self.store, recipe_held=self.recipes.pause_reason,
            update_failed=self.updates.failed, updates_stopped=self.updates.stopped,
            state_text=lambda node: text_of(node, self.nodes, self.states),
            taken_over=None if self._taken_over is None else (
                self._taken_over.unix_ms, self._taken_over.age_ms),
            foreign=self.foreign.readings, foreign_problem=self.foreign.problem,
            data_dir=self.config.data_dir, site=self.config.site,
        )

    def _supervise(self, name: str, run: Callable[[], None]) -> None:
        """Run a thread's loop; restart it after an unexpected exception or return."""
        while not self._stopping.is_set():
            try:
                run()
            except Exception as error:  # noqa: BLE001  the supervisor of the host's threads
                why = f"{type(error).__name__}: {error}"
                self._failures[name] = (self._mqtt.now_unix_ms(), why)
                _log.exception("%s failed; restarting", name)
            self._stopping.wait(RESTART_S)


@contextmanager
def _config_errors(folder: Path) -> Iterator[None]:
    """Convert errors of files in `folder` to ConfigError."""
    try:
        yield
    except BlockingIOError:  # from the lock
        why = "another host is running on this folder"
        raise ConfigError(str(folder), "data_dir", why) from None
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(str(folder), "data_dir", str(error)) from error


def _open_site_https(config: Config) -> SiteHttps:
    """Return the HTTPS page of the site. Imported here: `cryptography` takes 8 MiB."""
    from idroserra.pki.site_https import SiteHttps

    return SiteHttps(config.lan, config.site, config.data_dir)


def _open_openid(config: Config, access: AuthService) -> OpenIdLogin | None:
    """Return the log-in at an OpenID provider, None if it is off; end the sessions of any other.
    Imported here: it verifies signatures with `cryptography`."""
    access.end_foreign_sessions(config.access.openid.issuer or "")
    if config.access.openid.issuer is None:
        return None
    from idroserra.auth.openid.login import open_login

    return open_login(access, config.access.openid)

"""Builds the alarm loop on the parts of a running host."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing

from idroserra.alarms.database import AlarmDatabase
from idroserra.alarms.engine import AlarmEngine
from idroserra.alarms.loop import AlarmLoop
from idroserra.alarms.notify.dispatcher import Dispatcher
from idroserra.alarms.notify.heartbeat import Heartbeat
from idroserra.alarms.notify.outbox import Outbox
from idroserra.alarms.notify.scheduler import NotificationScheduler
from idroserra.alarms.notify.targets import open_targets
from idroserra.alarms.rules import load_rules
from idroserra.alarms.snapshot_builder import HostSources, SnapshotBuilder
from idroserra.core.config import AlarmsConfig
from idroserra.core.errors import ConfigError, StoreUnavailable
from idroserra.inventory.bottles import BottleInventory
from idroserra.inventory.database import InventoryDatabase


def build_alarm_loop(
    config: AlarmsConfig, parts: HostSources, now_unix_ms: Callable[[], int], opened: ExitStack
) -> AlarmLoop:
    """Return the loop; `opened` closes what it opens. Raises ConfigError."""
    rules = load_rules(config.rules)
    targets = open_targets(config.targets)
    path = parts.data_dir / "alarms.db"
    try:
        database = opened.enter_context(closing(AlarmDatabase(path)))
        outbox = opened.enter_context(closing(Outbox(path)))
        inventory = opened.enter_context(closing(InventoryDatabase(path)))
        bottles = BottleInventory(inventory, parts.store)
    except (OSError, sqlite3.Error, StoreUnavailable) as error:
        raise ConfigError(str(path), "", str(error)) from error
    alarms = AlarmEngine(rules, database)
    url = config.heartbeat_url
    heartbeat = Heartbeat(None if url is None else url.get_secret_value(),
                          config.heartbeat_every_min * 60_000, lambda: loop.is_alive)
    dispatcher = Dispatcher(outbox, targets, heartbeat, now_unix_ms)
    scheduler = NotificationScheduler(alarms, outbox, dispatcher, config, parts.site,
                                      parts.state_text)
    loop = AlarmLoop(alarms, bottles, SnapshotBuilder(parts), scheduler, dispatcher, now_unix_ms)
    return loop

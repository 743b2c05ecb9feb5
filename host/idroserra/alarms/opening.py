"""Puts the alarm chain together over the parts of a running host."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack

from idroserra.alarms.alarms import Alarms
from idroserra.alarms.book import AlarmBook
from idroserra.alarms.bottles import Bottles
from idroserra.alarms.chain import AlarmChain
from idroserra.alarms.delivery import Deliveries
from idroserra.alarms.heartbeat import Heartbeat
from idroserra.alarms.lookout import Lookout, Parts
from idroserra.alarms.outbox import Outbox
from idroserra.alarms.rule import load_rules
from idroserra.alarms.targets import open_targets
from idroserra.alarms.teller import Teller
from idroserra.config import AlarmsConfig
from idroserra.errors import ConfigError
from idroserra.inventory_database import InventoryDatabase


def open_chain(
    config: AlarmsConfig, parts: Parts, now_unix_ms: Callable[[], int], opened: ExitStack
) -> AlarmChain:
    """Return the chain; what it opens is closed with `opened`. Raises ConfigError."""
    rules = load_rules(config.rules)
    targets = open_targets(config.targets)
    path = parts.data_dir / "alarms.db"
    try:
        book = AlarmBook(path)
        opened.callback(book.close)
        outbox = Outbox(path)
        opened.callback(outbox.close)
        inventory = InventoryDatabase(path)
        opened.callback(inventory.close)
        bottles = Bottles(inventory, parts.store)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(str(path), "", str(error)) from error
    alarms = Alarms(rules, book)
    url = config.heartbeat_url
    heartbeat = Heartbeat(None if url is None else url.get_secret_value(),
                          config.heartbeat_every_min * 60_000, lambda: chain.is_alive)
    deliveries = Deliveries(outbox, targets, heartbeat, now_unix_ms)
    teller = Teller(alarms, outbox, deliveries, config, parts.site)
    chain = AlarmChain(alarms, bottles, Lookout(parts), teller, deliveries, now_unix_ms)
    return chain

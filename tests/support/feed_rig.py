"""A spool, a store and its feeds without threads, for tests of the feeds."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from idro.protocol.messages import Batch, EventRecord, Record
from idroserra.core.config import Config, FeedConfig
from idroserra.core.errors import StoreUnavailable
from idroserra.feeds.feeder import Feeder
from idroserra.feeds.service import Feeds
from idroserra.history.sqlite.store import SqliteStore
from idroserra.ingest.received import Received
from idroserra.ingest.spool import Spool
from idroserra.ingest.store_writer import StoreWriter
from support.databases import FLUSH_FLAG, HttpServer, Influxd, VictoriaMetrics

NAMES = count()
T0 = 1_795_507_200_000
NODE = "idro-a1"


class HastyVictoria(VictoriaMetrics):
    """Saves every second."""

    def command(self) -> list[str]:
        return [*super().command(), f"{FLUSH_FLAG}=1s"]


def feed_of(server: HttpServer, name: str) -> FeedConfig:
    """Return a feed of a server: for InfluxDB 1.x with a database of its own."""
    database = f"fed{next(NAMES)}"
    write_api = "v1" if isinstance(server, Influxd) else "v2"
    return FeedConfig(name=name, url=server.url, database=database, write_api=write_api,
                      timeout_ms=60_000)


class FeedRig:
    """The data path of a host from the spool on."""

    def __init__(self, folder: Path, *feeds: FeedConfig) -> None:
        self.config = Config(site="farm", data_dir=folder, feed=feeds)
        self._is_closed = False
        self.spool = Spool(folder / "spool.db")
        self.store = SqliteStore(folder / "store.db")
        self.feeds = Feeds(self.config, lambda: self.store, lambda: T0)
        self.writer = StoreWriter(self.spool, self.store, lambda: T0, self.feeds.mark)

    def receive(self, first_seq: int, count: int, *, node: str = NODE, boot: str = "b1",
                epoch_unix_ms: int = T0, step_ms: int = 10_000) -> None:
        """Receive records, every fifth an event, and move them to the store."""
        readings: list[Any] = []
        events: list[Any] = []
        for seq in range(first_seq, first_seq + count):
            if seq % 5:
                values = {"reservoir.ph": 5 + seq % 1000 / 1000, "reservoir.ec_us_cm": 1500 + seq}
                readings.append(Record(seq, seq * step_ms, values, {}))
            else:
                detail = {"loop": "ph", "volume_ul": seq}
                events.append(EventRecord(seq, seq * step_ms, "dosed", detail))
        for leaf, records in (("telemetry", readings), ("event", events)):
            if records:
                self.spool.commit([Received(
                    node, leaf, Batch(boot, epoch_unix_ms, None, 1, records), epoch_unix_ms)])
        while self.writer.move_block():
            pass

    def feeder(self, name: str) -> Feeder:
        """Return a feed's loop."""
        return self.feeds.feeder(name)

    def feed(self, name: str) -> None:
        """Feed one database until it has everything. Raises StoreUnavailable."""
        while self.feeder(name).move_round():
            pass

    def try_feed(self, name: str) -> bool:
        """Feed one database; return whether it has everything."""
        try:
            self.feed(name)
        except StoreUnavailable:
            return False
        return True

    def waiting_ms(self, name: str) -> int:
        """Return how much history waits for a feed, of all nodes together."""
        return {state.name: state.waiting.span_ms for state in self.feeds.states()}[name]

    def close(self) -> None:
        """Close all files, once."""
        if self._is_closed:
            return
        self._is_closed = True
        self.feeds.stop()
        self.feeds.close()
        self.store.close()
        self.spool.close()

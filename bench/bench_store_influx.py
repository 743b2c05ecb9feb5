"""Runs an InfluxDB server for bench_store.py --influx.

Needs influxd (`apt install influxdb`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from idroserra.core.config import KeepConfig, StoreConfig
from idroserra.history.influx.store import InfluxStore
from support.databases import Influxd


@contextmanager
def influx_store(folder: Path) -> Iterator[tuple[InfluxStore, int]]:
    """Yield a store and the process id of its server, which ends with the context."""
    for_ever = KeepConfig(**dict.fromkeys(KeepConfig.__struct_fields__, 0))
    with Influxd(folder / "influxd") as server:
        config = StoreConfig(kind="influx", url=server.url, database="bench", write_api="v1",
                             timeout_ms=120_000, keep=for_ever)
        store = InfluxStore(config, site="bench")
        yield store, server.pid
        store.close()

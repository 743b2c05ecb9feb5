"""Opens the configured store."""

from __future__ import annotations

from idroserra.core.config import Config
from idroserra.history.models import Store


def open_store(config: Config) -> Store:
    """Return the configured store. Raises StoreUnavailable, ConfigError."""
    if config.store.kind == "influx":
        from idroserra.history.influx.store import InfluxStore

        return InfluxStore(config.store, site=config.site)
    from idroserra.history.sqlite.store import SqliteStore

    return SqliteStore(config.data_dir / "store.db", config.store.keep)

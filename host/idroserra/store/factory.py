"""Opens the store that the configuration names."""

from __future__ import annotations

from idroserra.config import Config
from idroserra.store.models import Store


def open_store(config: Config) -> Store:
    """Return the store the configuration names. Raises StoreUnavailable, ConfigError."""
    if config.store.kind == "influx":
        from idroserra.store.influx import InfluxStore

        return InfluxStore(config.store, site=config.site)
    from idroserra.store.sqlite import SqliteStore

    return SqliteStore(config.data_dir / "store.db", config.store.keep)

"""Opens the configured store."""

from __future__ import annotations

from contextlib import suppress

from idroserra.core.config import Config
from idroserra.core.errors import ConfigError, StoreUnavailable
from idroserra.history.models import Store


def open_store(config: Config, *, is_source: bool = False) -> Store:
    """Return the configured store. Raises StoreUnavailable; ConfigError for a database that cannot
    be one, unless it is only read (`is_source`)."""
    if config.store.kind == "influx":
        from idroserra.history.influx.http import why_no_store
        from idroserra.history.influx.store import InfluxStore

        with suppress(StoreUnavailable):  # it may answer later
            why = None if is_source else why_no_store(config.store)
            if why is not None:
                raise ConfigError("store", "url", why)
        return InfluxStore(config.store, site=config.site)
    from idroserra.history.sqlite.store import SqliteStore

    return SqliteStore(config.data_dir / "store.db", config.store.keep)

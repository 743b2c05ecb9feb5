"""Recognises databases that take points but cannot be the store."""

from __future__ import annotations

from contextlib import closing, suppress

from msgspec.structs import replace

from idroserra.core.config import StoreConfig
from idroserra.core.errors import StoreUnavailable
from idroserra.history.influx.http import Http

LOOK_MS = 2_000  # the host does not wait longer for it at its start


def why_no_store(config: StoreConfig) -> str | None:
    """Return why the database at the address cannot be the store, and what to write instead; None
    if it can. Raises StoreUnavailable if none answers."""
    with closing(Http(replace(config, timeout_ms=min(config.timeout_ms, LOOK_MS)))) as http:
        name, engine = _unsuitable(http, config.url)
    if not name:
        return None
    return (f"{config.url} is {engine}, which cannot draw the history: remove [store], or name an"
            f" InfluxDB 1 or 2 there, and feed this one beside it.\n\n[[feed]]\n"
            f'name = "{name}"\nurl = "{config.url}"\ndatabase = "{config.database}"')


def _unsuitable(http: Http, url: str) -> tuple[str, str]:
    """Return a name for a feed and that of the database, ("", "") for one that can be a store."""
    status, _, body = http.get("/-/healthy")
    if status >= 500:
        raise StoreUnavailable(f"{url}: HTTP {status}")  # of a proxy
    if b"VictoriaMetrics" in body:
        return "victoria", "VictoriaMetrics"
    with suppress(StoreUnavailable):  # a proxy that does not pass /ping on
        if http.version().startswith("3."):
            return "influx3", "InfluxDB 3"
    return "", ""

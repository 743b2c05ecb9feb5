"""Sets up InfluxDB 3 Core: a database with its retention.

It has neither continuous queries nor tasks, so charts use raw points.
"""

from __future__ import annotations

import json
from urllib.parse import urlencode

from idroserra.core.config import StoreConfig
from idroserra.history.influx.http import Http

_PATH = "/api/v3/configure/database"


def set_up(http: Http, config: StoreConfig) -> list[str]:
    """Create the database; return what was done. Raises StoreUnavailable, StoreRejected."""
    days = config.keep.raw_days
    listed = http.request("GET", f"{_PATH}?{urlencode({'format': 'json'})}", None, {})
    names = {str(row.get("iox::database")) for row in json.loads(listed)}
    if config.database in names:
        return [f"database {config.database}: exists already, with its retention unchanged"]
    asked = {"db": config.database, **({"retention_period": f"{days}d"} if days else {})}
    http.request("POST", _PATH, json.dumps(asked).encode(), {"Content-Type": "application/json"})
    kept = f"{days} days" if days else "for ever"
    return [f"database {config.database}: {kept}; this version has no roll-ups: charts use raw"
            " points"]

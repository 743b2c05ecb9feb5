"""Stores the settings of the host that are changed on the page, in settings.db.

They lie under the configuration: what the configuration file, the environment or the command line
sets, the page shows and cannot change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from idroserra.core.sqlite import Database

FILE = "settings.db"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (
    section TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, by TEXT NOT NULL,
    unix_ms INTEGER NOT NULL, PRIMARY KEY (section, name)
) WITHOUT ROWID;
"""


class PageSettings(Database):
    """JSON values by section and name. Every method may be called from any thread and raises
    StoreUnavailable."""

    def __init__(self, folder: Path) -> None:
        """Open or create the file. Raises OSError, sqlite3.Error."""
        super().__init__(folder / FILE, _SCHEMA)
        self.query("PRAGMA secure_delete=1")  # overwrites deleted addresses
        self._values: dict[str, dict[str, Any]] = {}
        for section, name, value in self.query(
                "SELECT section, name, value FROM settings ORDER BY section, name"):
            self._values.setdefault(section, {})[name] = json.loads(value)

    def all(self, section: str) -> dict[str, Any]:
        """Return the values of a section by name."""
        return dict(self._values.get(section, {}))

    def get(self, section: str, name: str, default: Any = None) -> Any:
        """Return one value, `default` if it is not set."""
        return self._values.get(section, {}).get(name, default)

    def put(self, section: str, name: str, value: Any, by: str, unix_ms: int) -> None:
        """Set one value."""
        self.put_all(section, {name: value}, by, unix_ms)

    def put_all(self, section: str, values: Mapping[str, Any], by: str, unix_ms: int) -> None:
        """Set values of a section by name: all of them, or none."""
        rows = [(section, name, json.dumps(value), by, unix_ms) for name, value in values.items()]
        with self._lock:
            with self.transaction() as database:
                database.executemany("INSERT OR REPLACE INTO settings VALUES (?,?,?,?,?)", rows)
            self._values[section] = {**self._values.get(section, {}), **values}

    def remove(self, section: str, name: str) -> None:
        """Remove one value, if it is set."""
        with self._lock:
            self.query("DELETE FROM settings WHERE section=? AND name=?", (section, name))
            self._values[section] = {key: value for key, value in self.all(section).items()
                                     if key != name}

"""The history of calibrations: points, results, old and new settings, operator, time, undo."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from idroserra.calibration import probe_health
from idroserra.calibration.procedures import Point
from idroserra.core.sqlite import Database
from idroserra.node_state.calibration_age import DAY_MS

_SCHEMA = """
CREATE TABLE IF NOT EXISTS calibrations (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, node TEXT NOT NULL, kind TEXT NOT NULL,
    actuator TEXT, by TEXT NOT NULL, unix_ms INTEGER NOT NULL, is_confirmed INTEGER NOT NULL,
    health INTEGER
);
CREATE INDEX IF NOT EXISTS calibrations_by_node ON calibrations (node, kind, unix_ms);
CREATE TABLE IF NOT EXISTS calibration_results (
    number INTEGER NOT NULL REFERENCES calibrations (number), name TEXT NOT NULL,
    value REAL NOT NULL, PRIMARY KEY (number, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calibration_points (
    number INTEGER NOT NULL REFERENCES calibrations (number), place INTEGER NOT NULL,
    reference TEXT NOT NULL, true_value REAL, reading REAL, temp_c REAL,
    PRIMARY KEY (number, place)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calibration_settings (
    number INTEGER NOT NULL REFERENCES calibrations (number), key TEXT NOT NULL,
    before_value NUMERIC, after_value NUMERIC NOT NULL, PRIMARY KEY (number, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calibrations_undone (
    number INTEGER PRIMARY KEY REFERENCES calibrations (number), unix_ms INTEGER NOT NULL,
    by TEXT NOT NULL
);
"""


@dataclass(frozen=True)
class PastCalibration:
    """One calibration. settings: {key: (before, after)}; health: at that time; undone:
    (unix_ms, by), or None."""

    id: str
    node: str
    kind: str
    actuator: str | None
    by: str
    unix_ms: int
    is_confirmed: bool
    health: int | None
    results: Mapping[str, float]
    points: Sequence[Point]
    settings: Mapping[str, tuple[Any, Any]]
    undone: tuple[int, str] | None = None


class CalibrationHistory(Database):
    """Tables in state.db. Any thread may call; every method raises StoreUnavailable."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, _SCHEMA)

    def add(self, past: PastCalibration) -> None:
        """Store a calibration in one transaction."""
        with self.transaction() as connection:
            _add(connection, past)

    def mark_undone(self, past_id: str, unix_ms: int, by: str) -> None:
        """Mark a calibration as undone."""
        self.query(
            "INSERT OR IGNORE INTO calibrations_undone"
            " SELECT number, ?, ? FROM calibrations WHERE id=?", (unix_ms, by, past_id))

    def of(self, node: str, kind: str | None = None, count: int = 100) -> list[PastCalibration]:
        """Return the newest calibrations of a node, newest first."""
        return [self._past(row) for row in self.query(
            "SELECT c.number, id, node, kind, actuator, c.by, c.unix_ms, is_confirmed, health,"
            " u.unix_ms, u.by FROM calibrations c"
            " LEFT JOIN calibrations_undone u ON c.number = u.number"
            " WHERE node=? AND (? IS NULL OR kind=?) ORDER BY c.number DESC LIMIT ?",
            (node, kind, kind, count))]

    def slopes(self, node: str) -> list[tuple[int, float]]:
        """Return (unix_ms, slope in %) of the node's pH calibrations, oldest first."""
        return [
            (past.unix_ms, past.results["slope_pct"]) for past in reversed(self.of(node, "ph"))
            if "slope_pct" in past.results and past.undone is None]

    def newest(self, node: str, kind: str) -> PastCalibration | None:
        """Return the newest calibration of a kind that was not undone, or None."""
        return next((past for past in self.of(node, kind) if past.undone is None), None)

    def health_now(self, node: str, unix_ms: int) -> int | None:
        """Return the health of the node's pH probe today, or None if never calibrated."""
        newest = self.newest(node, "ph")
        if newest is None:
            return None
        results = newest.results
        age_days = (unix_ms - newest.unix_ms) / DAY_MS
        return probe_health.score(results["slope_pct"], results["offset_mv"], age_days,
                                  probe_health.trend(self.slopes(node)))

    def _past(self, row: tuple[Any, ...]) -> PastCalibration:
        number, past_id, node, kind, actuator, by, unix_ms, is_confirmed, health_then = row[:9]

        def rows(columns: str, table: str, order: str) -> list[Any]:
            return self.query(
                f"SELECT {columns} FROM {table} WHERE number=? ORDER BY {order}", (number,))

        return PastCalibration(
            past_id, node, kind, actuator, by, unix_ms, bool(is_confirmed), health_then,
            dict(rows("name, value", "calibration_results", "name")),
            [Point(*point) for point in rows(
                "reference, true_value, reading, temp_c", "calibration_points", "place")],
            {key: (before, after) for key, before, after in rows(
                "key, before_value, after_value", "calibration_settings", "key")},
            None if row[9] is None else (row[9], row[10]),
        )


def _add(connection: sqlite3.Connection, past: PastCalibration) -> None:
    number = connection.execute(
        "INSERT INTO calibrations"
        " (id, node, kind, actuator, by, unix_ms, is_confirmed, health)"
        " VALUES (?,?,?,?,?,?,?,?)",
        (past.id, past.node, past.kind, past.actuator, past.by, past.unix_ms,
         past.is_confirmed, past.health)).lastrowid
    connection.executemany(
        "INSERT INTO calibration_results VALUES (?,?,?)",
        [(number, name, value) for name, value in past.results.items()])
    connection.executemany(
        "INSERT INTO calibration_points VALUES (?,?,?,?,?,?)",
        [(number, place, p.reference, p.true_value, p.reading, p.temp_c)
         for place, p in enumerate(past.points)])
    connection.executemany(
        "INSERT INTO calibration_settings VALUES (?,?,?,?)",
        [(number, key, before, after) for key, (before, after) in past.settings.items()])

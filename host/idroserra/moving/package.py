"""The package of a site that moves to another host: one SQLite file.

It is a history store (history.sqlite) with more tables: what the databases of the host have of the
nodes, each in a table named `moved_` and its name, and those of SCHEMA. Of the host stay the audit
log, the log of alarms, of commands and of updates.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import msgspec

from idroserra.alarms.page_settings import RULES
from idroserra.core.errors import HostError
from idroserra.core.page_settings import FILE as SETTINGS_FILE
from idroserra.core.sqlite import connect, transaction
from idroserra.journal.database import FILE as JOURNAL_FILE
from idroserra.web.node_titles import TITLES

SCHEMA = """
CREATE TABLE about (
    version TEXT NOT NULL, cell TEXT NOT NULL, brokers_ca TEXT NOT NULL, site TEXT NOT NULL,
    until_unix_ms INTEGER NOT NULL
);
CREATE TABLE moving (node TEXT PRIMARY KEY, tls_key TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE moved_photo_files (name TEXT PRIMARY KEY, content BLOB NOT NULL);
"""
_OF_NODES = "node IN (SELECT node FROM moving)"
_NOTES = (f"{_OF_NODES} OR node IS NULL AND site = (SELECT site FROM about)")


class MoveError(HostError):
    """A site cannot be moved; the message says why."""


class About(NamedTuple):
    """cell: of the old host. until_unix_ms: how long it confirms nothing of the nodes."""

    version: str
    cell: str
    brokers_ca: str
    site: str
    until_unix_ms: int


class Part(NamedTuple):
    """The rows of a table that move. `own`: the column with a number that the new host chooses;
    `of`: the table before this one that has it as its own."""

    file: str
    table: str
    rows: str
    own: str = ""
    of: str = ""


SPOOL, STATE = "spool.db", "state.db"
_OF_BOOTS = f"boot IN (SELECT boot FROM boots WHERE {_OF_NODES})"
_OF_CALIBRATIONS = f"number IN (SELECT number FROM calibrations WHERE {_OF_NODES})"
PARTS = (
    Part(SPOOL, "boots", _OF_NODES, "boot"),
    Part(SPOOL, "seen", _OF_BOOTS, of="boots"),
    Part(SPOOL, "counters", _OF_NODES),
    Part(SPOOL, "unread", _OF_NODES, "id"),
    Part("alarms.db", "fillings", _OF_NODES, "id"),
    Part(JOURNAL_FILE, "notes", _NOTES),
    Part(JOURNAL_FILE, "photos", f"note IN (SELECT id FROM notes WHERE {_NOTES})"),
    Part(SETTINGS_FILE, "settings",
         f"section = '{TITLES}' AND name IN (SELECT node FROM moving) OR section = '{RULES}' AND"
         " substr(name, instr(name, '/') + 1) IN (SELECT node FROM moving)"),
    Part(STATE, "next_keys", _OF_NODES),
    Part(STATE, "restored_settings", _OF_NODES),
    Part(STATE, "settings_history", _OF_NODES),
    Part(STATE, "recipe_runs", _OF_NODES),
    Part(STATE, "calibrations", _OF_NODES, "number"),
    *(Part(STATE, table, _OF_CALIBRATIONS, of="calibrations") for table in (
        "calibration_results", "calibration_points", "calibration_settings",
        "calibrations_undone")),
    Part(STATE, "nodes", _OF_NODES),
)
# What a row of a table with numbers of its own is known by on both hosts.
_SAME = {"boots": ("boot", "old.node = new.node AND old.boot_id = new.boot_id"),
         "calibrations": ("number", "old.id = new.id")}


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a package to read it. Raises MoveError if it is damaged, or of another version."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            if database.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise MoveError(f"{path}: is damaged: copy it again")
            found = about(database).version
            if found != version("idroserra"):
                raise MoveError(f"{path}: is of Idroserra {found}, this host is "
                                f"{version('idroserra')}: update both hosts, then pack again")
            yield database
    except sqlite3.Error as error:
        raise MoveError(f"{path}: not a whole package of `idroserra move pack`: {error}"
                        ) from error


def about(package: sqlite3.Connection) -> About:
    """Return what a package is. Raises sqlite3.Error."""
    return About(*package.execute("SELECT * FROM about").fetchone() or ("", "", "", "", 0))


def nodes_in(package: sqlite3.Connection) -> dict[str, str]:
    """Return {node: its TLS key as PEM}. Raises sqlite3.Error."""
    return dict(package.execute("SELECT node, tls_key FROM moving ORDER BY node"))


def save_rows(package: sqlite3.Connection, file: Path) -> None:
    """Copy what a database of a running host has of the nodes, as of one instant.

    Raises sqlite3.Error."""
    package.execute("ATTACH ? AS source", (f"{file.resolve().as_uri()}?mode=ro",))
    try:
        with transaction(package):
            for part in _parts_of(file):
                package.execute(f"CREATE TABLE moved_{part.table} AS SELECT * FROM"
                                f" source.{part.table} WHERE {part.rows}")
            if file.name == SPOOL:
                _save_waiting(package)
    finally:
        package.execute("DETACH source")


def _save_waiting(package: sqlite3.Connection) -> None:
    """Note what the spool has for the store, and count it as stored: `pack` waits for it."""
    package.execute("CREATE TABLE moved_waiting AS SELECT max(id) AS id FROM"
                    f" source.pending WHERE {_OF_NODES}")
    package.execute("INSERT INTO moved_counters SELECT node, 'stored', 0 FROM moving WHERE node"
                    " NOT IN (SELECT node FROM moved_counters WHERE name = 'stored')")
    package.execute(
        "UPDATE moved_counters SET count = count + (SELECT coalesce(sum(record_count), 0) FROM"
        " source.pending WHERE pending.node = moved_counters.node) WHERE name = 'stored'")


def insert_rows(path: Path, file: Path) -> None:
    """Put the rows of a package in a database of a stopped host, all or none, in place of those
    that it has of the nodes. Raises OSError, sqlite3.Error."""
    with closing(connect(file, "")) as database:
        # A temporary view has the name, so that the conditions of PARTS hold in both.
        database.execute("ATTACH ? AS package", (str(path.resolve()),))
        for name in ("moving", "about"):
            database.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM package.{name}")
        with transaction(database):
            for part in reversed(_parts_of(file)):
                if file.name != JOURNAL_FILE:  # notes of a node that was here before stay
                    database.execute(f"DELETE FROM main.{part.table} WHERE {part.rows}")
            for part in _parts_of(file):
                _insert(database, part)


def _insert(database: sqlite3.Connection, part: Part) -> None:
    """Insert the rows that move; a package that holds others adds none of them."""
    columns = [row[1] for row in database.execute(f"PRAGMA main.table_info({part.table})")
               if row[1] != part.own]
    source, values = f"package.moved_{part.table} AS moved", [f"moved.{one}" for one in columns]
    if part.of:  # by the number that its row has here
        number, same = _SAME[part.of]
        values[columns.index(number)] = f"new.{number}"
        source += (f" JOIN package.moved_{part.of} AS old USING ({number})"
                   f" JOIN main.{part.of} AS new ON {same}")
    else:
        source += f" WHERE {part.rows}"
    if part.table == "nodes":
        values[columns.index("last_seen_unix_ms")] = "NULL"  # by this host
    order = f" ORDER BY moved.{part.own}" if part.own else ""
    database.execute(f"INSERT OR REPLACE INTO main.{part.table} ({', '.join(columns)})"
                     f" SELECT {', '.join(values)} FROM {source}{order}")


def _parts_of(file: Path) -> list[Part]:
    return [part for part in PARTS if part.file == file.name]


class Certificates(msgspec.Struct, forbid_unknown_fields=True):
    """The file for the old host: the new certificates in DER, which nodes change over with."""

    site: str
    until_unix_ms: int
    nodes: dict[str, bytes]


class Arrived(msgspec.Struct, forbid_unknown_fields=True):
    """The file for the old host: the nodes of a package that run at the new one."""

    site: str
    until_unix_ms: int
    arrived: list[str]

"""The audit log: who did what, when, from where, and what became of it. It only grows.

Each row carries the SHA-256 of the row before it and of its own content, so a row that is changed,
removed or moved breaks the chain at that place. The newest number and hash stand apart, so that
rows missing at the end show too. Whoever can write the file could compute the whole chain anew:
keep the line of `idroserra audit --verify` elsewhere and compare with `--head`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from idroserra.auth.errors import AccessError
from idroserra.core.sqlite import connect, connect_reader

FIRST_HASH = "0" * 64
MOST_CHARS = 200
MOST_DETAIL_CHARS = 2_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER PRIMARY KEY, unix_ms INTEGER NOT NULL, who TEXT NOT NULL, address TEXT NOT NULL,
    action TEXT NOT NULL, target TEXT NOT NULL, detail TEXT NOT NULL, result TEXT NOT NULL,
    reason TEXT NOT NULL, hash TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS head (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1), seq INTEGER NOT NULL, hash TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS audit_no_change BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER IF NOT EXISTS audit_no_removal BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
"""
_COLUMNS = "seq, unix_ms, who, address, action, target, detail, result, reason, hash"

_log = logging.getLogger("idroserra")


class Entry(NamedTuple):
    """One row. result: done, asked, refused or failed; a command's end is a row of its own."""

    seq: int
    unix_ms: int
    who: str
    address: str
    action: str
    target: str
    detail: str
    result: str
    reason: str
    hash: str


class AuditBroken(AccessError):
    """The chain does not hold: a row was changed, removed or moved. Names the row."""

    exit_code = 3


class Audit:
    """The log in audit.db. Any thread and several processes may write."""

    def __init__(self, path: Path, now_unix_ms: Callable[[], int]) -> None:
        """Open the file, made where needed. Raises OSError, sqlite3.Error."""
        self._now_unix_ms = now_unix_ms
        self._lock = threading.Lock()
        self._database = connect(path, _SCHEMA)
        self.failure = ""  # why the newest row could not be written

    def add(
        self, who: str, action: str, *, target: str = "", address: str = "host",
        detail: Mapping[str, Any] | None = None, result: str = "done", reason: str = "",
    ) -> None:
        """Write one row. A file that takes none stops nobody: `failure` and the log say so."""
        told = "" if not detail else json.dumps(_short(detail), sort_keys=True)
        content = (self._now_unix_ms(), _clean(who), _clean(address), action, _clean(target),
                   told[:MOST_DETAIL_CHARS], result, _clean(reason))
        try:
            with self._lock:
                self._append(content)
            self.failure = ""
        except sqlite3.Error as error:
            self.failure = str(error)
            _log.error("the audit log takes no rows: %s: %s %s %s", error, who, action, target)

    def newest(self, count: int, before_seq: int | None = None) -> list[Entry]:
        """Return the newest rows, newest first; those before a row where one is named."""
        with self._lock:
            rows = self._database.execute(
                f"SELECT {_COLUMNS} FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT ?",
                (2**62 if before_seq is None else before_seq, count)).fetchall()
        return [Entry(*row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _append(self, content: tuple[Any, ...]) -> None:
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            head = database.execute("SELECT seq, hash FROM head").fetchone()
            seq, before = (0, FIRST_HASH) if head is None else head
            hashed = _hash(before, (seq + 1, *content))
            database.execute(
                f"INSERT INTO audit ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)",
                (seq + 1, *content, hashed))
            database.execute("INSERT OR REPLACE INTO head VALUES (1, ?, ?)", (seq + 1, hashed))
            database.execute("COMMIT")
        except sqlite3.Error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise


def verify(path: Path, head: tuple[int, str] | None = None) -> tuple[int, str]:
    """Return the newest (seq, hash) of an audit log whose chain holds from the first row on.

    `head` is an older answer of this function: the row must still be there, with its hash.
    Raises AuditBroken; OSError, sqlite3.Error where the file cannot be read."""
    if not path.is_file():
        raise AccessError(f"{path}: there is no audit log yet")
    database = connect_reader(path)
    try:
        kept = database.execute("SELECT seq, hash FROM head").fetchone()
        rows: Iterator[tuple[Any, ...]] = database.execute(
            f"SELECT {_COLUMNS} FROM audit ORDER BY seq")
        found, known = _walk(rows, head)
    finally:
        database.close()
    if (found if found[0] else None) != (tuple(kept) if kept else None):
        raise AuditBroken(f"row {found[0] + 1}: rows are missing at the end")
    if head is not None and known != head[1]:
        raise AuditBroken(f"row {head[0]}: not the one whose hash was kept: "
                          "the log was written anew")
    return found


def _walk(
    rows: Iterator[tuple[Any, ...]], head: tuple[int, str] | None
) -> tuple[tuple[int, str], str]:
    """Return the last (seq, hash), and the hash at the row `head` names."""
    seq, before, known = 0, FIRST_HASH, ""
    for row in rows:
        if row[0] != seq + 1:
            raise AuditBroken(f"row {seq + 1}: missing")
        if _hash(before, row[:-1]) != row[-1]:
            raise AuditBroken(f"row {row[0]}: changed, or not where it was written")
        seq, before = row[0], row[-1]
        if head is not None and seq == head[0]:
            known = before
    return (seq, before), known


def _hash(before: str, content: tuple[Any, ...]) -> str:
    text = json.dumps([before, *content], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _clean(text: str) -> str:
    """Return a short text that every file takes, lone halves of characters made whole."""
    return text[:MOST_CHARS].encode("utf-8", "replace").decode()


def _short(value: Any) -> Any:
    """Return a value with every long text cut."""
    if isinstance(value, str):
        return value if len(value) <= MOST_CHARS else value[:MOST_CHARS] + "\u2026"
    if isinstance(value, Mapping):
        return {str(key)[:MOST_CHARS]: _short(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_short(one) for one in value[:50]]
    return value

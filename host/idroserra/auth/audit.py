"""The append-only audit log: actor, action, time, address and result.

The hash of a row is the SHA-256 of its content and of the previous hash, so a row that is changed,
removed or moved breaks the chain. The newest number and hash are stored separately, which reveals
rows missing at the end. A user who can write the file can recompute the whole chain: store the
output of `idroserra audit --verify` elsewhere and compare with `--head`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from idroserra.auth.errors import AccessError
from idroserra.core.sqlite import connect, connect_reader

FIRST_HASH = "0" * 64
MAX_CHARS = 200
MAX_DETAIL_CHARS = 2_000
PART_ROWS = 500

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
    """One row. result: done, asked, refused or failed. The end of a command is a separate row."""

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
    """The hash chain is broken: a row was changed, removed or moved. Names the row."""

    exit_code = 3


class Audit:
    """The log in audit.db. Any thread and several processes may write."""

    def __init__(self, path: Path, now_unix_ms: Callable[[], int]) -> None:
        """Open or create the file. Raises OSError, sqlite3.Error."""
        self._now_unix_ms = now_unix_ms
        self._lock = threading.RLock()
        self._is_together = False
        self._database = connect(path, _SCHEMA)
        self.failure = ""  # why the last write failed

    def add(
        self, who: str, action: str, *, target: str = "", address: str = "host",
        detail: Mapping[str, Any] | None = None, result: str = "done", reason: str = "",
    ) -> None:
        """Append a row. A failed write is logged and set as `failure`; the action goes ahead."""
        text = "" if not detail else json.dumps(_short(detail), sort_keys=True)
        content = (self._now_unix_ms(), _clean(who), _clean(address), action, _clean(target),
                   text[:MAX_DETAIL_CHARS], result, _clean(reason))
        try:
            with self._lock:
                self._append(content)
            self.failure = ""
        except sqlite3.Error as error:
            self.failure = str(error)
            _log.error("the audit log cannot be written: %s: %s %s %s", error, who, action, target)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Append the rows that this thread adds meanwhile in one transaction.

        Other writers wait for its end. If it cannot begin, each row is appended by itself."""
        with self._lock:
            with suppress(sqlite3.Error):
                self._database.execute("BEGIN IMMEDIATE")
                self._is_together = True
            try:
                yield
            finally:
                self._end_together()

    def _end_together(self) -> None:
        self._is_together = False
        try:
            if self._database.in_transaction:  # a full disk may have ended it
                self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self.failure = str(error)
            _log.error("the audit log cannot be written: %s", error)
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")

    def newest(self, count: int, before_seq: int | None = None) -> list[Entry]:
        """Return the newest rows, newest first; with before_seq, older ones than that row."""
        return self._read("seq < ? ORDER BY seq DESC LIMIT ?",
                          2**62 if before_seq is None else before_seq, count)

    def all(self) -> Iterator[Entry]:
        """Yield every row, oldest first. They are read in parts: the log only grows."""
        seq = 0
        while rows := self._read("seq > ? ORDER BY seq LIMIT ?", seq, PART_ROWS):
            yield from rows
            seq = rows[-1].seq

    def _read(self, where: str, *values: int) -> list[Entry]:
        with self._lock:
            rows = self._database.execute(
                f"SELECT {_COLUMNS} FROM audit WHERE {where}", values).fetchall()
        return [Entry(*row) for row in rows]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _append(self, content: tuple[Any, ...]) -> None:
        database = self._database
        is_part = self._is_together and database.in_transaction
        database.execute("SAVEPOINT row" if is_part else "BEGIN IMMEDIATE")
        try:
            head = database.execute("SELECT seq, hash FROM head").fetchone()
            seq, before = (0, FIRST_HASH) if head is None else head
            hashed = _hash(before, (seq + 1, *content))
            database.execute(
                f"INSERT INTO audit ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)",
                (seq + 1, *content, hashed))
            database.execute("INSERT OR REPLACE INTO head VALUES (1, ?, ?)", (seq + 1, hashed))
            database.execute("RELEASE row" if is_part else "COMMIT")
        except sqlite3.Error:
            if database.in_transaction:
                database.execute("ROLLBACK TO row" if is_part else "ROLLBACK")
            raise


def verify(path: Path, head: tuple[int, str] | None = None) -> tuple[int, str]:
    """Verify the hash chain of an audit log from the first row; return the newest (seq, hash).

    `head` is an earlier result of this function: that row must exist with that hash. Raises
    AuditBroken; OSError, sqlite3.Error if the file cannot be read."""
    if not path.is_file():
        raise AccessError(f"{path}: no audit log")
    with closing(connect_reader(path)) as database:
        stored = database.execute("SELECT seq, hash FROM head").fetchone()
        rows: Iterator[tuple[Any, ...]] = database.execute(
            f"SELECT {_COLUMNS} FROM audit ORDER BY seq")
        found, hash_at_head = _verify_rows(rows, head)
    if (found if found[0] else None) != (tuple(stored) if stored else None):
        raise AuditBroken(f"row {found[0] + 1}: rows are missing at the end")
    if head is not None and hash_at_head != head[1]:
        raise AuditBroken(f"row {head[0]}: differs from --head: the log was rewritten")
    return found


def _verify_rows(
    rows: Iterator[tuple[Any, ...]], head: tuple[int, str] | None
) -> tuple[tuple[int, str], str]:
    """Return the last (seq, hash), and the hash of the row of `head`."""
    seq, before, hash_at_head = 0, FIRST_HASH, ""
    for row in rows:
        if row[0] != seq + 1:
            raise AuditBroken(f"row {seq + 1}: missing")
        if _hash(before, row[:-1]) != row[-1]:
            raise AuditBroken(f"row {row[0]}: changed or moved")
        seq, before = row[0], row[-1]
        if head is not None and seq == head[0]:
            hash_at_head = before
    return (seq, before), hash_at_head


def _hash(before: str, content: tuple[Any, ...]) -> str:
    text = json.dumps([before, *content], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _clean(text: str) -> str:
    """Return a truncated text in valid UTF-8, lone surrogates replaced."""
    return text[:MAX_CHARS].encode("utf-8", "replace").decode()


def _short(value: Any) -> Any:
    """Return a JSON value with long texts and lists truncated."""
    if isinstance(value, str):
        return value if len(value) <= MAX_CHARS else value[:MAX_CHARS] + "\u2026"
    if isinstance(value, Mapping):
        return {str(key)[:MAX_CHARS]: _short(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_short(one) for one in value[:50]]
    return value

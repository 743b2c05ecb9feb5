"""The spans of each node's history that a feed still has to receive, in one SQLite file.

A span is marked when the store has taken what is in it, and removed when the feed has. So a feed
that is away for a month costs one row for each node, and its past is one span more. Marks are a
log for all feeds, so that the store's writer waits for one insertion only; the thread of each feed
joins them to its spans.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

from idroserra.core.sqlite import Database

# Spans closer than this become one: what lies between is sent again, and is the same points.
NEAR_MS = 600_000
PIECE_MS = 6 * 3_600_000
# One round: history of all nodes together, and pieces.
ROUND_MS = 30 * 24 * 3_600_000
ROUND_PIECES = 500
MARKS_A_STEP = 500  # joined in one transaction

_SCHEMA = """
CREATE TABLE IF NOT EXISTS feeds (
    name TEXT PRIMARY KEY, joined_mark INTEGER NOT NULL, written INTEGER NOT NULL,
    refused INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT NOT NULL, from_unix_ms INTEGER NOT NULL,
    to_unix_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS feed_spans (
    id INTEGER PRIMARY KEY, feed TEXT NOT NULL, node TEXT NOT NULL,
    from_unix_ms INTEGER NOT NULL, to_unix_ms INTEGER NOT NULL, is_claimed INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS feed_spans_of_node ON feed_spans (feed, is_claimed, node);
CREATE INDEX IF NOT EXISTS feed_spans_by_end ON feed_spans (feed, is_claimed, to_unix_ms);
"""


class Span(NamedTuple):
    """The history of a node in [from, to)."""

    node: str
    from_unix_ms: int
    to_unix_ms: int


class Waiting(NamedTuple):
    """What a feed has still to receive, and what it has received since it was added.

    span_ms: of all nodes together; oldest_unix_ms: None if nothing waits; written, refused:
    instants and events, those that were sent twice included."""

    span_ms: int
    oldest_unix_ms: int | None
    written: int
    refused: int


class PendingSpans(Database):
    """The spans of all feeds. Thread-safe; every method raises StoreUnavailable."""

    def __init__(self, path: Path, feeds: Collection[str]) -> None:
        """Open or create the file; forget other feeds. Raises OSError, sqlite3.Error,
        StoreUnavailable."""
        self._feeds = sorted(feeds)
        super().__init__(path, _SCHEMA)
        with self.transaction() as connection:
            known = [name for name, in connection.execute("SELECT name FROM feeds")]
            for name in known:
                if name not in feeds:
                    connection.execute("DELETE FROM feeds WHERE name=?", (name,))
                    connection.execute("DELETE FROM feed_spans WHERE feed=?", (name,))
            connection.executemany(
                "INSERT OR IGNORE INTO feeds SELECT ?, coalesce(max(seq), 0), 0, 0"
                " FROM sqlite_sequence WHERE name='marks'", [(name,) for name in self._feeds])
        for feed in self._feeds:
            self.release(feed)

    def mark(self, spans: Iterable[Span]) -> None:
        """Add spans to all feeds. Durable at return."""
        with self.transaction() as connection:
            connection.executemany(
                "INSERT INTO marks (node, from_unix_ms, to_unix_ms) VALUES (?,?,?)", spans)

    def add(self, feed: str, spans: Iterable[Span]) -> None:
        """Add spans to one feed."""
        with self.transaction() as connection:
            for span in spans:
                _add(connection, feed, span)

    def claim(self, feed: str) -> list[Span]:
        """Take the newest spans for one round; mark() does not change them. What was claimed
        before and is not done waits again."""
        self._join(feed)
        claimed: list[Span] = []
        left_ms = ROUND_MS
        with self.transaction() as connection:
            _release(connection, feed)
            while left_ms > 0 and len(claimed) < ROUND_PIECES:
                row = connection.execute(
                    "SELECT id, node, from_unix_ms, to_unix_ms FROM feed_spans"
                    " WHERE feed=? AND is_claimed=0 ORDER BY to_unix_ms DESC LIMIT 1",
                    (feed,)).fetchone()
                if row is None:
                    break
                number, node, start, end = row
                cut = max(start, end - PIECE_MS)
                if cut > start:
                    connection.execute("UPDATE feed_spans SET to_unix_ms=? WHERE id=?",
                                       (cut, number))
                else:
                    connection.execute("DELETE FROM feed_spans WHERE id=?", (number,))
                _insert(connection, feed, Span(node, cut, end), 1)
                claimed.append(Span(node, cut, end))
                left_ms -= end - cut
        return claimed

    def done(self, feed: str, spans: Iterable[Span], written: int, refused: int) -> None:
        """Remove claimed spans, and count what the feed has taken of them."""
        with self.transaction() as connection:
            connection.executemany(
                "DELETE FROM feed_spans WHERE feed=? AND is_claimed=1 AND node=?"
                " AND from_unix_ms=? AND to_unix_ms=?", [(feed, *span) for span in spans])
            connection.execute(
                "UPDATE feeds SET written=written+?, refused=refused+? WHERE name=?",
                (written, refused, feed))

    def release(self, feed: str) -> None:
        """Return the claimed spans to those that wait."""
        with self.transaction() as connection:
            _release(connection, feed)

    def waiting(self, feed: str) -> Waiting:
        """Return what the feed has still to receive."""
        self._join(feed)
        span_ms, oldest = self.query(
            "SELECT coalesce(sum(to_unix_ms - from_unix_ms), 0), min(from_unix_ms)"
            " FROM feed_spans WHERE feed=?", (feed,))[0]
        written, refused = self.query(
            "SELECT written, refused FROM feeds WHERE name=?", (feed,))[0]
        return Waiting(span_ms, oldest, written, refused)

    def _join(self, feed: str) -> None:
        """Join the new marks to the spans of a feed."""
        count = MARKS_A_STEP
        while count == MARKS_A_STEP:
            with self.transaction() as connection:
                marks = connection.execute(
                    "SELECT id, node, from_unix_ms, to_unix_ms FROM marks WHERE id >"
                    " (SELECT joined_mark FROM feeds WHERE name=?) ORDER BY id LIMIT ?",
                    (feed, MARKS_A_STEP)).fetchall()
                count = len(marks)
                for span in joined(Span(*mark[1:]) for mark in marks):
                    _add(connection, feed, span)
                if marks:
                    connection.execute("UPDATE feeds SET joined_mark=? WHERE name=?",
                                       (marks[-1][0], feed))
                    connection.execute(
                        "DELETE FROM marks WHERE id <= (SELECT min(joined_mark) FROM feeds)")


def is_damage(error: Exception) -> bool:
    """Return whether the file is damaged; a full disk or a lock is no damage."""
    cause = error if isinstance(error, sqlite3.Error) else error.__cause__
    return isinstance(cause, sqlite3.DatabaseError) and not isinstance(
        cause, sqlite3.OperationalError)


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans with those that are near each other joined."""
    found: list[Span] = []
    for node, start, end in sorted(spans):
        if found and found[-1].node == node and start - found[-1].to_unix_ms <= NEAR_MS:
            start, end = found[-1].from_unix_ms, max(end, found.pop().to_unix_ms)
        found.append(Span(node, start, end))
    return found


def _release(connection: sqlite3.Connection, feed: str) -> None:
    spans = connection.execute(
        "SELECT node, from_unix_ms, to_unix_ms FROM feed_spans WHERE feed=? AND is_claimed=1",
        (feed,)).fetchall()
    connection.execute("DELETE FROM feed_spans WHERE feed=? AND is_claimed=1", (feed,))
    for span in spans:
        _add(connection, feed, Span(*span))


def _add(connection: sqlite3.Connection, feed: str, span: Span) -> None:
    node, start, end = span
    near = connection.execute(
        "SELECT id, from_unix_ms, to_unix_ms FROM feed_spans WHERE feed=? AND is_claimed=0"
        " AND node=? AND from_unix_ms <= ? AND to_unix_ms >= ?",
        (feed, node, end + NEAR_MS, start - NEAR_MS)).fetchall()
    for number, near_start, near_end in near:
        connection.execute("DELETE FROM feed_spans WHERE id=?", (number,))
        start, end = min(start, near_start), max(end, near_end)
    _insert(connection, feed, Span(node, start, end), 0)


def _insert(connection: sqlite3.Connection, feed: str, span: Span, is_claimed: int) -> None:
    connection.execute(
        "INSERT INTO feed_spans (feed, node, from_unix_ms, to_unix_ms, is_claimed)"
        " VALUES (?,?,?,?,?)", (feed, *span, is_claimed))

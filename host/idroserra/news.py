"""What workers committed, for the host that shows it: a short ring in the spool.

A worker (worker.py) adds what the page wants to know at once, in the same commit as the records
themselves; the host reads it in order. It is news and no record: what nobody reads is overwritten.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from idroserra import contract
from idroserra.receipts import Received

if TYPE_CHECKING:
    from idroserra.spool import Accepted

KEPT_NEWS = 20_000
NEWS_RECORDS = 30  # of one boot in one commit; as many as the ingest shows

NEWS_SCHEMA = """
CREATE TABLE IF NOT EXISTS news (
    id INTEGER PRIMARY KEY AUTOINCREMENT, node TEXT NOT NULL, boot_id TEXT NOT NULL,
    leaf TEXT NOT NULL, unix_ms INTEGER NOT NULL, sent_at_ms INTEGER, epoch_unix_ms INTEGER,
    records BLOB NOT NULL
);
"""


class News(NamedTuple):
    """A sign of life of a node that another process took, and the newest records it brought.

    unix_ms is the arrival of its last message, sent_at_ms the node's uptime then."""

    node: str
    boot_id: str
    leaf: str
    unix_ms: int
    sent_at_ms: int | None
    epoch_unix_ms: int | None
    records: list[Any]


def news_of(
    database: sqlite3.Connection, items: Iterable[object], accepted: Sequence[Accepted]
) -> None:
    """Add the news of one commit, within it."""
    rows: dict[tuple[str, str, str], News] = {}
    for item in items:
        if isinstance(item, Received):
            key = item.node, item.batch.boot_id, item.leaf
            rows[key] = News(*key, item.unix_ms, item.batch.sent_at_ms, None, [])
    for one in accepted:
        key = one.node, one.boot_id, one.leaf
        newest = one.news if one.leaf == "telemetry" else one.records
        before = rows[key]
        rows[key] = before._replace(
            epoch_unix_ms=one.epoch_unix_ms, records=(before.records + newest)[-NEWS_RECORDS:])
    if not rows:
        return
    database.executemany(
        "INSERT INTO news (node, boot_id, leaf, unix_ms, sent_at_ms, epoch_unix_ms, records)"
        " VALUES (?,?,?,?,?,?,?)",
        [(*row[:-1], msgspec.json.encode(row.records)) for row in rows.values()])
    database.execute(
        "DELETE FROM news WHERE id <= (SELECT max(id) FROM news) - ?", (KEPT_NEWS,))


def read_news(database: sqlite3.Connection, after: int | None) -> tuple[int, list[News]]:
    """Return (number of the last, those after number `after`)."""
    if after is None:
        (last,) = database.execute("SELECT coalesce(max(id), 0) FROM news").fetchone()
        return last, []
    found = []
    rows = database.execute("SELECT * FROM news WHERE id > ? ORDER BY id", (after,)).fetchall()
    for _, node, boot_id, leaf, unix_ms, sent_at_ms, epoch_unix_ms, body in rows:
        kind = contract.EventRecord if leaf == "event" else contract.Record
        records = [kind(*fields) for fields in msgspec.json.decode(body)]
        found.append(News(node, boot_id, leaf, unix_ms, sent_at_ms, epoch_unix_ms, records))
    return (rows[-1][0] if rows else after), found

"""Compares the records that nodes have taken with those in the store, one by one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from campaigns.chaos.load_generator import ExpectedNode
from idroserra.history.sqlite.store import SqliteStore
from support.databases import Influxd, VictoriaMetrics
from support.samples import points_of

PH_DECIMALS = 3
EVENT_EVERY = 5  # records
# Readings as (unix_ms, ph) and events as (seq, unix_ms) of a node.
Found = tuple[list[tuple[int, float]], list[tuple[int, int]]]
Read = Callable[[str], Found]


class Counts(NamedTuple):
    """Numbers of records. `doubled`: stored twice, or at a time without a record."""

    taken: int
    lost: int
    doubled: int
    wrong: int


def ph_of(seq: int) -> float:
    """Return the pH of a record."""
    return round(5 + seq % 1000 / 1000, PH_DECIMALS)


def spool_counts(folder: Path) -> dict[str, int]:
    """Return the host's own counters: received, stored, lost, rejected, pending."""
    with closing(_open(folder)) as spool:
        counts = dict(spool.execute("SELECT name, sum(count) FROM counters GROUP BY name"))
        pending = spool.execute("SELECT coalesce(sum(record_count), 0) FROM pending").fetchone()[0]
    names = ("received", "stored", "lost", "rejected")
    return {name: int(counts.get(name, 0)) for name in names} | {"pending": pending}


def pending_ids(folder: Path) -> tuple[int, int] | None:
    """Return (oldest, newest) of the messages that wait for the store, or None."""
    with closing(_open(folder)) as spool:
        oldest, newest = spool.execute("SELECT min(id), max(id) FROM pending").fetchone()
    return None if oldest is None else (oldest, newest)


def epochs(folder: Path) -> dict[tuple[str, str], int]:
    """Return the start of each boot (Unix ms) as determined by the host."""
    with closing(_open(folder)) as spool:
        rows = spool.execute("SELECT node, boot_id, epoch_unix_ms FROM boots").fetchall()
    return {(node, boot_id): epoch for node, boot_id, epoch in rows}


def reconcile(folder: Path, expected: list[ExpectedNode], read: Read) -> Counts:
    """Compare the expected records with those in the store."""
    began = epochs(folder)
    lost = doubled = wrong = taken = 0
    for node in expected:
        epoch = node.boot_unix_ms or began[node.node, node.boot_id]
        assert began[node.node, node.boot_id] == epoch
        readings = {epoch + seq * node.step_ms: ph_of(seq)
                    for seq in range(1, node.last + 1) if seq % EVENT_EVERY}
        events = {seq: epoch + seq * node.step_ms
                  for seq in range(EVENT_EVERY, node.last + 1, EVENT_EVERY)}
        found_readings, found_events = read(node.node)
        taken += node.last
        at = {unix_ms: round(ph, PH_DECIMALS) for unix_ms, ph in found_readings}
        seqs = dict(found_events)
        lost += len(readings.keys() - at.keys()) + len(events.keys() - seqs.keys())
        doubled += len(found_readings) - len(at) + len(at.keys() - readings.keys())
        doubled += len(found_events) - len(seqs) + len(seqs.keys() - events.keys())
        wrong += sum(at[ms] != ph for ms, ph in readings.items() if ms in at)
        wrong += sum(seqs[seq] != ms for seq, ms in events.items() if seq in seqs)
    return Counts(taken, lost, doubled, wrong)


def sqlite_reader(folder: Path) -> tuple[SqliteStore, Read]:
    """Return the embedded store of a stopped host, and a reader of it."""
    store = SqliteStore(folder / "store.db")
    spans = store.spans()

    def read(node: str) -> Found:
        oldest, newest = spans[node]
        points = points_of(store, node, ["reservoir.ph"], oldest, newest + 1)["reservoir.ph"]
        events = store.events(node, oldest, newest + 1)
        return points, [(event.seq, event.unix_us // 1_000) for event in events]

    return store, read


def influx_reader(server: Influxd, database: str = "idroserra") -> Read:
    """Return a reader of InfluxDB that does not use the host."""

    def read(node: str) -> Found:
        samples, events = (server.rows(query, database) for query in (
            f"SELECT ph FROM sample WHERE node='{node}'",  # noqa: S608
            f"SELECT seq FROM event WHERE node='{node}'"))  # noqa: S608
        return ([(ns // 1_000_000, ph) for ns, ph in samples],
                [(seq, ns // 1_000_000) for ns, seq in events])

    return read


def victoria_reader(server: VictoriaMetrics) -> Read:
    """Return a reader of VictoriaMetrics that does not use the host."""

    def points(match: str) -> Iterator[tuple[int, float]]:
        for series in server.export(match):
            yield from zip(series["timestamps"], series["values"], strict=True)

    def read(node: str) -> Found:
        return (list(points(f'sample_ph{{node="{node}"}}')),
                [(int(seq), ms) for ms, seq in points(f'event_seq{{node="{node}"}}')])

    return read


def _open(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{folder / 'spool.db'}?mode=ro", uri=True, timeout=60)

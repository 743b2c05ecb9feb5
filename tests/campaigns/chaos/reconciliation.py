"""Every record accounted for: what the nodes took against what lies in the store, one by one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from campaigns.chaos.load_generator import Node
from idroserra.history.sqlite.store import SqliteStore
from support.databases import Influxd, VictoriaMetrics

PH_DECIMALS = 3
# (node) -> every reading as (unix_ms, ph), every event as its seq and time in ms.
Found = tuple[list[tuple[int, float]], list[tuple[int, int]]]
Read = Callable[[str], Found]


class Account(NamedTuple):
    """Counts of records. `doubled`: more than once, or at a time nobody took one at."""

    taken: int
    lost: int
    doubled: int
    wrong: int


def books(folder: Path) -> dict[str, int]:
    """Return what the host's own books say: received, stored, lost, rejected, pending."""
    with closing(_open(folder)) as spool:
        counts = dict(spool.execute("SELECT name, sum(count) FROM counters GROUP BY name"))
        pending = spool.execute("SELECT coalesce(sum(record_count), 0) FROM pending").fetchone()[0]
    told = {name: int(counts.get(name, 0)) for name in ("received", "stored", "lost", "rejected")}
    return told | {"pending": pending}


def pending_ids(folder: Path) -> tuple[int, int] | None:
    """Return (oldest, newest) of the messages that wait for the store; None: nothing waits."""
    with closing(_open(folder)) as spool:
        oldest, newest = spool.execute("SELECT min(id), max(id) FROM pending").fetchone()
    return None if oldest is None else (oldest, newest)


def epochs(folder: Path) -> dict[tuple[str, str], int]:
    """Return when each boot began, as the host decided."""
    with closing(_open(folder)) as spool:
        rows = spool.execute("SELECT node, boot_id, epoch_unix_ms FROM boots").fetchall()
    return {(node, boot_id): epoch for node, boot_id, epoch in rows}


def settle(folder: Path, expected: list[Node], read: Read) -> Account:
    """Compare what must be there with what is."""
    began = epochs(folder)
    lost = doubled = wrong = taken = 0
    for node in expected:
        epoch = node.boot_unix_ms or began[node.node, node.boot_id]
        assert began[node.node, node.boot_id] == epoch
        readings = {epoch + seq * node.step_ms: round(5 + seq % 1000 / 1000, PH_DECIMALS)
                    for seq in range(1, node.last + 1) if seq % 5}
        events = {seq: epoch + seq * node.step_ms for seq in range(5, node.last + 1, 5)}
        found_readings, found_events = read(node.node)
        taken += node.last
        at = {unix_ms: round(ph, PH_DECIMALS) for unix_ms, ph in found_readings}
        seqs = dict(found_events)
        lost += len(readings.keys() - at.keys()) + len(events.keys() - seqs.keys())
        doubled += len(found_readings) - len(at) + len(at.keys() - readings.keys())
        doubled += len(found_events) - len(seqs) + len(seqs.keys() - events.keys())
        wrong += sum(at[ms] != ph for ms, ph in readings.items() if ms in at)
        wrong += sum(seqs[seq] != ms for seq, ms in events.items() if seq in seqs)
    return Account(taken, lost, doubled, wrong)


def sqlite_reader(folder: Path) -> tuple[SqliteStore, Read]:
    """Return the embedded store of a host that has ended, and what reads it."""
    store = SqliteStore(folder / "store.db")
    spans = store.spans()

    def read(node: str) -> Found:
        oldest, newest = spans[node]
        points = store.points(node, ["reservoir.ph"], oldest, newest + 1)["reservoir.ph"]
        events = store.events(node, oldest, newest + 1)
        return points, [(event.seq, event.unix_us // 1_000) for event in events]

    return store, read


def influx_reader(server: Influxd) -> Read:
    """Return what reads InfluxDB itself, without the host."""

    def read(node: str) -> Found:
        samples = server.rows(f"SELECT ph FROM sample WHERE node='{node}'")  # noqa: S608
        events = server.rows(f"SELECT seq FROM event WHERE node='{node}'")  # noqa: S608
        return ([(ns // 1_000_000, ph) for ns, ph in samples],
                [(seq, ns // 1_000_000) for ns, seq in events])

    return read


def victoria_reader(server: VictoriaMetrics) -> Read:
    """Return what reads VictoriaMetrics itself."""

    def points(match: str) -> Iterator[tuple[int, float]]:
        for series in server.export(match):
            yield from zip(series["timestamps"], series["values"], strict=True)

    def read(node: str) -> Found:
        return (list(points(f'sample_ph{{node="{node}"}}')),
                [(int(seq), ms) for ms, seq in points(f'event_seq{{node="{node}"}}')])

    return read


def _open(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{folder / 'spool.db'}?mode=ro", uri=True, timeout=60)

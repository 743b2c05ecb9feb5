"""The spool gives the disk space of an outage of the store back, in steps."""

import sqlite3
from contextlib import closing

import pytest

from host.ingest.test_spool import NODE, NOW, seqs_of, telemetry
from idro.protocol.messages import Batch, EventRecord
from idroserra.core.errors import SpoolError
from idroserra.core.sqlite import PAGE_BYTES
from idroserra.ingest.received import Received
from idroserra.ingest.spool import SHRINK_PAGES, Spool


def fill_pages(spool, pages):
    """Fill the spool with about `pages` pages, and empty it."""
    detail = {"text": "x" * PAGE_BYTES}
    for at in range(1, pages, 200):
        records = [EventRecord(seq, seq, "gap", detail) for seq in range(at, at + 200)]
        spool.commit([Received(NODE, "event", Batch("b1", NOW, None, 1, records), NOW)])
    spool.done(spool.pending(10**6))


def pages_of(path):
    with closing(sqlite3.connect(path)) as database:
        return database.execute("PRAGMA page_count").fetchone()[0]


def test_a_drained_spool_gives_the_disk_back_step_by_step(tmp_path):
    path = tmp_path / "spool.db"
    spool = Spool(path)
    fill_pages(spool, 4 * SHRINK_PAGES)
    pages = [pages_of(path)]
    while spool.shrink():
        pages.append(pages_of(path))
        spool.commit([telemetry([len(pages)], boot_id="b2")])
    assert pages[0] > 4 * SHRINK_PAGES
    assert pages[-1] < 1.2 * SHRINK_PAGES
    assert all(0 < before - after < 1.1 * SHRINK_PAGES
               for before, after in zip(pages, pages[1:], strict=False))
    assert seqs_of(spool) == list(range(2, len(pages) + 1))
    assert path.with_name("spool.db-wal").stat().st_size < 6 * SHRINK_PAGES * PAGE_BYTES
    spool.close()


def test_disk_space_that_cannot_be_given_back_is_a_failure_of_the_spool(tmp_path):
    spool = Spool(tmp_path / "spool.db")
    fill_pages(spool, 2 * SHRINK_PAGES)
    spool._database.execute("PRAGMA busy_timeout=0")
    with closing(sqlite3.connect(tmp_path / "spool.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SpoolError, match="locked"):
            spool.shrink()
        assert "locked" in spool.state
        other.execute("ROLLBACK")
    assert spool.shrink()
    spool.commit([telemetry([1], boot_id="b2")])
    assert spool.state == "ok"
    spool.close()

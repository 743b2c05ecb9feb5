"""The audit log is append-only and detects changed, removed and reordered rows."""

import shutil
import sqlite3
import tempfile
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idroserra.auth.audit import PART_ROWS, Audit, AuditBroken, verify
from idroserra.auth.errors import AccessError

COLUMNS = ("unix_ms", "who", "address", "action", "target", "detail", "result", "reason", "hash")
TEXT = st.text(max_size=12)
ROWS = 6


def now():
    return 1_800_000_000_000


def written(path, texts):
    log = Audit(path, now)
    for number, text in enumerate(texts):
        log.add(f"who{text}", f"action {number}", target=text, detail={"text": text},
                reason=text)
    assert log.failure == ""
    log.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("audit") / "audit.db"
    written(path, [f"row {number}" for number in range(ROWS)])
    return path


def damaged(whole, *statements):
    """Return what verify() finds in a tampered copy."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.db"
        for name in ("", "-wal"):
            if Path(f"{whole}{name}").exists():
                shutil.copy(f"{whole}{name}", f"{path}{name}")
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("DROP TRIGGER audit_no_change")
        database.execute("DROP TRIGGER audit_no_removal")
        for statement, values in statements:
            database.execute(statement, values)
        database.close()
        try:
            verify(path)
        except AuditBroken as error:
            return str(error)
    return ""


def test_a_whole_log_is_whole(whole):
    seq, hashed = verify(whole)
    assert (seq, len(hashed)) == (ROWS, 64)
    assert verify(whole, (seq, hashed)) == (seq, hashed)
    assert damaged(whole) == ""


def test_the_file_itself_takes_no_change(whole):
    database = sqlite3.connect(whole)
    for statement in ("UPDATE audit SET who='eve'", "DELETE FROM audit WHERE seq=2"):
        with pytest.raises(sqlite3.IntegrityError, match="only grows"):
            database.execute(statement)
    database.close()
    assert verify(whole)[0] == ROWS


@settings(max_examples=30)
@given(row=st.integers(1, ROWS), column=st.sampled_from(COLUMNS), text=TEXT, number=st.integers(
    -2**40, 2**40))
def test_a_changed_row_is_found_and_named(whole, row, column, text, number):
    value = number if column == "unix_ms" else text
    database = sqlite3.connect(whole)
    old = database.execute(f"SELECT {column} FROM audit WHERE seq=?", (row,)).fetchone()[0]
    database.close()
    said = damaged(whole, (f"UPDATE audit SET {column}=? WHERE seq=?", (value, row)))
    assert said.startswith(f"row {row}: ") if value != old else said == ""


@settings(max_examples=15)
@given(row=st.integers(1, ROWS))
def test_a_removed_row_is_found_the_last_one_too(whole, row):
    assert damaged(whole, ("DELETE FROM audit WHERE seq=?", (row,))).startswith(f"row {row}: ")
    assert damaged(
        whole, ("DELETE FROM audit WHERE seq=?", (row,)),
        ("UPDATE audit SET seq=seq-1 WHERE seq>?", (row,))).startswith(f"row {row}: ")


@settings(max_examples=15)
@given(rows=st.lists(st.integers(1, ROWS), min_size=2, max_size=2, unique=True))
def test_rows_that_changed_places_are_found(whole, rows):
    first, second = sorted(rows)
    said = damaged(whole, ("UPDATE audit SET seq=-1 WHERE seq=?", (first,)),
                   ("UPDATE audit SET seq=? WHERE seq=?", (first, second)),
                   ("UPDATE audit SET seq=? WHERE seq=-1", (second,)))
    assert said.startswith(f"row {first}: ")


def test_a_rewritten_log_is_detected_by_a_saved_entry(whole, tmp_path):
    kept = verify(whole)
    forged = tmp_path / "audit.db"
    written(forged, [f"other {number}" for number in range(ROWS + 2)])
    assert verify(forged)[0] == ROWS + 2  # by itself it is whole
    with pytest.raises(AuditBroken, match=f"row {ROWS}: differs from"):
        verify(forged, kept)


@settings(max_examples=15)
@given(texts=st.lists(st.text(st.characters(), max_size=300), max_size=4))
def test_any_text_is_written_and_holds(texts):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "audit.db"
        written(path, texts)
        assert verify(path)[0] == len(texts)


def test_two_processes_write_one_chain(tmp_path):
    path = tmp_path / "audit.db"
    logs = [Audit(path, now) for _ in range(3)]  # as a host and two command lines

    def write(log):
        for number in range(20):
            log.add("anna", f"action {number}")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, logs))
    assert [log.failure for log in logs] == ["", "", ""]
    for log in logs:
        log.close()
    assert verify(path)[0] == 60


def test_an_unwritable_log_blocks_no_action_and_is_reported(tmp_path):
    log = Audit(tmp_path / "audit.db", now)
    log.add("anna", "command")
    other = sqlite3.connect(tmp_path / "audit.db", isolation_level=None)
    other.execute("DROP TABLE audit")
    log.add("anna", "command")
    assert "audit" in log.failure
    other.close()
    log.close()


def test_without_a_log_there_is_one_clear_line(tmp_path):
    with pytest.raises(AccessError, match="no audit log"):
        verify(tmp_path / "audit.db")


def test_rows_added_together_are_one_transaction(tmp_path):
    path = tmp_path / "audit.db"
    audit, ran = Audit(path, lambda: 1), []
    audit.add("anna", "first")
    audit._database.set_trace_callback(ran.append)
    with audit.together():
        for number in range(20):
            audit.add("anna", "command", target=f"node-{number}")
    audit._database.set_trace_callback(None)
    assert [one for one in ran if one in ("BEGIN IMMEDIATE", "COMMIT")] == [
        "BEGIN IMMEDIATE", "COMMIT"]
    audit.add("anna", "last")
    audit.close()
    assert verify(path)[0] == 22


def test_a_full_disk_ends_rows_added_together_with_a_whole_chain(tmp_path):
    path = tmp_path / "audit.db"
    audit = Audit(path, lambda: 1)
    pages = audit._database.execute("PRAGMA page_count").fetchone()[0]
    audit._database.execute(f"PRAGMA max_page_count={pages}")
    with audit.together():
        for _ in range(200):
            audit.add("anna", "command", target="a" * 200)
    assert "full" in audit.failure
    audit._database.execute("PRAGMA max_page_count=100000")
    audit.add("anna", "last")
    assert audit.failure == ""
    audit.close()
    verify(path)


def test_a_long_log_is_read_in_parts(tmp_path):
    log = Audit(tmp_path / "audit.db", now)
    with log.together():
        for number in range(3 * PART_ROWS + 1):
            log.add("anna", "write note", target=str(number), detail={"text": "x" * 200})
    tracemalloc.start()
    targets = [int(row.target) for row in log.all()]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    log.close()
    assert targets == list(range(3 * PART_ROWS + 1))
    assert peak_bytes < 2 * PART_ROWS * 1_000

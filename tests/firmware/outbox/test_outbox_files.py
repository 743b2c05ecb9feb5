"""Tests of the files of the outbox: names with an index, power cuts, older and wrong names."""

import os
import shutil

import pytest

from idro.outbox import decimation
from idro.protocol import messages
from support.outbox_records import CHANNELS, drain, new_outbox, values_at

MAX_BYTES = 6 * 4_096
BOOT = "0000b001"


class PowerCut(BaseException):
    """The power fails: nothing catches it."""


def fill(outbox, records, first=1, channels=CHANNELS):
    """Append `records` records, every tenth an event."""
    for step in range(first, first + records):
        if step % 10:
            values = {name: value for name, value in values_at(step).items() if name in channels}
            outbox.append_telemetry(step * 20_000, values, {})
        else:
            outbox.append_event(step * 20_000, "dosed", {"actuator": "ph_down", "on_ms": step})


def segments(folder):
    return sorted(folder.rglob("*.seg"), key=lambda path: path.name)


def flatten(folder):
    """Give all segments the names that firmware wrote before names had an index."""
    for path in segments(folder):
        path.rename(folder / ("-".join(path.stem.split("-")[:3]) + ".seg"))
    for path in folder.iterdir():
        if path.is_dir():
            path.rmdir()


def opened(patched):
    """Return the list of the segments that are opened from now on."""
    real, names = open, []

    def noted(path, *more, **options):
        if str(path).endswith(".seg"):
            names.append(os.path.basename(path))
        return real(path, *more, **options)

    patched.setattr("builtins.open", noted)
    return names


def test_a_start_reads_only_the_segment_that_was_not_closed(tmp_path, monkeypatch):
    before = new_outbox(tmp_path)
    fill(before, 600)
    before.flush()
    newest = segments(tmp_path)[-1]
    expected = drain(new_outbox(shutil.copytree(tmp_path, f"{tmp_path}.copy"), "0000b002"))
    with monkeypatch.context() as patched:
        names = opened(patched)
        outbox = new_outbox(tmp_path, "0000b002")
        assert set(names) == {newest.name}
        names.clear()
        again = new_outbox(tmp_path, "0000b003")
        assert names == []
    assert outbox.count == again.count == len(expected) == 600
    assert again.boots() == [(BOOT, 600 * 20_000)]
    assert drain(again) == expected


def test_the_wall_time_of_a_boot_is_in_the_names(tmp_path):
    before = new_outbox(tmp_path)
    before.set_boot_unix_ms(1_770_000_000_123)
    fill(before, 200)
    before.flush()
    new_outbox(tmp_path, "0000b002")
    outbox = new_outbox(tmp_path, "0000b003")
    assert outbox.next_batch(None)[1].boot_unix_ms == 1_770_000_000_123


def test_segments_with_names_of_older_firmware_are_sent(tmp_path, monkeypatch):
    before = new_outbox(tmp_path)
    before.set_boot_unix_ms(1_770_000_000_123)
    fill(before, 600)
    before.flush()
    expected = drain(new_outbox(shutil.copytree(tmp_path, f"{tmp_path}.copy"), "0000b002"))
    flatten(tmp_path)
    fed = []
    outbox = new_outbox(tmp_path, "0000b002", feed=lambda: fed.append(1))
    assert len(fed) == len(segments(tmp_path)) > 5
    assert outbox.count == 600
    with monkeypatch.context() as patched:
        names = opened(patched)
        outbox = new_outbox(tmp_path, "0000b003")
        assert names == []
    assert outbox.next_batch(None)[1].boot_unix_ms == 1_770_000_000_123
    assert drain(outbox) == expected


def cut_at(patched, operation):
    """Cut the power in the given change of flash from now on; returns how many are left."""
    left = [operation]

    def counted(real, is_change):
        def changed(*args, **options):
            if is_change(*args):
                left[0] -= 1
                if left[0] == 0:
                    raise PowerCut
            return real(*args, **options)

        return changed

    for name in ("rename", "remove"):
        patched.setattr(os, name, counted(getattr(os, name), lambda *_: True))
    patched.setattr("builtins.open", counted(open, lambda path, mode="r", *_: mode[0] in "wa"))
    return left


@pytest.mark.parametrize("is_older", [False, True])
def test_a_power_cut_at_any_moment_loses_no_record_and_sends_none_twice(
    tmp_path, monkeypatch, is_older
):
    base = tmp_path / "base"
    before = new_outbox(base, max_bytes=MAX_BYTES)
    fill(before, 700)
    before.flush()
    if is_older:
        flatten(base)
    operation = left = 0
    while left <= 0:
        operation += 1
        folder = shutil.copytree(base, tmp_path / f"{operation}")
        appended = 0
        with monkeypatch.context() as patched:
            counter = cut_at(patched, operation)
            try:
                outbox = new_outbox(folder, "0000b002", MAX_BYTES)
                for appended in range(1, 71):
                    fill(outbox, 1, 10 * appended)
            except PowerCut:
                pass
            left = counter[0]
        out = drain(new_outbox(folder, "0000b003", MAX_BYTES))
        keys = [(boot_id, record.seq) for boot_id, record in out]
        assert keys == sorted(set(keys)), operation
        doses = {
            (boot_id, record.detail["on_ms"]) for boot_id, record in out
            if isinstance(record, messages.EventRecord) and record.kind == "dosed"}
        assert doses >= {(BOOT, step) for step in range(10, 701, 10)}, operation
        assert doses >= {("0000b002", 10 * done) for done in range(1, appended)}, operation
        gaps = [r.detail for b, r in out if b == BOOT and getattr(r, "kind", "") == "gap"]
        kept = sum(boot_id == BOOT for boot_id, _ in out) - len(gaps)
        assert kept + sum(gap["count"] for gap in gaps) == 700, operation
    assert operation > 40


def test_a_full_outbox_without_memory_to_merge_takes_the_spare_segments(tmp_path, monkeypatch):
    outbox = new_outbox(tmp_path, max_bytes=MAX_BYTES)
    fill(outbox, 300)
    before = outbox.count

    def refuse(*_):
        raise MemoryError

    monkeypatch.setattr(decimation, "merged", refuse)
    fill(outbox, 300, 301)
    assert (outbox.lost_count, outbox.write_failures_count) == (0, 0)
    assert outbox.count == before + 300


def unreadable(patched):
    """Let every read of a segment fail."""
    real = open

    def failing(path, mode="r", *more, **options):
        if str(path).endswith(".seg") and mode == "rb":
            raise OSError(5)
        return real(path, mode, *more, **options)

    patched.setattr("builtins.open", failing)


def test_a_segment_that_cannot_be_read_now_is_kept(tmp_path, monkeypatch):
    before = new_outbox(tmp_path)
    fill(before, 300)
    before.flush()
    with monkeypatch.context() as patched:
        unreadable(patched)
        assert drain(new_outbox(tmp_path, "0000b002")) == []
    outbox = new_outbox(tmp_path, "0000b003")
    assert outbox.count == 300
    with monkeypatch.context() as patched:
        unreadable(patched)
        assert outbox.next_batch(None) is None
        outbox.stored(BOOT, 10)
    assert [record.seq for _, record in drain(outbox)] == list(range(11, 301))


def renamed(path, index, value):
    """Replace one part of a closed segment's name."""
    parts = path.stem.split("-")
    parts[index] = value
    path.rename(path.with_name("-".join(parts) + ".seg"))


@pytest.mark.parametrize(("index", "value"), [
    (3, "zz"), (3, "0"), (4, "0"), (5, "0"), (5, "ffff"), (8, "-"), (9, "never"), (4, "ffff"),
])
def test_a_damaged_name_loses_no_record(tmp_path, index, value):
    before = new_outbox(tmp_path)
    fill(before, 300)
    before.flush()
    renamed(segments(tmp_path)[1], index, value)
    out = drain(new_outbox(tmp_path, "0000b002"))
    assert [record.seq for _, record in out] == list(range(1, 301))


def test_a_segment_that_has_less_than_its_name_says_stalls_nothing(tmp_path):
    before = new_outbox(tmp_path)
    fill(before, 300)
    before.flush()
    first, second, *_, last = segments(tmp_path)
    new_outbox(tmp_path, "0000b002")  # the last one is closed too
    last = segments(tmp_path)[-1]
    first.write_bytes(b"")
    second.write_bytes(second.read_bytes()[:2_000])
    last.write_bytes(b"\xff" * 4_096)
    outbox = new_outbox(tmp_path, "0000b003")
    seqs = [record.seq for _, record in drain(outbox)]
    assert seqs == sorted(set(seqs))
    assert 150 < len(seqs) < 300
    assert outbox.count == 0
    assert outbox.boots() == []
    assert segments(tmp_path) == []


@pytest.mark.parametrize("unlisted", ["00", "02", "07"])
def test_a_folder_that_cannot_be_listed_now_loses_no_record(tmp_path, monkeypatch, unlisted):
    before = new_outbox(tmp_path, channels=CHANNELS[:9])  # the board has other channels now
    fill(before, 900, channels=CHANNELS[:9])
    before.flush()
    real = os.listdir

    def failing(path):
        if path.endswith("/" + unlisted):
            raise OSError(5)
        return real(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "listdir", failing)
        outbox = new_outbox(tmp_path, "0000b002")
        assert drain(outbox) == []
        outbox.stored(BOOT, 0)
    out = drain(new_outbox(tmp_path, "0000b003"))
    assert [record.seq for _, record in out] == list(range(1, 901))


@pytest.mark.parametrize("refused", [1, 2, 3])
def test_memory_that_is_refused_amid_a_merge_loses_no_event(tmp_path, monkeypatch, refused):
    outbox = new_outbox(tmp_path, max_bytes=MAX_BYTES)
    fill(outbox, 300)
    real, calls = os.remove, []

    def failing(path):
        calls.append(path)
        if len(calls) == refused:
            raise MemoryError
        real(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "remove", failing)
        fill(outbox, 900, 301)
    assert len(calls) > refused
    outbox.flush()
    after = new_outbox(tmp_path, "0000b002", MAX_BYTES)
    events = [record.detail["on_ms"] for _, record in drain(after)
              if getattr(record, "kind", "") == "dosed"]
    assert events == list(range(10, 1_201, 10))
    assert segments(tmp_path) == []


def test_reads_that_fail_for_a_while_lose_no_event_of_a_full_outbox(tmp_path, monkeypatch):
    outbox = new_outbox(tmp_path, max_bytes=MAX_BYTES)
    fill(outbox, 600)
    with monkeypatch.context() as patched:
        unreadable(patched)
        fill(outbox, 200, 601)
    fill(outbox, 300, 801)
    events = [record.detail["on_ms"] for _, record in drain(outbox)
              if getattr(record, "kind", "") == "dosed"]
    assert events == list(range(10, 1_101, 10))


@pytest.mark.parametrize("name", [
    "0000001-12345678-0000b001.seg", "000000001-12345678-0000b001.seg", "00000001-1-0000b001.seg",
])
def test_a_file_with_another_name_is_left_alone(tmp_path, name):
    (tmp_path / name).write_bytes(b"x" * 100)
    outbox = new_outbox(tmp_path)
    fill(outbox, 20)
    assert [record.seq for _, record in drain(outbox)] == list(range(1, 21))
    assert (tmp_path / name).is_file()

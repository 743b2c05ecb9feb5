"""Tests of the reserve file on flash: created while there is space, deleted when flash is full."""

import pytest

from idro.app import reserved_space
from idro.app.reserved_space import BLOCKS, CHECK_EVERY_MS, FULL_BLOCKS, ReservedSpace

BLOCK = 4_096


class Flash:
    """Flash with a settable number of free blocks, less the reserve file."""

    def __init__(self, real, path):
        self._real = real
        self._path = path
        self.free_blocks = 300
        self.stat, self.remove = real.stat, real.remove

    def statvfs(self, root):
        taken = BLOCKS if self._path.exists() else 0
        return (BLOCK, BLOCK, 512, self.free_blocks - taken, self.free_blocks - taken)


class Bench:
    def __init__(self, folder, monkeypatch):
        self.path = folder / "ballast"
        self.flash = Flash(reserved_space.os, self.path)
        monkeypatch.setattr(reserved_space, "os", self.flash)
        self.now_ms = 0
        self.ballast = ReservedSpace(str(self.path))

    def check(self, *, has_failed=False):
        self.now_ms += CHECK_EVERY_MS
        return self.ballast.update(self.now_ms, has_failed)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    return Bench(tmp_path, monkeypatch)


def test_it_is_created_if_twice_its_size_is_free(bench):
    bench.flash.free_blocks = 2 * BLOCKS - 1
    assert not bench.check()
    assert not bench.ballast.is_reserved
    bench.flash.free_blocks = 2 * BLOCKS
    assert not bench.check()
    assert bench.ballast.is_reserved
    assert bench.path.stat().st_size == BLOCKS * BLOCK


def test_it_is_deleted_once_when_flash_is_full_and_restored(bench):
    bench.check()
    bench.flash.free_blocks = BLOCKS + FULL_BLOCKS - 1
    assert bench.check()
    assert not bench.path.exists()
    assert not bench.check()
    assert not bench.ballast.is_reserved
    bench.flash.free_blocks = 300
    assert not bench.check()
    assert bench.ballast.is_reserved


def test_it_is_deleted_immediately_on_a_write_error(bench):
    bench.check()
    assert bench.ballast.update(bench.now_ms + 1, True)
    assert not bench.path.exists()
    assert not bench.ballast.update(bench.now_ms + 2, True)


def test_a_complete_file_of_an_earlier_boot_is_reused(bench):
    bench.check()
    again = ReservedSpace(str(bench.path))
    again.update(0, False)
    assert again.is_reserved
    bench.path.write_bytes(b"torn")
    again = ReservedSpace(str(bench.path))
    again.update(0, False)
    assert again.is_reserved
    assert bench.path.stat().st_size == BLOCKS * BLOCK


def test_a_flash_that_rejects_the_file_is_tolerated(bench):
    bench.path.mkdir()
    assert not bench.check()
    assert not bench.ballast.is_reserved

"""Tests of power cuts in every flash operation of an update: the old or new release runs complete.

Single cuts are exhaustive, pairs of cuts are sampled; `make campaign-update` runs all pairs.
"""

import os
import random

import pytest

from idro.protocol.reason import Reason
from support import releases, small_board
from support.small_board import Board, Dark, Reset

SHARES = (0.0, 0.5, 0.75)
MOST_BOOTS = 40
PAIRS = os.environ.get("IDROSERRA_UPDATE_PAIRS", "60")  # or "all"


def from_flashed():
    """Return a board that runs the flashed application."""
    return Board()


def from_slot():
    """Return a board that runs a release from a slot, with an older one in the other slot."""
    old = releases.Release(dict(small_board.OLD), counter=2, version="8.0.0")
    board = Board(old={})
    board.old = dict(old.files)
    board.put_release("b", releases.Release({"idro/app/other.mpy": b"x" * 5_000}))
    board.put_release("a", old)
    return board


STARTS = {"flashed": from_flashed, "slot": from_slot}


def good(board):
    """Run an update that is confirmed; every boot runs one complete application."""
    is_confirmed = False
    for boot in range(MOST_BOOTS):
        try:
            runs = board.boot()
            running = small_board.code.slots.running
            assert not (is_confirmed and runs == "old"), "the confirmed release is gone"
            if runs == "old":
                board.update()
                raise AssertionError(f"not taken: {board.said}")
            if running.state == "trial":
                try:
                    small_board.code.file_slots.confirm()
                finally:
                    is_confirmed = running.state == "ok"
            else:
                is_confirmed = True
            nvs = board.flash.nvs
            assert min(nvs["security_a"], nvs["security_b"]) == 3
            pending = small_board.code.state.pending_report()
            assert pending == [board.new_sha256()[:16], "9.9.9", None]
            return boot
        except (Dark, Reset):
            continue
    raise AssertionError("never done")


def bad(board):
    """Run an update that is never confirmed; the old release runs again."""
    boots_of_new = 0
    for _ in range(MOST_BOOTS):
        try:
            if board.boot() == "new":
                boots_of_new += 1
                board.cause = "watchdog"
                continue  # it crashed
            assert boots_of_new <= 3
            board.update()
            assert board.said == Reason("rolled_back_before")
            assert boots_of_new >= 1
            assert max(board.flash.nvs.get("security_a", 1), 1) < 3
            return
        except (Dark, Reset):
            continue
    raise AssertionError("never back")


def taken_back(board):
    """Run an update that is reverted by its trial; the old release runs again."""
    for _ in range(MOST_BOOTS):
        try:
            if board.boot() == "new":
                small_board.code.boot_select.roll_back(
                    Reason("channel_missing", channel="reservoir.ph"))
            board.update()
            assert board.said == Reason("rolled_back_before")
            return
        except (Dark, Reset):
            continue
    raise AssertionError("never back")


LIVES = {"good": good, "bad": bad, "taken back": taken_back}
every_life = pytest.mark.parametrize("live", LIVES.values(), ids=LIVES)
every_start = pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)


def operations(start, live):
    """Return the number of flash operations of an undisturbed run."""
    board = start()
    live(board)
    return board.flash.operations


@every_start
@every_life
def test_a_cut_at_every_operation_leaves_a_complete_release(start, live):
    count = operations(start, live)
    assert count > 40
    for operation in range(1, count + 1):
        for share in SHARES:
            board = start()
            board.flash.cuts = [[operation, share]]
            live(board)
            assert not board.flash.cuts, (operation, share)
    print(f"{count} operations, {count * len(SHARES)} cuts")


@every_start
@every_life
def test_two_cuts_leave_a_complete_release(start, live):
    count = operations(start, live)
    pairs = [(first, second, share, other) for first in range(1, count + 1)
             for second in range(1, count + 1) for share in SHARES for other in SHARES]
    if PAIRS != "all":
        pairs = random.Random(count).sample(pairs, int(PAIRS))
    for first, second, share, other in pairs:
        board = start()
        board.flash.cuts = [[first, share], [second, other]]
        live(board)
    print(f"{count} operations, {len(pairs)} pairs of cuts")


def test_a_download_resumes_at_the_byte():
    whole = Board()
    good(whole)
    for stop_at in range(2, whole.asks + 1):
        board = Board()
        board.stop_asks_at = stop_at
        board.boot()
        board.update()
        assert board.said == Reason("cancelled", by="test")
        good(board)
        # The active chunk, and at most the uncommitted part of the file.
        assert board.asks <= whole.asks + 1 + 4_096 // 768 + 1 + 3


@pytest.mark.parametrize("is_cancelled", [True, False])
def test_a_release_that_waits_for_a_dose_and_is_refused_starts_at_no_reset(is_cancelled):
    board = Board()
    board.boot()
    looks = []

    def doses():
        """Begin a dose after the first look, while the whole release is verified again."""
        looks.append(1)
        if len(looks) > 2 and is_cancelled:
            board._fetching.cancel(Reason("cancelled", by="test"))
        return Reason("dose_running") if len(looks) > 1 else None

    board.obstacle = doses
    board.update()
    why = Reason("cancelled", by="test") if is_cancelled else Reason("never_idle")
    assert board.said == why
    assert board.boot() == "old"


def test_unchanged_files_are_copied_and_not_requested():
    board = Board()
    good(board)
    changed = sum(-(-len(data) // 768) for path, data in board.new.files.items()
                  if data != board.old.get(path))
    assert board.asks <= changed + 3 + len(board.new.files)

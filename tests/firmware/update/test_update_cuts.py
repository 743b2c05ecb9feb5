"""Power goes at every operation on the flash of an update: old or new runs, complete, always.

Every cut alone here, pairs of cuts by sample; all pairs with `make campaign-update`.
"""

import os
import random

import pytest

from support import releases, small_board
from support.small_board import Board, Dark, Reset

SHARES = (0.0, 0.5, 0.75)
MOST_BOOTS = 40
PAIRS = os.environ.get("IDROSERRA_UPDATE_PAIRS", "60")  # or "all"


def from_flashed():
    """The application that was flashed runs."""
    return Board()


def from_slot():
    """A release runs from a slot, and what lies in the other is older still."""
    old = releases.Release(dict(small_board.OLD), counter=2, version="8.0.0")
    board = Board(old={})
    board.old = dict(old.files)
    board.put_release("b", releases.Release({"idro/app/other.mpy": b"x" * 5_000}))
    board.put_release("a", old)
    return board


STARTS = {"flashed": from_flashed, "slot": from_slot}


def good(board):
    """Live through an update that proves itself; every boot runs one application as a whole."""
    is_confirmed = False
    for boot in range(MOST_BOOTS):
        try:
            runs = board.boot()
            running = small_board.code.slots.running
            assert not (is_confirmed and runs == "old"), "what was confirmed is gone"
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
            assert pending == [board.new_sha256()[:16], "9.9.9", ""]
            return boot
        except (Dark, Reset):
            continue
    raise AssertionError("never done")


def bad(board):
    """Live through an update that never confirms; the old one runs again."""
    boots_of_new = 0
    for _ in range(MOST_BOOTS):
        try:
            if board.boot() == "new":
                boots_of_new += 1
                board.cause = "watchdog"
                continue  # it crashed
            assert boots_of_new <= 3
            board.update()
            assert board.said == "it was tried before and rolled back"
            assert boots_of_new >= 1
            assert max(board.flash.nvs.get("security_a", 1), 1) < 3
            return
        except (Dark, Reset):
            continue
    raise AssertionError("never back")


def taken_back(board):
    """Live through an update whose trial ends it; the old one runs again."""
    for _ in range(MOST_BOOTS):
        try:
            if board.boot() == "new":
                small_board.code.boot_select.roll_back("reservoir.ph has no plausible reading")
            board.update()
            assert board.said == "it was tried before and rolled back"
            return
        except (Dark, Reset):
            continue
    raise AssertionError("never back")


LIVES = {"good": good, "bad": bad, "taken back": taken_back}
every_life = pytest.mark.parametrize("live", LIVES.values(), ids=LIVES)
every_start = pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)


def operations(start, live):
    """Return how many operations on the flash a life has that nothing disturbs."""
    board = start()
    live(board)
    return board.flash.operations


@every_start
@every_life
def test_a_cut_at_every_operation(start, live):
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
def test_two_cuts(start, live):
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


def test_a_download_goes_on_at_the_byte():
    whole = Board()
    good(whole)
    for stop_at in range(2, whole.asks + 1):
        board = Board()
        board.stop_asks_at = stop_at
        board.boot()
        board.update()
        assert board.said == "cancelled by test"
        good(board)
        # The piece that was under way, and of the file at most what was not yet committed.
        assert board.asks <= whole.asks + 1 + 4_096 // 768 + 1 + 3


def test_what_runs_is_copied_and_not_asked_for():
    board = Board()
    good(board)
    changed = sum(-(-len(data) // 768) for path, data in board.new.files.items()
                  if data != board.old.get(path))
    assert board.asks <= changed + 3 + len(board.new.files)

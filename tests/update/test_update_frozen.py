"""Releases of a frozen application: what is refused, where a download goes on, what runs after."""

import asyncio
from types import SimpleNamespace

import frozen_board
import pytest
import releases
import small_board
from frozen_board import FrozenBoard, about, firmware, release
from small_board import NEW, Board, Reset

from idrosim.shim.ota_flash import APPS, PENDING, VALID, make_image


def refused(board):
    """Offer what the board is offered; return why it was not taken. The old one runs on."""
    assert board.boot() == "old"
    try:
        board.update()
    except Reset:
        raise AssertionError("it was put on trial") from None
    board.cause = "reset"
    assert board.boot() == "old"
    assert small_board.code.slots.running.state != "trial"
    return board.said


def on_trial(board):
    """Offer what the board is offered, and start it."""
    assert board.boot() == "old"
    try:
        board.update()
    except Reset:
        assert board.boot() == "new"
        assert small_board.code.slots.running.state == "trial"
        return
    raise AssertionError(board.said)


OTHERS = {
    "another kernel": (release(about(kernel="d" * 64)), "its kernel is not that of this board: "
                       "it changes over USB only"),
    "other limits": (release(about(board="d" * 64)), "its pins, parts or limits are not those of "
                     "this board: they change over USB only"),
    "another board": (release(about(board_class="esp32c3/other"), board_class="esp32c3/other"),
                      "it is for esp32c3/other, this is esp32/esp32-reservoir"),
    "another board, described": (release(about(board_class="esp32c3/other")),
                                 "about.txt does not read back as its manifest says"),
    "another version, described": (release(about("1.0")),
                                   "about.txt does not read back as its manifest says"),
    "another counter, described": (release(about(counter=2)),
                                   "about.txt does not read back as its manifest says"),
    "more than is known": (release(about() + b"limits loose\n"),
                           "its manifest is not well formed"),
    "no description": (release(b"\n"), "its manifest is not well formed"),
    "a description of another": (release(about(), firmware(about(image="2" * 64), b"new!")),
                                 "firmware.bin is not what about.txt describes"),
    "another chip": (release(about(), firmware(about(), b"new!", chip_id=9)),
                     "it is no application for this chip"),
    "no application": (release(about(), about() + bytes(5_000)),
                       "it is no application for this chip"),
    "too large": (release(about(), firmware(about(), b"new!") + bytes(20_000)),
                  "it needs 26 kB of flash, 16 kB are free"),
    "an older counter": (releases.Release(dict(release().files), counter=0),
                         "its security counter is 0, this board is at 1"),
    "only its description": (releases.Release({"about.txt": about()}, counter=3),
                             "its manifest is not well formed"),
    "files": (releases.Release(dict(NEW), counter=3),
              "idro/app/node.mpy is no file that it may hold"),
    "one file more": (releases.Release(release().files | {"idro/app/node.mpy": b"x"}, counter=3),
                      "idro/app/node.mpy is no file that it may hold"),
    "another key": (release(key="theirs"), "its signature is not of a key of this board"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_refused(what):
    made, why = OTHERS[what]
    board = FrozenBoard(made)
    board.new = releases.Release({"about.txt": b"", "firmware.bin": b""} | made.files)
    board.new_sha256 = made.sha256
    assert refused(board) == why


def test_a_bit_of_the_manifest_or_signature():
    for at in range(0, len(release().manifest()), 37):
        board = FrozenBoard()
        board.manifest = bytes(byte ^ (index == at) for index, byte in enumerate(board.manifest))
        assert refused(board)
    board = FrozenBoard()
    board.signature = bytes([board.signature[0] ^ 1]) + board.signature[1:]
    assert refused(board) == "its signature is not of a key of this board"


def test_an_application_that_the_bootloader_would_not_start():
    told = about()
    image = bytearray(firmware(told, b"new!"))
    image[-40] ^= 1  # its own hash does not hold: signed as it is
    board = FrozenBoard(release(told, bytes(image)))
    board.boot()
    with pytest.raises(OSError, match="VALIDATE"):
        board.update()
    assert board.boot() == "old"


def test_bytes_that_change_on_their_way_or_on_the_flash():
    board = FrozenBoard()
    image = board.new.files["firmware.bin"]
    board.served["firmware.bin"] = image[:5_000] + b"?" + image[5_001:]
    assert refused(board) == "firmware.bin does not read back as its manifest says"
    board.served["firmware.bin"] = image
    on_trial(board)
    board = FrozenBoard()
    verify = small_board.code.verify

    def spoil(slot, real=verify.install):
        board.ota.parts[APPS[1]][5_000] ^= 1
        return real(slot)

    real, verify.install = verify.install, spoil
    try:
        assert refused(board) == "firmware.bin does not read back as its manifest says"
    finally:
        verify.install = real


def test_a_download_goes_on_at_the_byte():
    whole = FrozenBoard()
    on_trial(whole)
    for stop_at in range(2, whole.asks + 1):
        board = FrozenBoard()
        board.stop_asks_at = stop_at
        board.boot()
        board.update()
        assert board.said == "cancelled by test"
        on_trial(board)
        # The piece that was under way, and at most what of its block was there.
        assert board.asks <= whole.asks + 1 + 4_096 // 768 + 1


def test_one_that_lost_its_power_on_trial_may_be_tried_again():
    board = FrozenBoard()
    on_trial(board)
    asks = board.asks
    board.cause = "power"
    assert board.boot() == "old"
    told = small_board.code.memory.told()
    assert told == [board.new_sha256()[:16], "9.9.9",
                    "the power went before it had proved itself"]
    on_trial(board)
    assert board.asks == asks  # all of it was there
    small_board.code.memory.confirm()
    assert board.boot() == "new"
    assert small_board.code.slots.running.state == "ok"


def test_one_that_hangs_on_trial_is_back_after_one_boot_and_never_taken_again():
    board = FrozenBoard()
    on_trial(board)
    board.cause = "watchdog"
    assert refused(board) == "it was tried before and taken back"
    assert small_board.code.memory.told()[2] == "it was reset before it had proved itself"


def test_what_is_written_over_usb_is_nobodys_release():
    board = FrozenBoard()
    on_trial(board)
    small_board.code.memory.confirm()
    assert board.ota.state(APPS[1]) == VALID
    board.put(1, make_image([b"by hand" * 900], frozen_board.CHIP_ID))
    board.old_firmware = make_image([b"by hand" * 900], frozen_board.CHIP_ID)
    assert board.boot() == "old"
    running = small_board.code.slots.running
    assert (running.slot, running.state, running.version) == ("", "base", "")
    assert small_board.code.memory.counter() == 3
    assert small_board.code.partitions.idle() == "a"


def test_a_micropython_that_does_not_go_back():
    """Built without CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE: nothing is tried."""
    board = FrozenBoard()
    board.ota.can_roll_back = False
    assert refused(board) == "its bootloader does not go back by itself"
    assert board.ota.boot() == APPS[0]


def test_a_bootloader_that_does_not_go_back():
    """The application was built with roll-back, the bootloader before it was not."""
    board = FrozenBoard()
    board.boot()
    with pytest.raises(Reset):
        board.update()
    board.ota.can_roll_back = False
    with pytest.raises(Reset):
        board.boot()
    board.ota.can_roll_back = True
    assert board.boot() == "old"
    assert small_board.code.memory.told()[2] == "its bootloader does not go back by itself"


def test_a_trial_whose_manifest_is_lost_goes_back():
    board = FrozenBoard()
    board.boot()
    with pytest.raises(Reset):
        board.update()
    del board.flash.files["/b/manifest"]
    with pytest.raises(Reset):
        board.boot()
    assert board.ota.state(APPS[1]) == PENDING
    assert board.boot() == "old"


def test_nothing_is_erased_while_something_is_dosed():
    board = FrozenBoard()
    board.boot()
    node = board._node()
    fetch = small_board.code.fetching.Fetch(node, SimpleNamespace(sha256="0" * 64), None)
    node.gate.dosing = "ph_down"
    rests = []

    async def sleep_ms(time_ms):
        rests.append(time_ms)
        if len(rests) == 3:
            node.gate.dosing = None

    node.clock.sleep_ms = sleep_ms
    asyncio.run(fetch.until_no_dose())
    assert len(rests) == 3


def test_a_board_of_files_takes_no_frozen_application():
    board = Board(release())
    board.boot()
    board.update()
    assert board.said == "about.txt is no file that it may hold"

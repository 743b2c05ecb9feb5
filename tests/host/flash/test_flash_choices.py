"""Selection of port, files to write, and compatibility of the installed MicroPython."""

import pytest

from idroserra.flash import copy, ports
from idroserra.flash.board_link import BoardInfo
from idroserra.flash.errors import FlashError
from idroserra.flash.ports import Port

ONE = Port("/dev/ttyUSB0", "CP2102 USB to UART", 0x10C4)
TWO = Port("/dev/ttyACM0", "USB JTAG/serial debug unit", 0x303A)


def test_the_only_port_is_taken_and_a_named_one_is_believed():
    assert ports.choose(None, [ONE], None) == ONE.device
    assert ports.choose("COM7", [ONE, TWO], None) == "COM7"


def test_of_several_it_asks():
    assert ports.choose(None, [ONE, TWO], lambda found: found[1]) == TWO.device


def test_of_several_without_anybody_to_ask_it_lists_them():
    with pytest.raises(FlashError, match="2 boards are connected: /dev/ttyUSB0 .CP2102") as said:
        ports.choose(None, [ONE, TWO], None)
    assert "--port" in said.value.way_out


def test_without_a_board_it_says_what_to_plug_in():
    with pytest.raises(FlashError, match=r"no board found on any USB port\n.*data cable"):
        ports.choose(None, [], None)


def about(version=(1, 28, 0), mpy_version=6):
    return BoardInfo(version, mpy_version, 4_096, 1 << 21, 1 << 20, 1 << 20)


def test_a_micropython_that_will_do(built):
    assert copy.check_micropython(about(), built) is None


def test_an_old_micropython_is_refused_with_the_required_version(built):
    said = copy.check_micropython(about((1, 25, 0)), built)
    assert said == "MicroPython 1.25.0 is on the board, 1.26 or newer is needed"


def test_a_micropython_that_cannot_read_the_image(built):
    said = copy.check_micropython(about((2, 0, 0), 7), built)
    assert said == ("MicroPython 2.0.0 loads .mpy files of version 7, the image has "
                    "version 6")


@pytest.mark.parametrize(("path", "is_stale"), [
    ("idro/board.py", True), ("idro/app/gone.mpy", True), ("idro.py", True), ("main.mpy", True),
    ("slot", True), ("a/idro/app/node.mpy", True), ("b/manifest", True),
    ("data/settings.a", False), ("lib/idro.txt", False), ("notes.txt", False),
])
def test_only_what_would_be_imported_in_place_of_the_image_is_removed(path, is_stale):
    assert copy.is_stale(path) is is_stale

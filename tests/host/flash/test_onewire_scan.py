"""`board scan` of a 1-Wire line: a board over USB whose pin leads to simulated thermometers."""

import json
from pathlib import Path

import pytest

from idroserra.flash import onewire_scan
from idroserra.flash.board_link import literal
from idroserra.flash.errors import FlashError
from idrosim.devices import ds18b20
from idrosim.devices.shared import onewire_bus, part_faults
from idrosim.devices.shared.onewire_bus import crc8
from idrosim.shim.hardware import onewire
from support.relay_board import NAME, ROMS, TEXT, WHOLE, thermometer
from support.wait import wait_until

STRANGER = bytes.fromhex("28aabbccddeeff")
STRANGER = (STRANGER + bytes((crc8(STRANGER),))).hex()
# The module `onewire` of the simulator on MicroPython, in real time, and what it runs on.
BOARD_ONEWIRE = """
import time
from idrosim.devices.ds18b20 import Ds18b20
from idrosim.devices.shared.onewire_bus import OneWireBus
from idrosim.shim.hardware.onewire import OneWire

class Clock:
    @property
    def now_us(self):
        return time.ticks_us()
    def spend(self, duration_us):
        pass

class Runtime:
    clock = Clock()
    def misuse(self, error):
        raise error

class World:
    pass

parts = [Ds18b20(Runtime.clock, bytes.fromhex(rom), lambda t=t: t) for rom, t in {PARTS}]
OneWire._runtime = Runtime()
OneWire._runtime.world = World()
OneWire._runtime.world.onewire_buses = {4: OneWireBus(parts)}
"""
BOARD_HARDWARE = b"""
LEVELS = {4: 1}

class Pin:
    def __init__(self, number):
        self.number = number
    def init(self, mode, pull):
        pass
    def value(self):
        return LEVELS[self.number]
"""
BOARD_PINS = b"""
class Pin:
    OPEN_DRAIN, PULL_UP = 7, 2

def pin_id(pin):
    return pin.number
"""


def modules(parts):
    """Return the files of a board whose pin 4 has `parts`, [(ROM code, temperature)]."""
    found = {
        "hardware.py": BOARD_HARDWARE,
        "onewire.py": BOARD_ONEWIRE.replace("{PARTS}", repr(parts)).encode(),
        "idrosim/shim/hardware/pins.py": BOARD_PINS,
        "idrosim/shim/hardware/timers.py": b"def block(duration_us):\n    pass\n",
    }
    for module in (ds18b20, onewire_bus, part_faults, onewire):
        found[f"{module.__name__.replace('.', '/')}.py"] = Path(module.__file__).read_bytes()
    return found


@pytest.fixture
def board_file(tmp_path):
    path = tmp_path / f"{NAME}.toml"
    path.write_text(WHOLE)
    return path


def test_shows_which_is_which_who_is_missing_and_who_is_not_expected(
    plug_in, run_cli, board_file
):
    board = plug_in(has_loader=False)
    board.hold(modules([(ROMS["reservoir"], 21.5), (STRANGER, -4.0), (ROMS["air"], 29.8125)]))
    done = run_cli("board", "scan", str(board_file), "--port", board.port)
    assert not done.err
    assert done.out.splitlines() == [
        "onewire.main; to see which is which, warm one in your hand and scan again:",
        "2800000000000140        29.81 C  air",
        "280a1b2c3d4e5fac        21.50 C  reservoir",
        f"{STRANGER}        -4.00 C  not on this board",
        "28ff010203040562        missing  mixing",
    ]
    assert done.code == 1
    wait_until(lambda: board.resets == 1, 5, "the board starts again")


def test_one_that_is_alone_on_its_line_needs_no_code(plug_in, run_cli, board_file):
    board = plug_in(has_loader=False)
    board_file.write_text(TEXT + thermometer("air"))
    board.hold(modules([(STRANGER, 20.0)]))
    done = run_cli("board", "scan", str(board_file), "--port", board.port, "--json",
                   "--line", "onewire.main")
    assert not done.err
    assert done.code == 0
    assert json.loads(done.out) == [{"line": "onewire.main", "rom": STRANGER, "temp_c": 20.0,
                                     "answer": "answers", "source": "air"}]


def test_a_line_that_the_board_does_not_have_is_refused(plug_in, run_cli, board_file):
    board = plug_in(has_loader=False)
    done = run_cli("board", "scan", str(board_file), "--port", board.port, "--line", "rs485.main")
    assert done.code == 1
    assert done.err.strip() == \
        "idroserra: relay-kit.toml: rs485.main: no such line; --line: onewire.main"


def test_a_line_that_is_low_is_an_error(plug_in, run_cli, board_file):
    board = plug_in(has_loader=False)
    low = {"hardware.py": BOARD_HARDWARE.replace(b"{4: 1}", b"{4: 0}")}
    board.hold(modules([(STRANGER, 20.0)]) | low)
    done = run_cli("board", "scan", str(board_file), "--port", board.port)
    assert done.code == 1
    assert "onewire.main: the line is low" in done.err
    wait_until(lambda: board.resets == 1, 5, "the board starts again")


ALONE = [{"source": "air"}]


@pytest.mark.parametrize(("roms", "sensors", "found"), [
    ([], ALONE, [("", "missing", "air")]),
    ([ROMS["air"]], ALONE, [(ROMS["air"], "answers", "air")]),
    ([ROMS["air"], STRANGER], ALONE, [
        (ROMS["air"], "answers", ""), (STRANGER, "answers", ""), ("", "needs a code", "air")]),
    ([STRANGER], [{"source": "air", "rom": ROMS["air"]}], [
        (STRANGER, "answers", ""), (ROMS["air"], "missing", "air")]),
    ([], [], []),
])
def test_the_places_of_what_is_found(roms, sensors, found):
    scratchpad = bytes.fromhex("45014B467FFF0C10EA")
    parts = onewire_scan.matched(
        [bytes.fromhex(rom) for rom in roms], [scratchpad] * len(roms), sensors)
    assert [(one.rom, one.answer, one.source) for one in parts] == found


@pytest.mark.parametrize(("rom", "scratchpad", "reading"), [
    (ROMS["air"], "90FC4B467FFF0C104F", (-55.0, "answers")),
    (ROMS["air"], "90FC4B467FFF0C104E", (None, "damaged")),
    (ROMS["air"], "00" * 9, (None, "damaged")),
    (ROMS["air"], "50054B467FFF0C101C", (None, "no conversion")),
    (ROMS["air"][:-1] + "1", "90FC4B467FFF0C104F", (None, "damaged")),
    ("00" * 8, "90FC4B467FFF0C104F", (None, "damaged")),
    ("021cb801000000a2", "90FC4B467FFF0C104F", (None, "another kind")),
])
def test_a_reading_is_a_temperature_or_says_why_not(rom, scratchpad, reading):
    assert onewire_scan.reading(bytes.fromhex(rom), bytes.fromhex(scratchpad)) == reading


def test_what_is_no_answer_is_an_error():
    with pytest.raises(FlashError, match="COM9: the board printed 'Traceback'"):
        literal("COM9", "Traceback\n")

"""`idroserra flash` refuses a board without PSRAM as soon as it can tell, and says what to buy."""

import pytest

from idroserra.flash import psram
from idroserra.flash.errors import FlashError
from idroserra.flash.esptool import Chip
from idroserra.flash.micropython_bin import read_binary
from support.flash_rig import BOARD

BUY = "buy a board with an ESP32-S3 N16R8 module (recommended) or an ESP32-WROVER module, or a " \
      "LOLIN S2 mini"
# sys.implementation._machine of the stock images ESP32_GENERIC_S3-SPIRAM_OCT and ESP32_GENERIC_S3.
OCTAL = "Generic ESP32S3 module with Octal-SPIRAM with ESP32S3"
QUAD = "Generic ESP32S3 module with ESP32S3"


def flash(run_cli, board, name=BOARD, *words):
    """Return what the command says about a board that it refuses."""
    said = run_cli("flash", name, "--port", board.port, "--yes", *words)
    assert said.code == 1, said.out
    assert BUY in said.err
    return said.err


@pytest.mark.parametrize(("chip", "described"), [
    ("esp32c3", "ESP32-C3"), ("esp32c6", "ESP32-C6")])
def test_a_chip_that_no_module_gives_psram_is_left_as_it_is(
    plug_in, run_cli, binary_file, chip, described
):
    board = plug_in(chip, has_micropython=False)
    err = flash(run_cli, board, BOARD, "--micropython", str(binary_file()))
    assert f"the {described}" in err
    assert "is not supported: it has no PSRAM Nothing was written." in err
    assert not board.has_micropython


def test_another_unsupported_chip_is_not_said_to_have_no_psram():
    chip = Chip("esp32p4", "ESP32-P4", "24:0a:c4:00:00:01", 16 << 20, "High-Performance MCU")
    with pytest.raises(FlashError, match=r"the ESP32-P4 is not supported\nNothing was written"):
        psram.check_chip("/dev/ttyUSB0", chip)


def test_an_s3_without_psram_in_its_package_is_left_as_it_is(plug_in, run_cli, binary_file):
    board = plug_in("esp32s3", has_micropython=False)
    err = flash(run_cli, board, "esp32s3-ezo", "--micropython", str(binary_file("esp32s3")))
    assert "has no PSRAM in its package Nothing was written." in err
    assert not board.has_micropython


@pytest.mark.parametrize(("name", "features"), [
    ("esp32", "Wi-Fi, BT, Dual Core + LP Core, 240MHz"),  # a WROVER or a WROOM
    ("esp32s2", "Wi-Fi, Single Core, 240MHz, No Embedded Flash, No Embedded PSRAM"),  # of a WROVER
    ("esp32s3", "Wi-Fi, BT 5 (LE), Dual Core + LP Core, 240MHz, Embedded PSRAM 8MB (AP_3v3)"),
])
def test_a_chip_that_may_have_psram_is_not_refused(binary_file, name, features):
    chip = Chip(name, name, "24:0a:c4:00:00:01", 4 << 20, features)
    psram.check_chip("/dev/ttyUSB0", chip)
    psram.check_package("/dev/ttyUSB0", chip, read_binary(binary_file(name), name))


def s3_of(features):
    return Chip("esp32s3", "ESP32-S3", "24:0a:c4:00:00:01", 8 << 20, f"Wi-Fi, {features} (AP_3v3)")


@pytest.mark.parametrize(("features", "machine", "why"), [
    ("Embedded PSRAM 2MB", OCTAL, r"for octal PSRAM, the ESP32-S3 has 2 MB of quad .*\n.*-quad"),
    ("Embedded PSRAM 8MB", QUAD, r"for quad PSRAM, the ESP32-S3 has 8 MB of octal "),
    ("Embedded PSRAM 16MB", QUAD, "16 MB of octal"),
])
def test_an_s3_keeps_its_micropython_when_the_other_is_for_the_other_kind_of_psram(
    binary_file, features, machine, why
):
    binary = read_binary(binary_file("esp32s3", machine=machine), "esp32s3")
    with pytest.raises(FlashError, match=why):
        psram.check_package("/dev/ttyUSB0", s3_of(features), binary)


@pytest.mark.parametrize(("features", "machine"), [
    ("Embedded PSRAM 2MB", QUAD), ("Embedded PSRAM 8MB", OCTAL), ("Embedded PSRAM 16MB", OCTAL),
    ("Embedded PSRAM 4MB", OCTAL), ("Embedded PSRAM 2MB", "Another board with ESP32S3"),
    ("Embedded PSRAM 8MB", "Another board with ESP32S3"),
])
def test_an_s3_gets_the_micropython_for_its_psram(binary_file, features, machine):
    binary = read_binary(binary_file("esp32s3", machine=machine), "esp32s3")
    psram.check_package("/dev/ttyUSB0", s3_of(features), binary)


def test_a_micropython_that_finds_no_psram_gets_no_files(plug_in, run_cli):
    board = plug_in(heap="192K")
    board.hold({"data/settings.a": b"kept"})
    err = flash(run_cli, board)
    assert "MicroPython finds no PSRAM: " in err
    assert "of heap are free, the node needs 245 kB No file was sent." in err
    assert "install the MicroPython for it: `idroserra flash BOARD --micropython FILE`" in err
    assert board.files() == {"data/settings.a": b"kept"}


def test_after_the_first_start_of_a_new_micropython_it_gets_no_files(
    plug_in, run_cli, binary_file
):
    board = plug_in(has_micropython=False, heap="192K")
    err = flash(run_cli, board, BOARD, "--micropython", str(binary_file()))
    assert "MicroPython finds no PSRAM: " in err
    assert board.has_micropython
    assert board.files() == {}

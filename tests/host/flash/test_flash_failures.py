"""What `idroserra flash` says, and what it left on the board, when something goes wrong."""

import json
import os
import pty
import random
import signal
import subprocess
import sys

import pytest

from idroserra.flash import ports
from idroserra.flash.board_link import BoardLink
from idroserra.flash.errors import ConnectionLost, FlashError
from idroserra.flash.esptool import Esptool
from support.flash_rig import BOARD
from support.slow_line import SlowLine
from support.wait import wait_until

HOLD = """
import serial, sys
port = serial.Serial(sys.argv[1], exclusive=True)
print("it is held", flush=True)
sys.stdin.read()
"""


def test_port_busy_names_the_program_that_has_it(plug_in, run_cli):
    board = plug_in()
    with subprocess.Popen([sys.executable, "-c", HOLD, board.port], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline()
        said = run_cli("flash", BOARD, "--port", board.port, "--yes")
        assert said.code == 1
        assert f"{board.port}: the port is busy: python" in said.err
        assert f"(process {holder.pid}) has it open Close it" in said.err
        holder.stdin.close()
    assert board.files() == {}


def test_permission_denied_says_which_group(tmp_path):
    port = tmp_path / "ttyUSB0"
    port.touch()
    port.chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65_534)
    try:
        with pytest.raises(FlashError, match="permission denied") as raised:
            ports.check_available(str(port))
    finally:
        if is_root:
            os.seteuid(0)
    assert "usermod -aG dialout" in str(raised.value)


def test_no_such_port_lists_those_there_are(run_cli, tmp_path):
    said = run_cli("flash", BOARD, "--port", str(tmp_path / "none"), "--yes")
    assert (said.code, "no such port" in said.err) == (1, True)
    assert "Ports with a board:" in said.err


def test_the_watchdog_of_the_firmware_waits_for_the_end_of_the_session(plug_in):
    board = plug_in()
    with BoardLink(board.port) as link:
        assert link.enter_raw_repl() is not None
    assert board.watchdog_starts_ms() == [3_600_000]


def test_another_chip_is_left_as_it_is(plug_in, run_cli, binary_file):
    board = plug_in("esp32s3", has_micropython=False)
    said = run_cli("flash", BOARD, "--port", board.port, "--micropython", str(binary_file()),
                   "--yes")
    assert said.code == 1
    assert "the chip is an ESP32-S3" in said.err
    assert f"the board file of {BOARD} says esp32 Nothing was written." in said.err
    assert not board.has_micropython


def test_no_chip_answers(run_cli):
    master, slave = pty.openpty()
    try:
        said = run_cli("flash", BOARD, "--port", os.ttyname(slave), "--yes")
    finally:
        os.close(master)
        os.close(slave)
    assert said.code == 1
    assert "no chip answers" in said.err
    assert "Hold the button BOOT" in said.err


def test_no_micropython_answers(plug_in, run_cli):
    board = plug_in(has_micropython=False)
    said = run_cli("flash", BOARD, "--port", board.port, "--yes")
    assert said.code == 1
    assert "press and release the button EN (RST)" in said.err
    assert "no MicroPython answers on the board Install it with --micropython" in said.err


def test_another_firmwares_data_in_the_place_of_files(run_cli, plug_in):
    board = plug_in()
    board.says = (b"The filesystem appears to be corrupted. If you had important data there, you\n"
                  b"may want to make a flash snapshot to try to recover it.\n")
    said = run_cli("flash", BOARD, "--port", board.port, "--yes")
    assert said.code == 1
    assert "is corrupt, or is not MicroPython's Erase the board" in said.err
    assert "--erase" in said.err


def test_out_of_space_is_seen_before_anything_is_sent(plug_in, run_cli, image_files):
    board = plug_in(blocks=200)
    board.hold({"data/outbox": bytes(500_000), "boot.py": b"old"})
    said = run_cli("flash", BOARD, "--port", board.port, "--yes")
    assert said.code == 1
    assert "the board is out of space:" in said.err
    assert "of 800 kB are free" in said.err
    assert "data/outbox (500000 bytes)" in said.err
    assert board.files().keys() == {"data/outbox", "boot.py"}


def test_cable_dies_while_files_are_sent_and_the_next_run_goes_on(
    plug_in, run_cli, image_files
):
    half = plug_in(prompt_bytes=150_000)
    half.hold({"main.py": b"old"})
    said = run_cli("flash", BOARD, "--port", half.port, "--yes", "--json")
    assert said.code == 1
    assert "the board went away while idro/" in said.err
    assert "main.py is written last" in said.err
    there = half.files()
    assert "main.py" not in there
    whole = {name for name, data in there.items() if image_files.get(name) == data}
    assert whole
    again = plug_in()
    said = run_cli("flash", BOARD, "--port", again.port, "--yes", "--json")
    assert said.code == 0, said.err
    answer = json.loads(said.out)
    assert answer["files_kept"] == len(whole)
    assert answer["files_sent"] == len(image_files) - len(whole)
    assert again.files() == image_files


# What MicroPython says while a file is opened and its first part arrives: R\x01 and the window
# (5 bytes), three times \x04 and the prompt (4), again R\x01 and the window, \x01 per window.
WINDOW_HEADER_BYTES, IN_MID_PASTE_BYTES = 2, 5 + 4 + 5 + 3


def test_a_board_that_answers_late_is_waited_for(plug_in):
    board = plug_in()
    data = bytes(range(256)) * 16
    with BoardLink(board.port) as link:
        assert link.enter_raw_repl() is not None
        for answer_bytes in (WINDOW_HEADER_BYTES, IN_MID_PASTE_BYTES):
            board.fall_silent(answer_bytes, 3)
            link.put("data", data, lambda _: None)
    assert board.files() == {"data": data}


@pytest.mark.parametrize("answer_bytes", [
    1, WINDOW_HEADER_BYTES, WINDOW_HEADER_BYTES + 1, IN_MID_PASTE_BYTES])
def test_a_board_that_falls_silent_is_lost(plug_in, answer_bytes):
    board = plug_in()
    with BoardLink(board.port) as link:
        assert link.enter_raw_repl() is not None
        link.silence_s = 0.2
        board.fall_silent(answer_bytes, 600)
        with pytest.raises(ConnectionLost, match="went away while data was sent"):
            link.put("data", bytes(4_096), lambda _: None)


def test_ctrl_c_says_in_which_state_the_board_is(plug_in):
    board = plug_in()
    command = [sys.executable, "-m", "idroserra.cli", "flash", BOARD, "--port", board.port, "-y"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True) as flashing:
        wait_until(lambda: board.heard_bytes > 60_000, 60, "files to be sent")
        flashing.send_signal(signal.SIGINT)
        _, err = flashing.communicate()
    assert flashing.returncode != 0
    assert "interrupted: the board does not start until" in err
    assert "main.py" not in board.files()


def test_cable_dies_while_micropython_is_written(plug_in, run_cli, binary_file):
    board = plug_in(has_micropython=False, loader_bytes=60_000)
    micropython = binary_file(app_bytes=200_000)
    said = run_cli("flash", BOARD, "--port", board.port, "--micropython", str(micropython),
                   "--yes")
    assert said.code == 1
    assert "the board went away while MicroPython was written" in said.err
    assert board.files() == {}


def test_chip_falls_silent_while_micropython_is_written(plug_in, tmp_path):
    board = plug_in(has_micropython=False)
    path = tmp_path / "application.bin"
    path.write_bytes(random.Random(1).randbytes(200_000))
    with pytest.raises(ConnectionLost, match="went away while MicroPython was written"):
        Esptool(board.port).write([(0x10000, path)], lambda _: board.fall_silent(1, 600))


def test_an_answer_that_is_cut_in_the_middle_is_asked_for_again(plug_in):
    board = plug_in(has_micropython=False)
    board.fall_silent(200, 4)  # esptool waits 3 s for the rest
    assert Esptool(board.port).chip().name == "esp32"


def test_an_image_with_holes_again_is_refused(plug_in, run_cli, image_files):
    board = plug_in()
    newer = json.loads(image_files["manifest.json"]) | {"security_counter": 7}
    board.hold({"manifest.json": json.dumps(newer).encode()})
    said = run_cli("flash", BOARD, "--port", board.port, "--yes")
    assert said.code == 1
    assert "security counter 7, this one has 1: it is older and vulnerable" in said.err
    assert board.files().keys() == {"manifest.json"}
    said = run_cli("flash", BOARD, "--port", board.port, "--allow-older", "--dry-run")
    assert said.code == 0, said.err


def test_an_image_older_than_a_release_over_the_air_is_refused(plug_in, run_cli):
    board = plug_in()
    board.run("n=esp32.NVS('idro');n.set_i32('security_b',7);n.commit()")
    said = run_cli("flash", BOARD, "--port", board.port, "--yes")
    assert said.code == 1
    assert "security counter 7, this one has 1: it is older and vulnerable" in said.err
    assert not board.files()
    said = run_cli("flash", BOARD, "--port", board.port, "--allow-older", "--dry-run")
    assert said.code == 0, said.err


def test_erase_without_micropython_is_a_wrong_call(run_cli):
    said = run_cli("flash", BOARD, "--erase")
    assert (said.code, "--erase" in said.err) == (2, True)


def test_a_chip_behind_a_slow_network_is_detected(plug_in):
    board = plug_in(has_micropython=False)
    line = SlowLine(board.port, 0.2)
    try:
        chip = Esptool(line.port, reset=lambda into_loader: None).chip()
    finally:
        line.close()
    assert chip.name == "esp32"

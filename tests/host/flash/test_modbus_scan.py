"""`board scan` over USB: a board whose UART leads to simulated probes, in real time."""

import json
from pathlib import Path

import pytest

from idroserra.flash import modbus_scan
from idrosim.devices.shared import modbus_line
from support.wait import wait_until

# machine.UART and Pin of the board, and two probes on its line; at 4 one whose answers are cut.
HARDWARE = b"""
import time
from modbus_line import ModbusLine, ModbusSlave

class Clock:
    @property
    def now_us(self):
        return time.ticks_us()

line = ModbusLine(Clock(), 9_600)
for address in (2, 4, 5):
    line.slaves[address] = ModbusSlave(lambda function: {0: 1, 1: 580, 2: 700})
line.slaves[4].fault = "cut"
line.slaves[5].fault = "refused"

def Pin(number, mode=None, value=None):
    return number

class UART:
    def __init__(self, number, baudrate, parity, tx, rx, timeout):
        assert (number, baudrate, parity, tx, rx, timeout) == (1, 9_600, None, 17, 16, 0)
    def write(self, data):
        line.write(data)
    def flush(self):
        time.sleep_ms(9)
    def read(self):
        return line.read() or None
"""
BOARD = """
[board]
name = "two-probes"
chip = "esp32s3"

[rs485.main]
tx_pin = 17
rx_pin = 16
baud = 9_600
""" + "".join(f"""
[[sensor]]
source = "{source}"
part = "sup_ph8001"
measures = ["ph"]
bus = "rs485.main"
address = {address}
""" for source, address in (("reservoir", 2), ("mixing", 3)))


@pytest.fixture
def board_file(tmp_path):
    path = tmp_path / "two-probes.toml"
    path.write_text(BOARD)
    return str(path)


def test_shows_who_answers_who_is_missing_and_who_is_not_expected(plug_in, run_cli, board_file):
    board = plug_in(has_loader=False)
    twin = Path(modbus_line.__file__).read_bytes()
    board.hold({"hardware.py": HARDWARE, "modbus_line.py": twin})
    done = run_cli("board", "scan", board_file, "--port", board.port, "--last", "5", "--json")
    assert not done.err
    assert done.code == 1  # the probe at 3 is missing
    assert [(one["address"], one["answer"], one["part"]) for one in json.loads(done.out)
            if one["line"] == "rs485.main"] == [
        (2, "answers", "sup_ph8001"), (3, "silent", "sup_ph8001"), (4, "damaged", ""),
        (5, "exception 2", "")]
    assert done.code == 1  # the probe at 3 is missing
    wait_until(lambda: board.resets == 1, 5, "the board starts again")


def test_a_board_without_a_line_is_refused(plug_in, run_cli):
    board = plug_in(has_loader=False)
    done = run_cli("board", "scan", "esp32-climate", "--port", board.port)
    assert done.code == 1
    assert "esp32-climate.toml: this board has no line to scan" in done.err


@pytest.mark.parametrize(("answer", "meaning"), [
    ("", "silent"), ("0103020001", "damaged"), ("010302000179", "damaged"),
    ("01030200017984", "answers"), ("018302c0f1", "exception 2"), ("02030200013d84", "damaged")])
def test_the_meaning_of_an_answer(answer, meaning):
    asked = modbus_scan.request(1, None)
    assert asked == bytes.fromhex("010300000001840a")
    assert modbus_scan.meaning(asked, bytes.fromhex(answer)) == meaning

"""Tests that the firmware decodes every byte string of tests/oracle/hw_ezo_i2c.csv."""

from idro.drivers.shared.ezo_i2c import EzoI2c
from support.portable_fakes import FakeClock, FakeI2c, fault_of, oracle, run

ADDRESS = 0x63
# transaction: the text of the answer, or the fault
TEXTS = {
    "write R, read 7 bytes >=900 ms, pH 9.560": "9.560",
    "write R, read >=600 ms, EC 1413 uS": "1413",
    "write T,19.5 ; read >=300 ms": "",
    "write T,? ": "?T,19.5",
    "write Cal,mid,7.00 ; >=900 ms": "",
    "write Cal,? (pH)": "?Cal,2",
    "write Cal,? (EC)": "?CAL,1",
    "write Cal,dry ; >=600 ms": "",
    "write Slope,?": "?Slope,99.7,100.3,-0.89",
    "write i": "?i,pH,2.15",
    "write Status": "?Status,P,5.038",
    "write K,?": "?K,1.0",
    "write O,?": "?,O,EC,TDS,S,SG",
}
FAULTS = {
    "write R, read <900 ms (pH) / <600 ms (EC)": "timeout",
    "read with no command pending": "no_ack",
    "write XYZ, read after 300 ms": "crc",
}
SLEEP = "write Sleep ; read"


class Recorded:
    """A part that answers every command with the bytes of the table, padded with NUL."""

    def __init__(self, answer):
        self._answer = answer

    def write(self, data):
        pass

    def read(self, count):
        if self._answer is None:
            raise OSError(19)
        return (self._answer + bytes(count))[:count]


def exchange(cells):
    clock = FakeClock()
    answer = None if cells[1].startswith("(") else bytes.fromhex(cells[1])
    line = EzoI2c("ezo_ph", FakeI2c(clock, {ADDRESS: Recorded(answer)}), ADDRESS, clock)
    return line.exchange("R", 900)


def test_every_answer_is_decoded():
    seen = set()
    for cells in oracle("hw_ezo_i2c.csv"):
        transaction = cells[0].strip()
        seen.add(cells[0])
        if cells[0] in TEXTS:
            assert run(exchange(cells)) == TEXTS[cells[0]], transaction
        elif cells[0] in FAULTS:
            assert fault_of(exchange(cells)) == FAULTS[cells[0]], transaction
        else:
            assert transaction == SLEEP, transaction
            try:
                run(exchange(cells))
                raise AssertionError("a sleeping circuit answered")
            except OSError:
                continue  # with_retries turns it into no_ack
    assert seen == set(TEXTS) | set(FAULTS) | {SLEEP}

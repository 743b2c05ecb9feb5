"""Tests of the Modbus driver and the twin of its line: frames, silences, faults, misuse."""

from idro.drivers import modbus as driver
from idro.drivers.shared import modbus_rtu as rtu
from idro.errors import SensorError
from idrosim.devices import modbus as device
from idrosim.devices.shared.modbus_line import FAULTS, ModbusLine, ModbusSlave, crc_of
from support.portable_fakes import FakeClock, LineUart, fault_of, refusal_of, run

TIMEOUT_MS = 300
PH = ("ph", 0, ">H", False, 1, 100, 0, 0, 14)
UNIT = ("", 2, ">H", False, 1, 1, 0, 2, 2)
READS = ((3, 1, 2, (PH, UNIT)),)
# What a slave does wrong, and the fault of the reading. A late or doubled answer is an answer.
FAULT_CODES = {
    "unplugged": "no_ack", "noisy": "crc", "cut": "crc", "late": None, "doubled": None,
    "foreign": "crc", "occupied": "timeout", "refused": "mismatch"}


class Bench:
    """A driver on a line with slaves at addresses 1 and 2, `ph` at both."""

    def __init__(self, reads=READS, has_pin=True, settle_ms=0, baud=9_600):
        self.clock = FakeClock()
        self.line = ModbusLine(self.clock, baud, has_driver_pin=has_pin)
        self.uart = LineUart(self.clock, self.line)
        pin = Driver(self.line) if has_pin else None
        self.bus = rtu.ModbusBus(self.uart, pin, self.clock, baud, 10)
        self.signals = {"ph": lambda: self.ph}
        self.ph = 5.8
        self.slaves = {}
        self.probes = {}
        for address in (1, 2):
            slave = ModbusSlave(lambda function: device.words(reads, self.signals, function))
            self.line.slaves[address] = self.slaves[address] = slave
            spec = {"source": "reservoir", "part": "probe", "address": address, "reads": reads,
                    "timeout_ms": TIMEOUT_MS, "settle_ms": settle_ms}
            self.probes[address] = driver.build(spec, self.bus, self.clock, {})

    def read(self, address=1):
        return run(self.probes[address].read({}))

    def fault(self, address=1):
        return fault_of(self.probes[address].read({}))


class Driver:
    """The pin of the transceiver."""

    def __init__(self, line):
        self._line = line

    def value(self, level):
        self._line.set_level(level)


def test_crc_and_request_are_those_of_the_standard():
    # Modbus over Serial Line V1.02, appendix B, and the manual of SEN0604.
    assert rtu.crc16(b"\x02\x07") == 0x1241
    assert rtu.crc16(b"123456789") == 0x4B37
    assert rtu.request(1, 3, 0, 1) == b"\x01\x03\x00\x00\x00\x01\x84\x0a"
    for data in (b"", b"\x00", b"\xff" * 9, bytes(range(256))):
        assert rtu.crc16(data).to_bytes(2, "little") == crc_of(data)


def test_reads_with_a_driver_pin_and_with_an_automatic_transceiver():
    for has_pin in (True, False):
        for baud in (4_800, 9_600, 19_200, 115_200):
            bench = Bench(has_pin=has_pin, baud=baud)
            for ph in (4.01, 5.8, 7.0, 14.0):
                bench.ph = ph
                assert bench.read(1)["ph"] == bench.read(2)["ph"] == ph, (has_pin, baud)


def test_hears_its_own_request_without_harm():
    bench = Bench(has_pin=False)
    bench.uart.has_echo = True
    assert bench.read()["ph"] == 5.8
    bench.slaves[1].fault = "unplugged"
    assert bench.fault() == "no_ack"


def test_every_fault_of_a_slave_is_a_fault_and_leaves_the_others():
    assert set(FAULT_CODES) == set(FAULTS) == set(device.FAULTS)
    for name, fault in FAULT_CODES.items():
        bench = Bench()
        bench.slaves[1].fault = name
        for _ in range(4):
            if fault is None:
                assert bench.read(1)["ph"] == 5.8
            else:
                assert bench.fault(1) == fault, name
            assert bench.read(2)["ph"] == 5.8, name
            bench.clock.advance_ms(5_000)
        bench.slaves[1].fault = None
        assert bench.read(1)["ph"] == 5.8, name


def test_a_silent_probe_costs_the_others_little_time():
    bench = Bench()
    bench.slaves[1].fault = "unplugged"
    before_ms = bench.clock.now_ms()
    assert bench.fault(1) == "no_ack"
    assert bench.clock.now_ms() - before_ms < 3 * (TIMEOUT_MS + 60)
    for _ in range(3):
        before_ms = bench.clock.now_ms()
        assert bench.fault(1) == "no_ack"
        assert bench.read(2)["ph"] == 5.8
        assert bench.clock.now_ms() - before_ms < TIMEOUT_MS + 120


def test_a_line_that_never_falls_silent_is_bounded():
    bench = Bench()
    bench.read()
    bench.uart.babble = b"\x55"
    before_ms = bench.clock.now_ms()
    assert bench.fault() in ("timeout", "crc")
    assert bench.clock.now_ms() - before_ms < 3_000


def test_a_failure_of_the_uart_is_a_fault():
    for is_lost in (False, True):
        bench = Bench()
        if is_lost:
            bench.slaves[1].fault = "unplugged"
            assert bench.fault() == "no_ack"
        bench.uart.write = refuse
        assert bench.fault() == "no_ack"
        assert bench.fault() == "no_ack"
        assert not bench.line._is_driven


def refuse(data):
    raise OSError(5)


def test_a_probe_settles_after_power_on_and_after_a_silence():
    bench = Bench(settle_ms=10_000)
    assert bench.fault() == "stale"
    bench.clock.advance_ms(10_000)
    assert bench.read()["ph"] == 5.8
    bench.slaves[1].fault = "unplugged"
    assert bench.fault() == "no_ack"
    bench.slaves[1].fault = None
    assert bench.fault() == "stale"
    bench.clock.advance_ms(10_001)
    assert bench.read()["ph"] == 5.8


def test_a_number_outside_the_valid_range_is_a_fault():
    for value, form in ((15.0, ">H"), (float("nan"), ">f"), (float("inf"), ">f"), (-0.1, ">h")):
        bench = Bench((((3, 0, 2, (("ph", 0, form, False, 1, 100, 0, 0, 14),))),))
        bench.ph = value
        assert bench.fault() == "out_of_range", (value, form)


def test_a_register_that_must_be_fixed_is_checked():
    bench = Bench()
    wrong = (("", 2, ">H", False, 1, 1, 0, 1, 1), PH)
    bench.line.slaves[1] = ModbusSlave(
        lambda function: device.words(((3, 1, 2, wrong),), bench.signals, function))
    assert bench.fault() == "mismatch"


def test_types_and_orders():
    cases = ((">h", False, -1234.0), (">H", False, 65_000.0), (">i", False, -70_000.0),
             (">I", False, 4_000_000_000.0), (">f", False, 1.5), (">f", True, 1.5),
             ("<f", False, 1.5), ("<f", True, 1.5), (">I", True, 100_000.0), ("<h", False, 258.0))
    for form, is_swapped, value in cases:
        field = ("ph", 0, form, is_swapped, 1, 1, 0, -2e5, 5e9)
        bench = Bench(((4, 9, 1 if form[1] in "hH" else 2, (field,)),))
        bench.ph = value
        assert bench.read()["ph"] == value, (form, is_swapped)
    # 123456.0 as the manuals print it, byte by byte.
    orders = {(">", False): "47f12000", (">", True): "200047f1", ("<", True): "f1470020",
              ("<", False): "0020f147"}
    for (order, is_swapped), content in orders.items():
        field = ("k", 0, order + "f", is_swapped, 1, 1, 0, 0, 1e9)
        assert driver._value("p", bytes.fromhex(content), field) == ("k", 123_456.0)


def test_scale_and_offset():
    field = ("temp_c", 0, ">h", False, 5, 90, -17.5, -40, 85)
    assert driver._value("p", b"\x03\x84", field) == ("temp_c", 32.5)


def test_the_change_of_the_electrode_is_the_spread():
    signal = ("signal_uv", 2, ">h", False, 100, 1, 0, -1e7, 1e7)  # as the map gives it
    bench = Bench(((3, 1, 2, (PH, signal)),))
    bench.signals["signal_uv"] = lambda: bench.signal_uv
    bench.signal_uv = 71_000
    probe = bench.probes[1]
    bench.read()
    assert probe.spread_uv is None
    bench.signal_uv = 70_300
    bench.read()
    assert (probe.spread_uv, probe.signal_uv) == (700, 70_300)
    bench.slaves[1].fault = "cut"
    bench.fault()
    assert probe.spread_uv is probe.signal_uv is None


def test_an_answer_for_another_register_is_never_taken():
    """Two reads of one shape, and an answer that comes twice, or late: after the next request."""
    first = ("ph", 0, ">H", False, 1, 1, 0, 0, 60_000)
    second = ("ec_us_cm", 0, ">H", False, 1, 1, 0, 0, 60_000)
    for fault in ("doubled", "late"):
        bench = Bench(((3, 6, 1, (first,)), (3, 0x15, 1, (second,))))
        bench.signals["ph"] = lambda: 600
        bench.signals["ec_us_cm"] = lambda: 1_500
        slave = bench.slaves[1]
        for count in range(20):
            slave.fault = fault if count % 3 == 0 else None
            try:
                found = bench.read()
            except SensorError:
                found = {"ph": 600, "ec_us_cm": 1_500}
            assert found == {"ph": 600, "ec_us_cm": 1_500}
            bench.clock.advance_ms(1_000)


def test_an_answer_may_be_that_of_an_earlier_try():
    """The first try is answered during the second, and the second during the next register."""
    fields = [(key, 0, ">H", False, 1, 1, 0, 0, 60_000) for key in ("ph", "temp_c", "ec_us_cm")]
    bench = Bench(((3, 6, 1, fields[:1]), (3, 0x12, 2, fields[1:2]), (3, 0x15, 1, fields[2:])))
    bench.signals = {"ph": lambda: 600, "temp_c": lambda: 21, "ec_us_cm": lambda: 1_500}
    for second_us in range(600_000, 1_000_000, 10_000):
        delays = [345_000, second_us, 0, 2_000_000]
        bench.slaves[1].on_the_wire = lambda frame, left=delays: [
            (left.pop(0) if left else 0, frame)]
        try:
            found = bench.read()
        except SensorError:
            continue
        finally:
            bench.clock.advance_ms(3_000)
        assert found == {"ph": 600, "temp_c": 21, "ec_us_cm": 1_500}, second_us


def test_eight_probes_fill_four_fifths_of_the_line():
    bench = Bench()
    for address in range(3, 9):
        bench.line.slaves[address] = bench.slaves[1]
        spec = {"source": "s", "part": "probe", "address": address, "reads": READS,
                "timeout_ms": TIMEOUT_MS, "settle_ms": 0}
        bench.probes[address] = driver.build(spec, bench.bus, bench.clock, {})
    bench.read()
    line = bench.line
    line.wire_us, before_us = 0.0, bench.clock.now_us
    for _ in range(10):
        for address in range(1, 9):
            assert bench.read(address)["ph"] == 5.8
    share = line.wire_us / (bench.clock.now_us - before_us)
    print(f"{share:.3f} of the line's rate")
    assert share >= 0.80


def test_the_line_punishes_misuse():
    ask = rtu.request(1, 3, 1, 2)

    def misuse(*steps):
        bench = Bench()
        bench.clock.advance_ms(100)
        for step in steps[:-1]:
            step(bench)
        return refusal_of(AssertionError, steps[-1], bench)

    def enable(bench):
        bench.line.set_level(1)

    def disable(bench):
        bench.line.set_level(0)

    def send(bench):
        bench.line.write(ask)

    def wait(count_ms):
        return lambda bench: bench.clock.advance_ms(count_ms)

    assert "not enabled" in misuse(send)
    assert "before the last bit" in misuse(enable, send, wait(8), disable)
    assert "while a slave answers" in misuse(enable, send, wait(13), disable)
    assert "while a slave answers" in misuse(enable, send, wait(30), lambda b: b.line.read())
    assert "while a slave answers" in misuse(enable, send, wait(9), disable, wait(5), enable, send)
    assert "of silence" in misuse(enable, send, wait(9), disable, wait(14), enable, send)
    assert "broadcast" in misuse(enable, lambda b: b.line.write(rtu.request(0, 3, 0, 1)))


def test_a_slave_answers_only_whole_requests_to_itself():
    bench = Bench()
    for wrong in (rtu.request(1, 3, 1, 2)[:-1] + b"\x00", rtu.request(9, 3, 1, 2)):
        bench.clock.advance_ms(100)
        bench.line.set_level(1)
        bench.line.write(wrong)
        bench.clock.advance_ms(9)
        bench.line.set_level(0)
        bench.clock.advance_ms(100)
        assert bench.line.read() == b""
    assert bench.line.silent_count == 2
    bench.line.set_level(1)
    body = b"\x00\x06\x07\xd0\x00\x05"
    bench.line.write(body + crc_of(body))
    bench.clock.advance_ms(100)
    assert bench.line.read() == b""
    assert bench.line.broadcasts == [body]


def test_a_slave_answers_what_it_cannot_serve_with_an_exception():
    slave = Bench().slaves[1]
    for body, code in (("010400010002", 1), ("010300090002", 2), ("010300010000", 3),
                       ("01030001007e", 3)):
        answer = slave.answer(1, bytes.fromhex(body))
        assert answer == bytes((1, int(body[2:4]) | 0x80, code)), body


def test_a_master_that_breaks_the_rules_is_detected():
    bench = Bench()
    bench.uart.flush = lambda: None
    assert "before the last bit" in refusal_of(AssertionError, bench.read)
    bench = Bench()
    bench.uart.flush = lambda: bench.clock.advance_ms(30)
    assert "while a slave answers" in refusal_of(AssertionError, bench.read)
    bench = Bench()
    bench.read()
    bench.bus._silence_ms = 0
    assert "of silence" in refusal_of(AssertionError, lambda: [bench.read() for _ in range(9)])

"""Tests of the EZO-RTD driver: commands and wait times, scales and faults, on I2C and UART."""

from idro.drivers import ezo_rtd as driver
from idrosim.devices.ezo_rtd import EzoRtd
from support.ezo_bench import Bench
from support.portable_fakes import fault_of, run

ADDRESS = 0x66
CALIBRATE_MS = 600
# (command, wait in ms, bytes read, answer) of the datasheet's examples
EXCHANGES = (
    ("R", 599, 1, "FE"), ("R", 600, 8, b"\x0125.104\x00".hex().upper()),
    ("S,?", 300, 32, b"\x01?S,c\x00".hex().upper()), ("S,k", 300, 1, "01"),
    ("S,x", 300, 1, "02"), ("T,19.5", 300, 1, "02"), ("Cal,20", 600, 1, "01"),
    ("Cal,?", 300, 32, b"\x01?Cal,0\x00".hex().upper()),
    ("i", 300, 32, b"\x01?i,RTD,2.10\x00".hex().upper()),
)


def bench(temp_c=25.104, line="i2c"):
    return Bench(driver, EzoRtd, temp_c, line, ADDRESS)


def test_answers_and_waits_match_the_datasheet():
    for command, wait_ms, count, expected in EXCHANGES:
        assert bench().answer_hex(command, wait_ms, count) == expected, command


def test_reads_the_temperature_on_both_lines():
    for line in ("i2c", "uart"):
        for temp_c in (-12.34, -0.5, 0.0, 18.25, 84.99):
            assert bench(temp_c, line).read() == {"temp_c": temp_c}, (line, temp_c)


def test_needs_no_other_temperature():
    assert run(bench(21.0).sensor.read({})) == {"temp_c": 21.0}


def test_kelvin_and_fahrenheit_are_never_read_as_celsius():
    for line in ("i2c", "uart"):
        for scale in ("k", "f"):
            made = bench(20.0, line)
            made.circuit.scale = scale
            assert made.read() == {"temp_c": 20.0}, (line, scale)
            assert made.circuit.scale == "c"


def test_another_circuit_after_a_failure_is_asked_for_its_scale():
    made = bench(20.0)
    made.read()
    made.part.fault = "unplugged"
    assert fault_of(made.sensor.read({})) == "no_ack"
    made.part.fault = None
    made.circuit.scale = "f"
    assert made.read() == {"temp_c": 20.0}


def test_a_circuit_without_probe_is_a_fault_and_never_a_number():
    assert fault_of(bench(None).sensor.read({})) == "saturated"
    assert fault_of(bench(1_300.0).sensor.read({})) == "saturated"


def test_calibrates_at_one_point():
    made = bench(20.6)
    run(made.sensor.send("Cal,20.0", CALIBRATE_MS))
    assert run(made.sensor.query("Cal")) == ["1"]
    assert made.read() == {"temp_c": 20.0}
    run(made.sensor.send("Cal,clear", CALIBRATE_MS))
    assert made.read() == {"temp_c": 20.6}

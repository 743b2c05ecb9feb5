"""Tests of the EZO-DO driver: commands and wait times, outputs and faults, on I2C and UART."""

from idro.drivers import ezo_do as driver
from idrosim.devices.ezo_do import EzoDo
from support.ezo_bench import Bench
from support.portable_fakes import fault_of, refusal_of, run

ADDRESS = 0x61
CALIBRATE_MS = 1_300
CONTEXT = {"reservoir.temp_c": 20.0}
# (command, wait in ms, bytes read, answer) of the datasheet's examples
EXCHANGES = (
    ("R", 599, 1, "FE"), ("R", 600, 6, b"\x017.82\x00".hex().upper()), ("Cal", 1_299, 1, "FE"),
    ("Cal", 1_300, 1, "01"), ("Cal,0", 1_300, 1, "01"), ("T,19.5", 300, 1, "01"),
    ("S,50000", 300, 1, "01"), ("O,?", 300, 32, b"\x01?,O,mg\x00".hex().upper()),
    ("i", 300, 32, b"\x01?i,D.O.,2.13\x00".hex().upper()), ("O,ppm,1", 300, 1, "02"),
)


def bench(do_mg_l=7.82, line="i2c"):
    return Bench(driver, EzoDo, do_mg_l, line, ADDRESS)


def test_answers_and_waits_match_the_datasheet():
    for command, wait_ms, count, expected in EXCHANGES:
        assert bench().answer_hex(command, wait_ms, count) == expected, command


def test_reads_oxygen_on_both_lines():
    for line in ("i2c", "uart"):
        for do_mg_l in (0.02, 4.5, 9.09, 19.87, 40.0):
            made = bench(do_mg_l, line)
            assert made.read(20.0) == {"do_mg_l": do_mg_l}, (line, do_mg_l)


def test_sends_the_temperature_before_every_reading():
    for line in ("i2c", "uart"):
        made = bench(6.0, line)
        made.circuit.water_c = 28.5
        assert made.read(28.5) == {"do_mg_l": 6.0}
        made.part.power_cycle()
        assert made.circuit.temp_c == 20.0  # at which it would read 7.23
        assert made.read(28.5) == {"do_mg_l": 6.0}
        assert made.circuit.temp_c == 28.5


def test_salinity_stays_as_the_operator_set_it():
    made = bench(8.0)
    run(made.sensor.send("S,4000"))
    assert made.read(20.0) == {"do_mg_l": 7.89}
    made.part.power_cycle()
    assert made.read(20.0) == {"do_mg_l": 7.89}


def test_without_a_temperature_there_is_no_oxygen():
    made = bench()
    assert fault_of(made.sensor.read({})) == "no_temperature"
    assert made.bus.transfers == 0


def test_a_command_before_the_calibration_is_done_is_misuse():
    made = bench()
    made.part.write(b"Cal")
    made.clock.advance_ms(1_299)
    assert "while busy" in refusal_of(AssertionError, made.part.write, b"R")


def test_saturation_in_percent_is_never_read_as_mg_per_litre():
    for line in ("i2c", "uart"):
        made = bench(line=line)
        made.circuit.outputs = ["%"]
        assert made.read(20.0) == {"do_mg_l": 7.82}
        assert made.circuit.outputs == ["MG"]
        made.circuit.outputs = ["MG", "%"]  # changed externally
        assert fault_of(made.sensor.read(CONTEXT)) == "crc"
        assert made.read(20.0) == {"do_mg_l": 7.82}


def test_a_probe_without_signal_and_more_than_water_holds_are_faults():
    assert fault_of(bench(0.0).sensor.read(CONTEXT)) == "saturated"
    assert fault_of(bench(40.01).sensor.read(CONTEXT)) == "saturated"


def test_calibrates_in_air():
    made = bench(8.0)
    run(made.sensor.send("Cal", CALIBRATE_MS))
    assert run(made.sensor.query("Cal")) == ["1"]
    assert made.read(20.0) == {"do_mg_l": 9.09}
    run(made.sensor.send("Cal,clear", CALIBRATE_MS))
    assert made.read(20.0) == {"do_mg_l": 8.0}

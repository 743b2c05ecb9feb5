"""Tests of the EZO-EC driver: commands and wait times, on I2C and UART."""

from idro.drivers import ezo_ec as driver
from idrosim.devices.ezo_ec import EzoEc
from support.ezo_bench import Bench, exchanges
from support.portable_fakes import fault_of, refusal_of, run

CALIBRATE_MS = 600
CONTEXT = {"reservoir.temp_c": 25.0}


def bench(kappa_us_cm=1413.0, line="i2c"):
    return Bench(driver, EzoEc, kappa_us_cm, line, 0x64)


# transaction of the oracle: (command, wait in ms, bytes read, answer)
EXCHANGES = {
    "write R, read <900 ms (pH) / <600 ms (EC)": ("R", 599, 1, "FE"),
    "write R, read >=600 ms, EC 1413 uS": ("R", 600, 6, "013134313300"),
    "write Cal,dry ; >=600 ms": ("Cal,dry", 600, 1, "01"),
    "write K,?": ("K,?", 300, 32, "013F4B2C312E3000"),
}


def test_every_answer_matches_the_datasheet():
    for transaction, (command, wait_ms, count, expected) in EXCHANGES.items():
        assert bench().answer_hex(command, wait_ms, count) == expected, transaction
        assert exchanges()[transaction] == expected, transaction


def test_calibration_and_output_answers_match_the_datasheet():
    made = bench()
    made.answer_hex("Cal,dry", 600, 1)
    expected = "013F43414C2C3100"
    assert made.answer_hex("Cal,?", 300, 32) == expected
    assert exchanges()["write Cal,? (EC)"] == expected
    made.circuit.outputs = ["EC", "TDS", "S", "SG"]
    expected = "013F2C4F2C45432C5444532C532C534700"
    assert made.answer_hex("O,?", 300, 32) == expected
    assert exchanges()["write O,?"] == expected


def test_every_row_of_the_table_is_tested():
    import test_ezo_ph

    known = set(EXCHANGES) | set(test_ezo_ph.EXCHANGES) | set(test_ezo_ph.CALIBRATED)
    known |= {"write Cal,? (EC)", "write O,?", "write Sleep ; read"}
    assert set(exchanges()) == known


def test_sleep_has_no_answer_and_the_next_write_only_wakes():
    made = bench()
    made.part.write(b"Sleep")
    assert "19" in refusal_of(OSError, made.part.read, 1)
    made.part.write(b"R")
    made.clock.advance_ms(600)
    assert made.part.read(1) == b"\xff"
    assert made.answer_hex("R", 600, 6) == "013134313300"


def test_reads_ec_on_both_lines():
    for line in ("i2c", "uart"):
        for kappa_us_cm in (12.0, 84.0, 740.4, 1413.0, 12_880.0):
            made = bench(kappa_us_cm, line)
            assert made.read() == {"ec_us_cm": int(kappa_us_cm + 0.5)}, (line, kappa_us_cm)


def test_is_compensated_to_25_c():
    made = bench(1413.0 * (1 - 0.019 * 7))
    assert made.read(18.0) == {"ec_us_cm": 1413}
    assert made.circuit.temp_c == 18.0


def test_without_a_temperature_there_is_no_ec():
    assert fault_of(bench().sensor.read({})) == "no_temperature"


def test_other_outputs_are_switched_off():
    for line in ("i2c", "uart"):
        made = bench(line=line)
        made.circuit.outputs = ["EC", "TDS", "S", "SG"]
        assert made.read() == {"ec_us_cm": 1413}
        assert made.circuit.outputs == ["EC"]


def test_dissolved_solids_are_never_read_as_ec():
    made = bench()
    made.circuit.outputs = ["TDS"]
    assert made.read() == {"ec_us_cm": 1413}
    made.circuit.outputs = ["EC", "TDS"]  # the output was changed externally
    assert fault_of(made.sensor.read(CONTEXT)) == "crc"
    assert made.read() == {"ec_us_cm": 1413}


def test_an_ec_above_any_solution_is_out_of_range():
    assert fault_of(bench(20_100.0).sensor.read(CONTEXT)) == "out_of_range"


def test_a_cell_in_air_reads_0():
    assert bench(0.0).read() == {"ec_us_cm": 0}


def test_calibrates_dry_then_low_then_high():
    made = bench(1_000.0)
    ezo = made.sensor
    run(ezo.send("Cal,dry", CALIBRATE_MS))
    run(ezo.send("Cal,low,1413", CALIBRATE_MS))
    assert made.read() == {"ec_us_cm": 1000}
    made.signal = 11_710.0
    run(ezo.send("Cal,high,12880", CALIBRATE_MS))
    assert run(ezo.query("Cal")) == ["2"]
    assert made.read() == {"ec_us_cm": 12_880}
    assert run(ezo.query("K")) == ["1.0"]

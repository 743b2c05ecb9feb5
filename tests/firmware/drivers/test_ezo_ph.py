"""Tests of the EZO-pH driver: commands and wait times, on I2C and UART."""

from idro.control.plausibility import UNDISTURBED, ChannelPlausibility
from idro.drivers import ezo_ph as driver
from idrosim.devices.ezo_ph import EzoPh
from support.ezo_bench import Bench, check_milli, check_patience, exchanges
from support.portable_fakes import fault_of, refusal_of, run

MV_PER_PH = 59.159
CONTEXT = {"reservoir.temp_c": 25.0}


def bench(ph=5.8, line="i2c"):
    return Bench(driver, EzoPh, (7.0 - ph) * MV_PER_PH, line)


# transaction of the oracle: (pH, command, wait in ms, bytes read, answer)
EXCHANGES = {
    "write R, read <900 ms (pH) / <600 ms (EC)": (9.56, "R", 899, 1, "FE"),
    "read with no command pending": (9.56, "", 0, 1, "FF"),
    "write XYZ, read after 300 ms": (9.56, "XYZ", 300, 1, "02"),
    "write R, read 7 bytes >=900 ms, pH 9.560": (9.56, "R", 900, 7, "01392E35363000"),
    "write T,19.5 ; read >=300 ms": (9.56, "T,19.5", 300, 1, "01"),
    "write T,? ": (9.56, "T,?", 300, 32, "013F542C31392E3500"),
    "write Cal,mid,7.00 ; >=900 ms": (7.0, "Cal,mid,7.00", 900, 1, "01"),
    "write i": (9.56, "i", 300, 32, "013F692C70482C322E313500"),
    "write Status": (9.56, "Status", 300, 32, "013F5374617475732C502C352E30333800"),
}
# These need a calibration first and have their own test.
CALIBRATED = {"write Cal,? (pH)": "013F43616C2C3200",
              "write Slope,?": "013F536C6F70652C39392E372C3130302E332C2D302E383900"}


def test_every_answer_matches_the_datasheet():
    for transaction, (ph, command, wait_ms, count, expected) in EXCHANGES.items():
        made = bench(ph)
        made.circuit.temp_c = 19.5 if command == "T,?" else 25.0
        assert made.answer_hex(command, wait_ms, count) == expected, transaction
        assert exchanges()[transaction] == expected, transaction


def test_calibration_answers_match_the_datasheet():
    made = bench()
    tell = made.answer_hex
    for signal_mv, command in ((-0.89, "Cal,mid,7.00"), (176.06, "Cal,low,4.00")):
        made.signal = signal_mv
        assert tell(command, 900, 1) == "01"
    assert tell("Cal,?", 300, 32) == CALIBRATED["write Cal,? (pH)"]
    made.signal = -178.9
    assert tell("Cal,high,10.00", 900, 1) == "01"
    assert tell("Slope,?", 300, 32) == CALIBRATED["write Slope,?"]
    for transaction, expected in CALIBRATED.items():
        assert exchanges()[transaction] == expected


def test_the_midpoint_clears_the_other_points():
    made = bench()
    for command in ("Cal,mid,7.00", "Cal,low,4.00", "Cal,mid,7.00"):
        made.answer_hex(command, 900, 1)
    assert made.answer_hex("Cal,?", 300, 32) == b"\x01?Cal,1\x00".hex().upper()


def test_reads_ph_on_both_lines():
    for line in ("i2c", "uart"):
        for ph in (4.01, 5.8, 7.0, 9.18):
            made = bench(ph, line)
            assert made.read() == {"ph": ph}, (line, ph)
            assert made.read() == {"ph": ph}


def test_sends_the_temperature_before_every_reading():
    for line in ("i2c", "uart"):
        made = bench(4.0, line)
        made.read(20.0)
        assert made.circuit.temp_c == 20.0
        made.part.power_cycle()
        assert made.circuit.temp_c == 25.0
        # 3 pH at 59.16 mV are 3.051 pH of a glass at 20 C.
        assert abs(made.read(20.0)["ph"] - 3.949) < 0.002
        assert made.circuit.temp_c == 20.0


def test_without_a_temperature_there_is_no_ph():
    made = bench()
    assert fault_of(made.sensor.read({})) == "no_temperature"
    assert made.bus.transfers == 0


def test_waits_as_long_as_the_circuit_needs():
    made = bench()
    check_patience(made)
    assert 1_200 <= made.clock.now_ms() < 1_300


def test_early_reads_are_not_ready_and_change_nothing():
    made = bench()
    made.part.write(b"R")
    assert made.part.read(8) == b"\xfe" + bytes(7)
    made.clock.advance_ms(900)
    assert made.part.read(7) == b"\x015.800\x00"
    assert made.part.read(7) == b"\xff" + bytes(6)


def test_a_circuit_that_never_gets_ready_is_a_timeout():
    made = bench()
    made.circuit.WAITS_US = {"R": 60_000_000}
    assert fault_of(made.sensor.read(CONTEXT)) == "timeout"


def test_silence_is_no_ack_after_two_retries():
    made = bench()
    made.bus.errors = [OSError(19), OSError(19)]
    assert made.read() == {"ph": 5.8}
    for line in ("i2c", "uart"):
        made = bench(line=line)
        made.read()
        made.part.fault = "unplugged"
        before_ms = made.clock.now_ms()
        assert fault_of(made.sensor.read(CONTEXT)) == "no_ack"
        assert made.clock.now_ms() - before_ms < 4_000
        made.part.fault = None
        made.clock.advance_ms(1_000)
        assert made.read() == {"ph": 5.8}


def test_damage_is_retried_twice():
    for line in ("i2c", "uart"):
        made = bench(line=line)
        made.read()
        made.part.circuit.damage_count = 2
        assert made.read() == {"ph": 5.8}, line
        made.part.fault = "noisy"
        assert fault_of(made.sensor.read(CONTEXT)) == "crc"


def test_a_circuit_that_wakes_or_restarts_is_retried():
    made = bench()
    made.part.write(b"Sleep")
    made.clock.advance_ms(300)
    assert made.circuit.is_asleep
    assert made.read() == {"ph": 5.8}
    for line in ("i2c", "uart"):
        made = bench(line=line)
        made.read()
        made.part.power_cycle()
        assert made.read() == {"ph": 5.8}


def test_the_driver_stops_continuous_readings_on_uart():
    made = bench(line="uart")
    made.clock.advance_ms(60_000)  # a minute of unsolicited readings
    assert made.read() == {"ph": 5.8}
    made.clock.advance_ms(60_000)
    assert made.part.read() == b""


def test_the_ends_of_the_scale_are_a_fault():
    assert fault_of(bench(0.0).sensor.read(CONTEXT)) == "saturated"
    assert fault_of(bench(14.0).sensor.read(CONTEXT)) == "saturated"
    assert bench(0.01).read() == {"ph": 0.01}


def test_a_shorted_electrode_is_flat_within_ten_minutes():
    made = bench(7.0)
    track = ChannelPlausibility("ph")
    faults = []
    for now_ms in range(0, 700_000, 10_000):
        value, sensor = made.read()["ph"], made.sensor
        faults.append(
            track.check(value, sensor.spread_uv, now_ms, UNDISTURBED, sensor.signal_uv))
    assert faults[-1] == "flat"
    assert faults[:60] == [None] * 60


def test_a_stuck_electrode_in_water_that_cools_is_flat():
    made = bench(5.5)
    track, seen = ChannelPlausibility("ph"), set()
    for step in range(70):
        value, sensor = made.read(temp_c=33.0 - 0.02 * step)["ph"], made.sensor
        seen.add(value)
        fault = track.check(
            value, sensor.spread_uv, step * 10_000, UNDISTURBED, sensor.signal_uv)
    assert max(seen) - min(seen) > 0.003
    assert fault == "flat"


def test_a_circuit_that_hangs_in_water_that_cools_is_flat():
    made = bench(5.5)
    track = ChannelPlausibility("ph")
    made.read(33.0)
    made.circuit.fault = "stuck"
    for step in range(70):
        value, sensor = made.read(temp_c=33.0 - step / 60)["ph"], made.sensor
        fault = track.check(
            value, sensor.spread_uv, step * 10_000, UNDISTURBED, sensor.signal_uv)
    assert fault == "flat"


def test_a_failed_read_leaves_no_signal():
    made = bench()
    made.read()
    made.part.fault = "unplugged"
    assert fault_of(made.sensor.read(CONTEXT)) == "no_ack"
    assert made.sensor.signal_uv is made.sensor.spread_uv is None


def test_a_healthy_electrode_is_not_flat():
    made = bench(7.0)
    track = ChannelPlausibility("ph")
    for step in range(120):
        made.signal = (step % 3) * 0.2  # mV
        value = made.read()["ph"]
        fault = track.check(value, made.sensor.spread_uv, step * 10_000, UNDISTURBED,
                            made.sensor.signal_uv)
        assert fault is None
    assert made.sensor.spread_uv in (177, 178, 236, 354, 413, 354)


def test_reads_calibration_and_slope():
    for line in ("i2c", "uart"):
        made = bench(7.0, line)
        ezo = made.sensor
        assert run(ezo.query("Cal")) == ["0"]
        assert run(ezo.query("Slope")) == ["100.0", "100.0", "0.00"]
        for signal_mv, point in ((3.0, "mid,7.00"), (173.0, "low,4.00")):
            made.signal = signal_mv
            run(ezo.send("Cal," + point, 900))
        assert run(ezo.query("Cal")) == ["2"]
        assert run(ezo.query("Slope")) == ["95.8", "100.0", "3.00"]
        assert made.read() == {"ph": 4.0}


def test_misuse_raises_an_assertion():
    made = bench()
    made.part.write(b"R")
    assert "while busy" in refusal_of(AssertionError, made.part.write, b"T,20")
    made = bench()
    assert "not ASCII" in refusal_of(AssertionError, made.part.write, b"\xff")
    assert "0 bytes" in refusal_of(AssertionError, made.part.write, b"")
    assert "100 bytes" in refusal_of(AssertionError, made.part.read, 100)
    made = bench(line="uart")
    made.part.write(b"R\r")
    assert "while busy" in refusal_of(AssertionError, made.part.write, b"R\r")


def test_numbers_are_parsed_exactly_or_rejected():
    check_milli()

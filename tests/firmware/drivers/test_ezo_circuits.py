"""What every EZO circuit does, whatever it measures."""

from idro.drivers import ezo_do, ezo_ec, ezo_ph, ezo_rtd
from idrosim.devices.ezo_do import EzoDo
from idrosim.devices.ezo_ec import EzoEc
from idrosim.devices.ezo_ph import EzoPh
from idrosim.devices.ezo_rtd import EzoRtd
from support.ezo_bench import Bench, Hurried, check_patience
from support.portable_fakes import fault_of, refusal_of

LINES = ("i2c", "uart")
# (driver, circuit, its signal, the reading of that, another signal), at the temperature of both
CIRCUITS = (
    (ezo_do, EzoDo, 7.82, {"do_mg_l": 7.82}, 2.0, 20.0),
    (ezo_ec, EzoEc, 1413.0, {"ec_us_cm": 1413}, 2_000.0, 25.0),
    (ezo_ph, EzoPh, 0.0, {"ph": 7.0}, 59.0, 25.0),
    (ezo_rtd, EzoRtd, 20.0, {"temp_c": 20.0}, 25.0, 25.0),
)


def test_waits_as_long_as_the_circuit_needs():
    for driver, circuit, signal, _, _, _ in CIRCUITS:
        check_patience(Bench(driver, circuit, signal))


def test_a_driver_that_reads_early_is_detected():
    for driver, circuit, signal, _, _, _ in CIRCUITS:
        made = Bench(driver, circuit, signal)
        made.sensor._transport = Hurried(made.sensor._transport)
        found = refusal_of(AssertionError, check_patience, made)
        assert "before its time" in found, driver.PART


def test_silence_and_damage_are_faults_after_three_attempts():
    for driver, circuit, signal, reading, _, temp_c in CIRCUITS:
        for line in LINES:
            for fault, code in (("unplugged", "no_ack"), ("noisy", "crc")):
                made = Bench(driver, circuit, signal, line)
                made.part.fault = fault
                found = fault_of(made.sensor.read({"reservoir.temp_c": temp_c}))
                assert found == code, (driver.PART, line, fault)
                made.part.fault = None
                assert made.read(temp_c) == reading, (driver.PART, line, fault)


def test_a_stuck_circuit_repeats_itself():
    for driver, circuit, signal, reading, other, temp_c in CIRCUITS:
        made = Bench(driver, circuit, signal)
        made.read(temp_c)
        made.part.fault = "stuck"
        made.signal = other
        assert made.read(temp_c) == reading, driver.PART
        made.part.fault = None
        assert made.read(temp_c) != reading, driver.PART

"""Tests of the world: effects of pins, faults and parameters on true values."""

import pytest

from idrosim.runner.process import SimulatorError
from support.simulated_board import run

IDLE = """
    import time
    while True:
        time.sleep(1)
    """
PUMP = """
    import machine
    import time
    pin = machine.Pin(25, machine.Pin.OUT, value=0)
    light = machine.PWM(machine.Pin(19), freq=1000, duty_u16=0)
    time.sleep(10)
    pin.value(1)
    time.sleep_ms(2500)
    pin.value(0)
    light.duty_u16(32768)
    while True:
        time.sleep(1)
    """


def truths(outcome):
    return {line["at_ms"]: line["values"] for line in outcome.of("truth")}


def test_a_pump_delivers_while_its_pin_is_driven(tmp_path):
    outcome = run(tmp_path, PUMP, plant={"ph_down.error_pct": 0.0})
    assert truths(outcome)[0]["dosed.ph_down_ml"] == 0
    assert truths(outcome)[60_000]["dosed.ph_down_ml"] == pytest.approx(2.5, abs=1e-3)
    assert truths(outcome)[60_000]["light.ppfd_umol_m2_s"] == pytest.approx(125, abs=0.1)
    edges = [(line["at_us"], line["name"], line["level"]) for line in outcome.of("pin")]
    assert edges == [(10_400_000, "ph_down", 1), (12_900_000, "ph_down", 0),
                     (12_900_000, "light", 0.5)]


def test_a_faulty_output_ignores_its_pin(tmp_path):
    outcome = run(tmp_path, PUMP, plant={"ph_down.error_pct": 0.0}, timeline=[
        {"at_ms": 5_000, "fault": "unplugged", "args": {"target": "ph_down"}},
        {"at_ms": 30_000, "fault": "none", "args": {"target": "ph_down"}},
        {"at_ms": 40_000, "fault": "shorted", "args": {"target": "top_off"}},
    ])
    last = truths(outcome)[60_000]
    assert last["dosed.ph_down_ml"] == 0
    assert last["topoff_ml"] == pytest.approx(200, abs=1)


def test_parameters_change_at_run_time_and_survive_a_reset(tmp_path):
    outcome = run(tmp_path, """
        import machine
        import time
        i2c = machine.I2C(0, scl=machine.Pin(22), sda=machine.Pin(21))
        for _ in range(6):
            time.sleep(10)
            try:
                i2c.writeto(0x44, b"\\xfd")
                time.sleep_ms(10)
                raw = i2c.readfrom(0x44, 2)
                print(round(-45 + 175 * (raw[0] << 8 | raw[1]) / 65535))
            except OSError as error:
                print(error.errno)
        while True:
            time.sleep(1)
        """, duration_ms=65_000, plant={"outside.swing_c": 0, "outside.noise_c": 0}, timeline=[
            {"at_ms": 15_000, "set": {"probe.air.offset_c": 20}},
            {"at_ms": 25_000, "fault": "reset"},
            {"at_ms": 45_000, "fault": "unplugged", "args": {"target": "air.rh_pct"}},
    ])
    # The sensor follows with its lag, also over the reset; then it does not answer (ENODEV).
    assert outcome.console == ["19", "29", "37", "19", "19"]


@pytest.mark.parametrize("event", [
    {"fault": "unplugged", "args": {"target": "reservoir.co2_ppm"}},
    {"fault": "eaten", "args": {"target": "ph_down"}},
    {"set": {"plant.reservoir.wetness": 1}},
    {"set": {"probe.ph.wetness": 1}},
    {"network": "off"},
])
def test_an_invalid_event_ends_the_run(tmp_path, event):
    with pytest.raises(SimulatorError, match="code 4"):
        run(tmp_path, IDLE, timeline=[event | {"at_ms": 1_000}])

"""Every part that measures pH gives the signal of its electrode on one scale, as plausibility has
one limit for a flat signal: that of a sen0161, 177.48 mV for one pH at 25 C."""

import importlib.util
from pathlib import Path

import pytest

from idro.control.plausibility import UNDISTURBED, ChannelPlausibility
from idro.drivers import ezo_ph, sen0161
from idroserra.boards import compiler, modbus_map
from idrosim.devices.ezo_ph import EzoPh
from support.ezo_bench import Bench as EzoBench

BOARDS = compiler.boards_dir()
MV_PER_PH = 59.16
UV_PER_MILLI = 177.48
SUPMEA = (BOARDS / "modbus" / "sup_ph8001.toml").read_text(encoding="utf-8")
WITHOUT_SIGNAL = SUPMEA[:SUPMEA.index("# The electrode")].replace("scale = 0.01", "scale = 0.001")


def bench_of(name):
    """Return a bench of another test: they run on MicroPython too, where no package holds them."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(name + ".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


linear, rtu = bench_of("test_linear_analog"), bench_of("test_modbus")


def on_a_line(line, driver=linear.linear_analog, self_compensated=0):
    bench = linear.Bench(line, driver, self_compensated)

    def read(ph):
        return bench.of(ph)["ph"], bench.sensor
    return read


def on_ezo():
    bench = EzoBench(ezo_ph, EzoPh, 0.0, "i2c")

    def read(ph):
        bench.signal = (7.0 - ph) * MV_PER_PH
        return bench.read()["ph"], bench.sensor
    return read


def on_modbus(text):
    part = modbus_map.part_of("probe", text.encode(), "modbus/probe.toml")
    bench = rtu.Bench(modbus_map.compiled(part.probe, ["ph"])["reads"])

    def read(ph):
        bench.ph = ph
        bench.signals["signal_uv"] = lambda: (7.0 - ph) * MV_PER_PH * 3_000
        return bench.read()["ph"], bench.probes[1]
    return read


PARTS = {
    "sen0161": lambda: on_a_line(linear.SEN0161_V2, sen0161),
    "linear_analog, falling": lambda: on_a_line(linear.PH_4502C),
    "linear_analog, rising": lambda: on_a_line(linear.SEN0161_V1),
    "linear_analog, loop": lambda: on_a_line(linear.LOOP_PH),
    "linear_analog, compensated": lambda: on_a_line(linear.LOOP_PH, self_compensated=1),
    "ezo_ph": on_ezo,
    "modbus, its electrode": lambda: on_modbus(SUPMEA),
    "modbus, its pH": lambda: on_modbus(WITHOUT_SIGNAL),
}


def test_no_part_that_measures_ph_is_missing_here():
    parts = compiler.read_parts((BOARDS / compiler.PARTS_FILE).read_bytes())
    names = {name for name, part in parts.items() if "ph" in part.measures}
    names -= modbus_map.read_folder(BOARDS / modbus_map.FOLDER).keys()
    assert names | {"modbus"} == {name.split(",")[0] for name in PARTS}


@pytest.mark.parametrize("name", PARTS)
def test_one_ph_moves_the_signal_as_that_of_a_sen0161(name):
    read, signals_uv = PARTS[name](), []
    for ph in (5.0, 6.0, 6.5):
        signals_uv.append(read(ph)[1].signal_uv)
    assert abs(signals_uv[1] - signals_uv[0]) == pytest.approx(1_000 * UV_PER_MILLI, rel=0.02)
    assert abs(signals_uv[2] - signals_uv[1]) == pytest.approx(500 * UV_PER_MILLI, rel=0.02)


@pytest.mark.parametrize("name", [name for name in PARTS if "modbus" in name or "ezo" in name])
def test_a_dead_probe_whose_last_digit_toggles_is_flat(name):
    read, track, faults = PARTS[name](), ChannelPlausibility("ph"), []
    for step in range(130):
        value, sensor = read(5.5005 + 0.001 * (step % 2))
        faults.append(track.check(
            value, sensor.spread_uv, step * 10_000, UNDISTURBED, sensor.signal_uv))
    assert set(faults[61:]) == {"flat"}

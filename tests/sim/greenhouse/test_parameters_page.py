"""Tests that docs/scenarios.md lists every parameter with default and range, and every fault."""

import re
import tomllib
from pathlib import Path

import pytest

from idroserra.boards import compiler
from idrosim.board import wiring
from idrosim.greenhouse import parameters
from idrosim.greenhouse.greenhouse import Plant
from idrosim.probes import field_probes, water_probes
from idrosim.probes import parameters as probes_parameters

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "scenarios.md").read_text("utf-8")
PLANT = PAGE.partition("## Parameters")[2].partition("Of the probes")[0]
PROBES = PAGE.partition("Of the probes")[2].partition("## Faults of parts")[0]
PARTS = PAGE.partition("## Faults of parts")[2].partition("## ")[0]

PROBE_OF = {
    "sen0161": water_probes.PhProbe,
    "dfr0300": water_probes.EcProbe,
    "hydrostatic": water_probes.LevelProbe,
    "linear_analog": field_probes.MoistureProbe,
    "ezo_ph": water_probes.PhProbe,
    "ezo_ec": water_probes.EcProbe,
    "ezo_do": field_probes.OxygenProbe,
    "ezo_rtd": water_probes.TempProbe,
    "ds18b20": water_probes.TempProbe,
    "sht4x": water_probes.AirProbe,
    "sht3x": water_probes.AirProbe,
    "aht20": water_probes.AirProbe,
    "bme280": water_probes.AirProbe,
    "dht22": water_probes.AirProbe,
    "scd4x": field_probes.GasProbe,
    "bh1750": field_probes.LightProbe,
    "tsl2591": field_probes.LightProbe,
    "ina219": field_probes.SupplyProbe,
    "hc_sr04": field_probes.RangeProbe,
    "jsn_sr04t": field_probes.RangeProbe,
    "vl53l0x": field_probes.RangeProbe,
    "float_switch": field_probes.FloatProbe,
    "flow_meter": field_probes.FlowProbe,
    "modbus": water_probes.TempProbe,
}


def rows(text):
    """Return the cells of every table row in `text`, without the header rows."""
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for line in text.splitlines() if line.startswith("| `")]


def listed():
    """Return {key of the page: (default, range)}, expanded for all outputs and pumps."""
    found = {}
    for key, default, span, text in rows(PLANT):
        name, _, what = key.strip("`").partition(".")
        names = {"<output>": parameters.OUTPUTS, "<pump>": parameters.DOSERS}.get(name, (name,))
        assert text
        for one in names:
            found[f"{one}.{what}"] = (default, span)
    return found


def test_every_parameter_of_the_plant_is_listed():
    assert sorted(listed()) == parameters.known()


@pytest.mark.parametrize("key", parameters.known())
def test_defaults_and_ranges_are_correct(key):
    default, span = listed()[key]
    expected = parameters.default(key)
    if isinstance(expected, str):
        if key.endswith(".stock"):
            assert "its name" in default
        else:
            assert default.strip("`-") == expected
        choices = [name for name in re.findall(r"`([^`]+)`", span) if name]
        for choice in choices:
            assert parameters.check(key, choice) == choice
        with pytest.raises(ValueError, match=key):
            parameters.check(key, "none such")
        count = len(parameters._NAMES[key][1]) - ("" in parameters._NAMES[key][1])
        assert len(choices) == count
        return
    if expected is None:
        assert default == "seed"
    else:
        assert f"{expected:.15g}" in re.findall(r"[\d.e+-]+", default)
    low, high = (float(bound) for bound in span.split(" to "))
    for inside in (low, high):
        assert parameters.check(key, inside) == inside
    for outside in (low - 1e-6 * (abs(low) + 1.0), high + 1e-6 * (abs(high) + 1.0)):
        with pytest.raises(ValueError, match=key):
            parameters.check(key, outside)


def test_every_parameter_of_a_probe_is_listed_with_its_default():
    found = {(kind.strip("`"), name.strip("`")): float(default)
             for kind, name, default, _ in rows(PROBES)}
    assert found == {(kind, name): default for kind, names in probes_parameters.DEFAULTS.items()
                     for name, default in names.items()}


def test_every_fault_of_every_part_is_listed():
    found = {}
    for parts, faults in rows(PARTS):
        for part in re.findall(r"`([a-z0-9_]+)`", parts):
            found[part] = set(re.findall(r"`([a-z]+)`", faults))
    found.pop("adc", None)
    parts = tomllib.loads((compiler.boards_dir() / compiler.PARTS_FILE).read_text("utf-8"))
    sensors = {name for name, part in parts.items() if part["kind"] == "sensor"} | {"modbus"}
    assert set(found) == sensors == set(PROBE_OF)
    for part in sensors:
        assert found[part] == {*wiring._faults_of(part), *PROBE_OF[part].FAULTS}, part


def test_every_true_value_is_listed():
    listed = PAGE.partition("| `true:<key>` |")[2].partition("\n")[0]
    for key in Plant({}, 1).truth():
        short = "dosed.<pump>_ml" if key.startswith("dosed.") else key
        assert f"`{short}`" in listed or f"`{key.split('.')[-1]}`" in listed, key

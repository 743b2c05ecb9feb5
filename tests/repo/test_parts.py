"""Every part has a driver, a simulated device, a test, an entry and a row in the docs."""

import ast
import tomllib

from idro.protocol.quantities import QUANTITIES
from idroserra.boards import modbus_map
from support.source_tree import ROOT, name_of, python_files, report, tree

PARTS = tomllib.loads((ROOT / "boards" / "parts.toml").read_text(encoding="utf-8"))


def test_parts_are_complete():
    why = (
        "A part needs an entry in boards/parts.toml, a driver, a simulated device, a test and a\n"
        "row in docs/hardware.md:"
    )
    hardware_page = (ROOT / "docs" / "hardware.md").read_text(encoding="utf-8")
    found = []
    for part in PARTS:
        for place in (
            f"firmware/idro/drivers/{part}.py",
            f"sim/idrosim/devices/{part}.py",
            f"tests/firmware/drivers/test_{part}.py",
        ):
            if not (ROOT / place).is_file():
                found.append(f"{part}: {place} is missing")
        if f"| `{part}` |" not in hardware_page:
            found.append(f"{part}: docs/hardware.md has no row for it")
    assert not found, report(why, found)


def test_every_driver_is_a_part():
    why = "No board can use a driver without an entry in boards/parts.toml:"
    found = [
        name_of(path)
        for path in python_files("firmware/idro/drivers")
        if any(isinstance(n, ast.FunctionDef) and n.name == "build" for n in tree(path).body)
        and path.stem not in {*PARTS, modbus_map.DRIVER}
    ]
    assert not found, report(why, found)


def test_parts_measure_known_quantities():
    why = "Every measured quantity needs a unit and a range in idro.protocol.quantities:"
    found = [
        f"{name}: {quantity}"
        for name, part in PARTS.items()
        for quantity in part["measures"]
        if quantity not in QUANTITIES
    ]
    assert not found, report(why, found)


def test_every_modbus_probe_has_a_row_that_names_how_it_was_tried():
    why = "docs/modbus.md differs from the files in boards/modbus:"
    page = (ROOT / "docs" / "modbus.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    probes = modbus_map.read_folder(ROOT / "boards" / modbus_map.FOLDER)
    assert len(probes) >= 6
    found = [name for name in probes if name not in rows]
    for name, part in probes.items():
        row = rows.get(name, "")
        found += [f"{name}: {key}" for key in (*part.measures, part.probe.tried)
                  if f"{key}" not in row]
    assert not found, report(why, found)

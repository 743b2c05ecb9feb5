"""Names of physical quantities end in a unit, and modules have docstrings."""

import ast
from collections.abc import Iterator
from pathlib import Path

from support.source_tree import name_of, nodes, python_files, report, tree

# Names that end in one of these lack a unit.
PHYSICAL = frozenset({
    "age", "area", "capacity", "conductivity", "current", "delay", "depth", "distance",
    "duration", "duty", "ec", "elapsed", "flow", "freq", "frequency", "gap", "height",
    "humidity", "hysteresis", "interval", "latency", "lease", "length", "period", "power",
    "pressure", "rate", "speed", "temp", "temperature", "time", "timeout", "voltage", "volume",
    "wait", "weight",
})
# Exemptions, each with its reason.
EXEMPT = {"ec": "field of control.dosing.Water: a Reading, not a number"}
FOLDERS = ("protocol", "control", "safety", "drivers")


def public_names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of the parameters of public functions and of namedtuple fields."""
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("_") and node.name != "__init__":
                continue
            for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
                yield node.lineno, argument.arg
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "namedtuple"
            and isinstance(node.args[1], ast.Tuple | ast.List)
        ):
            for field in node.args[1].elts:
                assert isinstance(field, ast.Constant)
                yield node.lineno, str(field.value)


def lacks_unit(name: str) -> bool:
    return name.split("_")[-1] in PHYSICAL and name not in EXEMPT


def test_physical_quantities_carry_their_unit():
    why = "Append the unit, such as `wait_ms`, `temp_c`, `ec_us_cm`, `volume_ml`, `freq_hz`:"
    found = [
        f"{name_of(path)}:{line} {name}"
        for folder in FOLDERS
        for path in python_files(f"firmware/idro/{folder}")
        for line, name in public_names(path)
        if lacks_unit(name)
    ]
    assert not found, report(why, found)


def test_a_missing_unit_is_found():
    assert lacks_unit("timeout")
    assert lacks_unit("water_temp")
    assert not lacks_unit("timeout_ms")
    assert not lacks_unit("temp_c")


def test_every_module_has_a_docstring():
    why = "Begin a module with a docstring that says what it is:"
    found = [
        name_of(path)
        for path in python_files("firmware", "host", "sim", "tests", "bench")
        if tree(path).body and not ast.get_docstring(tree(path))
    ]
    assert not found, report(why, found)

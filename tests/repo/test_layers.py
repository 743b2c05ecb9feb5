"""Who may import whom: the table of docs/architecture.md, kept by reading every import."""

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from source_tree import ROOT, code, imports, module_of, name_of, python_files, report, tree

WHY = (
    "Layers exist so that control can be tested without hardware, a driver without a network,\n"
    "and nothing reaches a pump except through idro.safety. This import crosses one:"
)


@dataclass(frozen=True)
class Layer:
    """A package: what of ours it may import, what of the library (None: anything)."""

    package: str
    ours: tuple[str, ...]
    library: frozenset[str] | None


# What a MicroPython board has besides the modules of the hardware.
PORTABLE = frozenset({
    "asyncio", "binascii", "collections", "errno", "gc", "hashlib", "io", "json", "math",
    "micropython", "os", "random", "re", "select", "socket", "ssl", "struct", "sys", "time",
    "tls", "vfs",
})
CONTRACT = ("idro.errors", "idro.protocol")
# The most specific package first.
LAYERS = (
    Layer("idro.errors", (), frozenset()),
    Layer("idro.protocol", CONTRACT, frozenset({"binascii", "collections", "io", "json",
                                                    "math", "struct"})),
    Layer("idro.control", ("idro.control", "idro.protocol"), frozenset({"collections", "math"})),
    Layer("idro.drivers", ("idro.drivers", "idro.errors", "idro.protocol.faults"),
          frozenset({"struct"})),
    Layer("idro.safety", ("idro.safety", *CONTRACT), PORTABLE - {"socket", "ssl", "tls"}),
    Layer("idro.net", ("idro.net", *CONTRACT), PORTABLE),
    Layer("idro.update", ("idro.update", "idro.safety", "idro.board", "idro.app", *CONTRACT),
          PORTABLE - {"socket", "ssl", "tls"}),
    Layer("idro.app", ("idro",), PORTABLE),
    Layer("idro", ("idro",), frozenset()),
)
# The modules of the hardware, each with the only files of the firmware that may import it.
HARDWARE = {
    "machine": {"firmware/idro/app/hardware.py", "firmware/idro/app/outputs_off.py",
                "firmware/idro/update/chip.py"},
    "esp32": {"firmware/idro/update/chip.py"},
    "onewire": {"firmware/idro/app/hardware.py"},
    "network": {"firmware/idro/net/wifi.py"},
}
# The part of the simulator that CPython runs: what mypy checks strictly.
CPYTHON_ONLY = {
    module_of(ROOT / file)
    for file in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["files"]
    if file.startswith("sim/idrosim/")
}
# No devices: these let the firmware's own control play against others on CPython.
RUNS_THE_FIRMWARE = {"sim/idrosim/score_ours.py", "sim/idrosim/score_board.py"}
# The frozen ceilings, read to say beforehand what the gate would take days for; never to allow.
MAY_READ_LIMITS = {"host/idroserra/recipes/budget.py"}
# The commands that show the product with the simulator, or use its chemistry.
HOST_MAY_SIMULATE = ("demo", "sim", "chem")
# `recipe check` runs a recipe in the twin before a node does; a preview runs what is set, in a
# process of its own.
RUNS_TWINS = {"host/idroserra/cli_recipe_check.py", "host/idroserra/cli_recipe_twin.py",
              "host/idroserra/preview/greenhouse.py", "host/idroserra/preview/twin.py"}


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == p or name.startswith(f"{p}.") for p in packages)


def refusal(path: Path, name: str) -> str | None:
    """Return why a firmware file may not import `name`, or None if it may."""
    root = name.split(".")[0]
    if root in HARDWARE:
        allowed = HARDWARE[root]
        return None if name_of(path) in allowed else f"only {', '.join(sorted(allowed))} may"
    layer = next((x for x in LAYERS if within(module_of(path), (x.package,))), None)
    if layer is None:
        good = root == "idro" or root in PORTABLE
        return None if good else "boot.py and main.py start idro and nothing else"
    if root in ("idro", "idroserra", "idrosim"):
        return None if within(name, layer.ours) else f"{layer.package} may import {layer.ours}"
    if layer.library is None or root in layer.library:
        return None
    return f"{layer.package} may import {', '.join(sorted(layer.library)) or 'nothing'}"


def test_firmware():
    found = [
        f"{name_of(path)}:{line} imports {name}: {why}"
        for path in python_files("firmware")
        for line, name in imports(path)
        if (why := refusal(path, name))
    ]
    assert not found, report(WHY, found)


def test_simulator_knows_nothing_of_the_host():
    found = [
        f"{name_of(path)}:{line} imports {name}"
        for path in python_files("sim")
        for line, name in imports(path)
        if within(name, ("idroserra",))
    ]
    assert not found, report(WHY, found)


def test_simulated_hardware_knows_nothing_of_the_firmware():
    why = "A device that shares code with its driver shares its mistakes, and proves nothing:"
    found = [
        f"{name_of(path)}:{line} imports {name}"
        for path in python_files("sim")
        if name_of(path) not in RUNS_THE_FIRMWARE
        for line, name in imports(path)
        if within(name, ("idro",))
    ]
    assert not found, report(why, found)


def test_simulator_on_micropython_imports_what_micropython_has():
    why = "These files run in MicroPython beside the firmware, where this does not exist:"
    found = [
        f"{name_of(path)}:{line} imports {name}"
        for path in python_files("sim/idrosim")
        if module_of(path) not in CPYTHON_ONLY
        for line, name in imports(path)
        if name.split(".")[0] not in PORTABLE | {"idrosim", "builtins", *HARDWARE}
    ]
    assert not found, report(why, found)


def test_host_speaks_to_nodes_only_through_the_contract():
    found = []
    for path in python_files("host"):
        module = module_of(path).removeprefix("idroserra.").removeprefix("cli_")
        may_simulate = module.split(".")[0].split("_")[0] in HOST_MAY_SIMULATE
        for line, name in imports(path):
            may_read = name_of(path) in MAY_READ_LIMITS and within(name, ("idro.safety.limits",))
            bad_device = within(name, ("idro",)) and not within(name, CONTRACT) and not may_read
            bad_simulator = (within(name, ("idrosim",)) and not may_simulate
                             and name_of(path) not in RUNS_TWINS)
            if bad_device or bad_simulator:
                found.append(f"{name_of(path)}:{line} imports {name}")
    assert not found, report(WHY, found)


def test_relative_imports_are_not_used():
    why = "One import path on three runtimes: the same line everywhere, findable by text."
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in python_files("firmware", "host", "sim")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not found, report(why, found)


def test_firmware_plays_no_path_tricks_and_knows_no_simulator():
    why = (
        "The firmware that is tested must be the firmware that is flashed: no sys.path, no\n"
        "__import__ but for drivers by part name, and nothing it does differently in a simulator."
    )
    words = ("sys.path", "__import__", "importlib", "simul", "idrosim", "idroserra")
    found = [
        f"{name_of(path)} says {word}"
        for path in python_files("firmware")
        for word in words
        if word in ast.unparse(code(path)).lower()
        and (word, name_of(path)) not in (
            ("__import__", "firmware/idro/app/hardware.py"),
            ("idroserra", "firmware/idro/update/manifest.py"),  # the format's first line
        )
    ]
    assert not found, report(why, found)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("firmware/idro/control/dosing.py", "idro.safety.gate"),
        ("firmware/idro/control/dosing.py", "time"),
        ("firmware/idro/drivers/sht4x.py", "machine"),
        ("firmware/idro/safety/gate.py", "idro.drivers.doser"),
        ("firmware/idro/net/mqtt.py", "network"),
        ("firmware/idro/app/node.py", "machine"),
        ("firmware/idro/app/node.py", "idroserra.service"),
        ("firmware/idro/protocol/topics.py", "typing"),
        ("firmware/main.py", "machine"),
    ],
)
def test_the_rule_bites(file, name):
    assert refusal(ROOT / file, name)

"""Imports follow the layers in docs/architecture.md."""

import ast
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.import_graph import (
    Import,
    Levels,
    imports_between,
    module_cycle,
    package_cycle,
    packages_of,
    upward_imports,
)
from support.source_tree import (
    ROOT,
    code,
    imports,
    module_of,
    name_of,
    nodes,
    python_files,
    report,
)

WHY = (
    "Layers keep control testable without hardware and drivers without a network, and let only\n"
    "idro.safety switch a pump. These imports violate them:"
)

# Levels of each tree from the bottom up. A package may import those of the lines above it.
HOST: Levels = (
    ("core",),
    ("i18n",),
    ("help",),
    ("pki", "mqtt", "auth", "history", "boards"),
    ("client", "broker", "image"),
    ("flash",),
    ("ingest", "feeds", "node_state", "foreign", "other_hosts"),
    ("nodes",),
    ("setpoints",),
    ("inventory", "calibration", "recipes", "journal", "provisioning", "tasks"),
    ("alarms",),
    ("simulation", "export", "backup"),
    ("updates", "homeassistant", "standby"),
    ("server",),
    ("terminal", "reports", "prometheus"),
    ("web",),
    ("demo", "doctor", "moving"),
    ("cli",),
)
FIRMWARE: Levels = (
    ("errors",),
    ("protocol",),
    ("control", "drivers", "safety", "outbox"),
    ("net", "update"),
    ("app",),
)
SIMULATOR: Levels = (
    ("greenhouse",),
    ("probes",),
    ("devices",),
    ("board",),
    ("shim",),
    ("runner",),
    ("scenarios",),
    ("campaign", "water_solver"),
    ("benchmark",),
    ("gym",),
)
TREES = {
    "idroserra": ("host/idroserra", HOST),
    "idro": ("firmware/idro", FIRMWARE),
    "idrosim": ("sim/idrosim", SIMULATOR),
}


@dataclass(frozen=True)
class Layer:
    """What a package may import: our packages, and standard library modules (None: any)."""

    package: str
    ours: tuple[str, ...]
    library: frozenset[str] | None


# Modules of a MicroPython board, without those of the hardware.
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
    Layer("idro.safety", ("idro.safety", "idro.board", *CONTRACT),
          PORTABLE - {"socket", "ssl", "tls"}),
    Layer("idro.outbox", ("idro.outbox", *CONTRACT), PORTABLE - {"socket", "ssl", "tls"}),
    Layer("idro.net", ("idro.net", "idro.outbox", *CONTRACT), PORTABLE),
    Layer("idro.update", ("idro.update", "idro.safety", "idro.board", *CONTRACT),
          PORTABLE - {"socket", "ssl", "tls"}),
    Layer("idro.app", ("idro",), PORTABLE),
    Layer("idro", ("idro",), frozenset()),
)
# Hardware modules, each with the firmware files that may import it.
HARDWARE = {
    "machine": {"firmware/idro/app/hardware.py", "firmware/idro/safety/safe_outputs.py",
                "firmware/idro/update/platform.py"},
    "esp32": {"firmware/idro/app/hardware.py", "firmware/idro/update/platform.py"},
    "onewire": {"firmware/idro/app/hardware.py"},
    "network": {"firmware/idro/net/wifi.py"},
}
# The packages of the simulator that only CPython runs, which mypy checks strictly.
CPYTHON_ONLY = tuple(
    f"idrosim.{name}"
    for name in ("runner", "scenarios", "campaign", "water_solver", "benchmark", "gym"))
# These run the firmware's control on CPython, to compare it with other controllers.
RUNS_THE_FIRMWARE = {
    "sim/idrosim/benchmark/commissioning.py",
    "sim/idrosim/benchmark/dose_needs.py",
    "sim/idrosim/benchmark/firmware_policy.py",
    "sim/idrosim/benchmark/result_cache.py",
}
# Reads the limits of the safety gate to predict how long a change of the setpoints takes.
MAY_READ_LIMITS = {"host/idroserra/recipes/feasibility.py"}
MOST_MODULES = 25
# A module for each part of boards/parts.toml, found by its name.
PART_FOLDERS = ("firmware/idro/drivers", "sim/idrosim/devices")
# These run the simulator or use its chemistry.
HOST_MAY_SIMULATE = ("idroserra.demo", "idroserra.simulation", "idroserra.cli")


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == p or name.startswith(f"{p}.") for p in packages)


def found_in(package: str) -> list[Import]:
    folder, _ = TREES[package]
    return imports_between(python_files(folder), package)


@pytest.mark.parametrize("package", TREES)
def test_every_package_has_a_level(package):
    folder, floors = TREES[package]
    there = packages_of(module_of(path) for path in python_files(folder)) - {"__main__"}
    assert there == {name for floor in floors for name in floor}


@pytest.mark.parametrize("package", TREES)
def test_imports_go_down(package):
    found = list(upward_imports(found_in(package), TREES[package][1]))
    assert not found, report(WHY, found)


@pytest.mark.parametrize("package", TREES)
def test_no_import_cycle_of_modules_or_packages(package):
    found = found_in(package)
    assert module_cycle(found) is None
    assert package_cycle(found) is None


def test_nodes_import_only_the_handler_of_ingest():
    found = [f"{each.place} imports {each.imported}" for each in found_in("idroserra")
             if within(each.importer, ("idroserra.nodes",))
             and within(each.imported, ("idroserra.ingest",))
             and each.imported != "idroserra.ingest.handler"]
    assert not found, report(WHY, found)


def test_only_alarms_and_page_read_foreign_readings():
    """Dosing, setpoints, recipes, reports, states of nodes and commands cannot take one."""
    readers = ("idroserra.foreign", "idroserra.alarms", "idroserra.server.service",
               "idroserra.web.app", "idroserra.web.context", "idroserra.web.api.foreign")
    found = [f"{each.place} imports {each.imported}" for each in found_in("idroserra")
             if within(each.imported, ("idroserra.foreign",))
             and not within(each.importer, readers)]
    assert not found, report(WHY, found)


def test_foreign_readings_are_received_and_nothing_is_sent():
    found = [name_of(path) for path in python_files("host/idroserra/foreign")
             if ".publish" in path.read_text()]
    assert not found, report(WHY, found)


@pytest.mark.parametrize("package", ["idroserra", "idrosim"])
def test_every_module_is_in_a_package(package):
    why = "Move a module into the package of its subject:"
    folder = ROOT / TREES[package][0]
    found = [name_of(path) for path in python_files(TREES[package][0])
             if path.parent == folder and path.name not in ("__init__.py", "__main__.py")]
    assert not found, report(why, found)


def test_no_package_has_more_than_25_modules():
    why = "Split the package by subject, or move what its modules share into one below it:"
    folders = [folder for folder, _ in TREES.values()]
    found = Counter(path.parent for path in python_files(*folders))
    crowded = [f"{name_of(folder)}: {count} modules" for folder, count in found.items()
               if count > MOST_MODULES and name_of(folder) not in PART_FOLDERS]
    assert not crowded, report(why, crowded)


def example(*pairs: tuple[str, str]) -> list[Import]:
    return [Import(above, below, "example.py:1") for above, below in pairs]


def test_an_upward_import_is_found_with_its_path():
    found = example(("idroserra.core.config", "idroserra.web.app"))
    assert list(upward_imports(found, HOST)) == [
        "example.py:1: idroserra.core.config -> idroserra.web.app"]
    neighbours = example(("idroserra.alarms.engine", "idroserra.export.rows"))
    assert list(upward_imports(neighbours, HOST))
    assert not list(upward_imports(example(("idroserra.web.app", "idroserra.core.config")), HOST))


def test_an_import_cycle_is_found_with_its_path():
    modules = example(("idro.app.a", "idro.app.b"), ("idro.app.b", "idro.app.c"),
                      ("idro.app.c", "idro.app.a"))
    found = module_cycle(modules)
    assert found is not None
    assert set(found.split(" -> ")) == {"idro.app.a", "idro.app.b", "idro.app.c"}
    packages = example(("idro.app.a", "idro.net.b"), ("idro.net.c", "idro.app.d"))
    assert module_cycle(packages) is None
    assert package_cycle(packages) in ("app -> net -> app", "net -> app -> net")


def test_lazy_imports_are_found():
    lazy = next(path for path in python_files("host/idroserra")
                for node in nodes(path) if isinstance(node, ast.FunctionDef)
                for inner in ast.walk(node) if isinstance(inner, ast.ImportFrom)
                and (inner.module or "").startswith("idroserra."))
    assert any(each.importer == module_of(lazy) for each in found_in("idroserra"))


def refusal(path: Path, name: str) -> str | None:
    """Return why a firmware file may not import `name`, None if it may."""
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


def test_firmware_imports_only_what_its_layer_may():
    found = [
        f"{name_of(path)}:{line} imports {name}: {why}"
        for path in python_files("firmware")
        for line, name in imports(path)
        if (why := refusal(path, name))
    ]
    assert not found, report(WHY, found)


def test_simulator_does_not_import_the_host():
    found = [
        f"{name_of(path)}:{line} imports {name}"
        for path in python_files("sim")
        for line, name in imports(path)
        if within(name, ("idroserra",))
    ]
    assert not found, report(WHY, found)


def test_simulated_hardware_does_not_import_the_firmware():
    why = "A simulated device that shares code with its driver shares its bugs:"
    found = [
        f"{name_of(path)}:{line} imports {name}"
        for path in python_files("sim")
        if name_of(path) not in RUNS_THE_FIRMWARE
        for line, name in imports(path)
        if within(name, ("idro",))
    ]
    assert not found, report(why, found)


def test_simulator_on_micropython_imports_only_micropython_modules():
    why = "These files run in MicroPython, which does not have these modules:"
    found = [
        f"{name_of(path)}:{line} imports {name}"
        for path in python_files("sim/idrosim")
        if not within(module_of(path), CPYTHON_ONLY)
        for line, name in imports(path)
        if name.split(".")[0] not in PORTABLE | {"idrosim", "builtins", *HARDWARE}
    ]
    assert not found, report(why, found)


def test_host_imports_only_the_contract_of_the_firmware():
    found = []
    for path in python_files("host"):
        for line, name in imports(path):
            may_read = name_of(path) in MAY_READ_LIMITS and within(name, ("idro.safety.limits",))
            bad_device = within(name, ("idro",)) and not within(name, CONTRACT) and not may_read
            bad_simulator = within(name, ("idrosim",)) and not within(
                module_of(path), HOST_MAY_SIMULATE)
            if bad_device or bad_simulator:
                found.append(f"{name_of(path)}:{line} imports {name}")
    assert not found, report(WHY, found)


def test_relative_imports_are_not_used():
    why = "Use absolute imports, which are the same on all three runtimes:"
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in python_files("firmware", "host", "sim")
        for node in nodes(path)
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not found, report(why, found)


def test_firmware_does_not_change_its_imports_or_behaviour_in_the_simulator():
    why = (
        "The tested firmware must equal the flashed one: no sys.path, __import__ only for\n"
        "drivers by part name and parts by PARTS, and no reference to the simulator:"
    )
    words = ("sys.path", "__import__", "importlib", "simul", "idrosim", "idroserra")
    found = [
        f"{name_of(path)} contains {word}"
        for path in python_files("firmware")
        for word in words
        if word in ast.unparse(code(path)).lower()
        and (word, name_of(path)) not in (
            ("__import__", "firmware/idro/app/hardware.py"),
            ("__import__", "firmware/main.py"),
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
        ("firmware/idro/net/mqtt_client.py", "network"),
        ("firmware/idro/app/node.py", "machine"),
        ("firmware/idro/app/node.py", "idroserra.server.service"),
        ("firmware/idro/protocol/topics.py", "typing"),
        ("firmware/main.py", "machine"),
    ],
)
def test_a_forbidden_import_is_found(file, name):
    assert refusal(ROOT / file, name)

"""Who may import whom: the tables of docs/architecture.md, kept by reading every import."""

import ast
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
    python_files,
    report,
    tree,
)

WHY = (
    "Layers exist so that control can be tested without hardware, a driver without a network,\n"
    "and nothing reaches a pump except through idro.safety. This import crosses one:"
)

# Each tree from its foundation up; a line may import the lines above it.
HOST: Levels = (
    ("core",),
    ("i18n",),
    ("pki", "mqtt", "auth", "history", "boards"),
    ("client", "broker", "image"),
    ("flash",),
    ("ingest",),
    ("nodes",),
    ("inventory", "calibration", "recipes", "journal", "provisioning"),
    ("simulation", "alarms", "export", "backup"),
    ("updates", "homeassistant"),
    ("server",),
    ("terminal", "reports", "prometheus"),
    ("web",),
    ("demo", "doctor"),
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
)
TREES = {
    "idroserra": ("host/idroserra", HOST),
    "idro": ("firmware/idro", FIRMWARE),
    "idrosim": ("sim/idrosim", SIMULATOR),
}


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
    Layer("idro.safety", ("idro.safety", "idro.board", *CONTRACT),
          PORTABLE - {"socket", "ssl", "tls"}),
    Layer("idro.outbox", ("idro.outbox", *CONTRACT), PORTABLE - {"socket", "ssl", "tls"}),
    Layer("idro.net", ("idro.net", "idro.outbox", *CONTRACT), PORTABLE),
    Layer("idro.update", ("idro.update", "idro.safety", "idro.board", *CONTRACT),
          PORTABLE - {"socket", "ssl", "tls"}),
    Layer("idro.app", ("idro",), PORTABLE),
    Layer("idro", ("idro",), frozenset()),
)
# The modules of the hardware, each with the only files of the firmware that may import it.
HARDWARE = {
    "machine": {"firmware/idro/app/hardware.py", "firmware/idro/safety/safe_outputs.py",
                "firmware/idro/update/platform.py"},
    "esp32": {"firmware/idro/update/platform.py"},
    "onewire": {"firmware/idro/app/hardware.py"},
    "network": {"firmware/idro/net/wifi.py"},
}
# The packages of the simulator that only CPython runs, which mypy checks strictly.
CPYTHON_ONLY = tuple(
    f"idrosim.{name}" for name in ("runner", "scenarios", "campaign", "water_solver", "benchmark"))
# No devices: these let the firmware's own control play against others on CPython.
RUNS_THE_FIRMWARE = {
    "sim/idrosim/benchmark/firmware_policy.py",
    "sim/idrosim/benchmark/scoreboard.py",
}
# The frozen ceilings, read to say beforehand what the gate would take days for; never to allow.
MAY_READ_LIMITS = {"host/idroserra/recipes/feasibility.py"}
# What shows the product with the simulator, runs it beside a host, or uses its chemistry.
HOST_MAY_SIMULATE = ("idroserra.demo", "idroserra.simulation", "idroserra.cli")


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == p or name.startswith(f"{p}.") for p in packages)


def found_in(package: str) -> list[Import]:
    folder, _ = TREES[package]
    return imports_between(python_files(folder), package)


@pytest.mark.parametrize("package", TREES)
def test_every_package_has_its_place(package):
    folder, floors = TREES[package]
    there = packages_of(module_of(path) for path in python_files(folder)) - {"__main__"}
    assert there == {name for floor in floors for name in floor}


@pytest.mark.parametrize("package", TREES)
def test_imports_go_down(package):
    found = list(upward_imports(found_in(package), TREES[package][1]))
    assert not found, report(WHY, found)


@pytest.mark.parametrize("package", TREES)
def test_no_circle_of_modules_or_packages(package):
    found = found_in(package)
    assert module_cycle(found) is None
    assert package_cycle(found) is None


def test_of_the_ingest_nodes_know_the_types_of_its_handler_only():
    found = [one for one in found_in("idroserra") if within(one.importer, ("idroserra.nodes",))
             and within(one.imported, ("idroserra.ingest",))
             and one.imported != "idroserra.ingest.handler"]
    assert not found, report(WHY, [f"{one.place} imports {one.imported}" for one in found])


@pytest.mark.parametrize("package", ["idroserra", "idrosim"])
def test_packages_hold_the_modules(package):
    why = "A module lies in the package of its subject:"
    folder = ROOT / TREES[package][0]
    found = [name_of(path) for path in python_files(TREES[package][0])
             if path.parent == folder and path.name not in ("__init__.py", "__main__.py")]
    assert not found, report(why, found)


def planted(*pairs: tuple[str, str]) -> list[Import]:
    return [Import(above, below, "planted.py:1") for above, below in pairs]


def test_a_planted_import_that_climbs_is_found_with_its_path():
    found = planted(("idroserra.core.config", "idroserra.web.app"))
    assert list(upward_imports(found, HOST)) == [
        "planted.py:1: idroserra.core.config -> idroserra.web.app"]
    neighbours = planted(("idroserra.alarms.engine", "idroserra.export.rows"))
    assert list(upward_imports(neighbours, HOST))
    assert not list(upward_imports(planted(("idroserra.web.app", "idroserra.core.config")), HOST))


def test_a_planted_circle_is_found_with_its_path():
    modules = planted(("idro.app.a", "idro.app.b"), ("idro.app.b", "idro.app.c"),
                      ("idro.app.c", "idro.app.a"))
    found = module_cycle(modules)
    assert found is not None
    assert set(found.split(" -> ")) == {"idro.app.a", "idro.app.b", "idro.app.c"}
    packages = planted(("idro.app.a", "idro.net.b"), ("idro.net.c", "idro.app.d"))
    assert module_cycle(packages) is None
    assert package_cycle(packages) in ("app -> net -> app", "net -> app -> net")


def test_lazy_imports_count():
    lazy = next(path for path in python_files("host/idroserra")
                for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef)
                for inner in ast.walk(node) if isinstance(inner, ast.ImportFrom)
                and (inner.module or "").startswith("idroserra."))
    assert any(one.importer == module_of(lazy) for one in found_in("idroserra"))


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
        if not within(module_of(path), CPYTHON_ONLY)
        for line, name in imports(path)
        if name.split(".")[0] not in PORTABLE | {"idrosim", "builtins", *HARDWARE}
    ]
    assert not found, report(why, found)


def test_host_speaks_to_nodes_only_through_the_contract():
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
        ("firmware/idro/net/mqtt_client.py", "network"),
        ("firmware/idro/app/node.py", "machine"),
        ("firmware/idro/app/node.py", "idroserra.server.service"),
        ("firmware/idro/protocol/topics.py", "typing"),
        ("firmware/main.py", "machine"),
    ],
)
def test_the_rule_bites(file, name):
    assert refusal(ROOT / file, name)

"""The simulated modules of the board offer nothing that the real ones lack.

Otherwise firmware could pass in the simulator and fail on the board. The modules are compared with
micropython-esp32-stubs; pyright checks the use of these modules in the firmware.
"""

import ast
from importlib.metadata import files as installed_files
from pathlib import Path

import pytest

from support.source_tree import ROOT, name_of, nodes, python_files, report, tree

SHIM = "sim/idrosim/shim"
MODULES = ("machine", "network", "esp32", "onewire")


def stub(module: str) -> ast.Module:
    """Return the syntax tree of the stub of an ESP32 module."""
    found = [
        Path(str(file.locate()))
        for file in installed_files("micropython-esp32-stubs") or ()
        if str(file) in (f"{module}.pyi", f"{module}/__init__.pyi")
    ]
    assert found, f"micropython-esp32-stubs has no {module}"
    return ast.parse(found[0].read_text(encoding="utf-8"))


def names(body: list[ast.stmt]) -> set[str]:
    """Return the public names that a module or class body binds."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.Assign):
            found |= {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        elif isinstance(node, ast.If):
            found |= names(node.body) | names(node.orelse)
    return {name for name in found if not name.startswith("_")}


def classes(body: list[ast.stmt]) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in body if isinstance(node, ast.ClassDef)}


def with_bases(name: str, known: dict[str, ast.ClassDef]) -> set[str]:
    """Return the public names of a class and of its known bases."""
    found = names(known[name].body)
    for base in known[name].bases:
        if isinstance(base, ast.Name) and base.id in known:
            found |= with_bases(base.id, known)
    return found


def keys(table: ast.expr | None) -> set[str]:
    """Return the text keys of a dict display."""
    entries = table.keys if isinstance(table, ast.Dict) else []
    return {str(key.value) for key in entries if isinstance(key, ast.Constant)}


def offered(module: str) -> dict[str, Path]:
    """Return the names that the simulator defines in `module`, each with its file.

    They are in `modules["machine"] = Module({...})`, or returned by a function `functions`.
    """
    found: dict[str, Path] = {}
    for path in python_files(SHIM):
        for node in nodes(path):
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Subscript)
                and ast.unparse(node.targets[0].slice) == repr(module)
                and isinstance(node.value, ast.Call)
            ):
                found |= dict.fromkeys(keys(node.value.args[0]), path)
            elif (
                isinstance(node, ast.FunctionDef)
                and node.name == "functions"
                and f"`{module}`" in (ast.get_docstring(node) or "")
            ):
                returned = [n.value for n in ast.walk(node) if isinstance(n, ast.Return)]
                for table in returned:
                    found |= dict.fromkeys(keys(table), path)
    return found


def simulated_classes() -> dict[str, tuple[Path, ast.ClassDef]]:
    return {
        name: (path, found)
        for path in python_files(SHIM)
        for name, found in classes(tree(path).body).items()
    }


WHY = "The real board does not have these names of the simulator:"


@pytest.mark.parametrize("module", MODULES)
def test_modules_offer_only_what_the_real_one_has(module):
    simulated = offered(module)
    assert simulated, f"no names of {module} found in {SHIM}"
    missing = sorted(set(simulated) - names(stub(module).body))
    assert not missing, report(WHY, [f"{name_of(simulated[n])}: {module}.{n}" for n in missing])


@pytest.mark.parametrize("module", MODULES)
def test_classes_offer_only_what_the_real_one_has(module):
    real = classes(stub(module).body)
    ours = simulated_classes()
    known = {name: found for name, (_, found) in ours.items()}
    found = [
        f"{name_of(ours[name][0])}: {module}.{name}.{extra}"
        for name in offered(module)
        if name in ours and name in real
        for extra in sorted(with_bases(name, known) - with_bases(name, real))
    ]
    assert not found, report(WHY, found)


def test_the_rule_bites():
    assert "WDT" in names(stub("machine").body)
    assert "feed" in with_bases("WDT", classes(stub("machine").body))
    assert "stop" not in with_bases("WDT", classes(stub("machine").body))
    assert (ROOT / SHIM).is_dir()

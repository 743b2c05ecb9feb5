"""Rules for the files of the repository: sizes, places and forbidden contents."""

import ast
import json
import re
import tomllib

from support.source_tree import (
    ROOT,
    calls,
    files,
    module_of,
    name_of,
    nodes,
    python_files,
    report,
    texts,
)

MAX_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_BYTES = 1_048_576
CODE = {".py", ".js", ".css", ".html", ".toml", ".sh", ".conf"}


def test_files_are_short():
    why = f"Split files of more than {MAX_LINES} lines:"
    found = [
        f"{name_of(path)}: {lines} lines"
        for path in files()
        if path.suffix in CODE
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    ]
    assert not found, report(why, found)


def test_functions_are_short():
    why = f"Split functions of more than {MAX_FUNCTION_LINES} lines:"
    found = [
        f"{name_of(path)}:{node.lineno} {node.name}: {lines} lines"
        for path in python_files("firmware", "host", "sim", "tests", "bench")
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert not found, report(why, found)


def test_files_are_small():
    why = f"Generate files of more than {MAX_BYTES} bytes at build time:"
    found = [
        f"{name_of(path)}: {path.stat().st_size} bytes"
        for path in files()
        if path.stat().st_size > MAX_BYTES
    ]
    assert not found, report(why, found)


def test_no_file_depends_on_one_machine():
    why = "Paths and registry hosts of one machine work only there:"
    pattern = re.compile(
        r"/(?:tmp|work|root|home)/[A-Za-z]|\b(?:pypi|npmjs)\.(?:org|com)\b|python[h]osted"
        r"|deb[.]debian[.]org",
    )
    found = [
        f"{name}:{number} {match[0]}"
        for name, lines in texts()
        for number, line in enumerate(lines, 1)
        if (match := pattern.search(line))
    ]
    assert not found, report(why, found)


def test_javascript_lock_names_no_host():
    why = "The lock file must pin by hash and not name a registry:"
    lock = json.loads((ROOT / "host" / "web" / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    found = [name for name, entry in packages.items() if "resolved" in entry]
    found += [f"{name}: no integrity" for name, e in packages.items() if "integrity" not in e]
    assert not found, report(why, found)


def test_no_third_party_javascript_is_committed():
    why = "Declare third-party code as a dependency, which is copied at build time:"
    found = [
        name_of(path)
        for path in files()
        if "vendor" in path.parts or "node_modules" in path.parts or path.name.endswith(".min.js")
    ]
    assert not found, report(why, found)


def test_no_todo_comments():
    why = "Open an issue instead:"
    words = ("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error")
    pattern = re.compile("|".join(words))
    found = [
        f"{name}:{number}"
        for name, lines in texts()
        if name.endswith((".py", ".js"))
        for number, line in enumerate(lines, 1)
        if pattern.search(line)
    ]
    assert not found, report(why, found)


def test_no_test_is_skipped():
    why = "Do not skip tests; a program that is missing is the matter of support.programs:"
    found = [
        f"{name_of(path)}:{line} {called}"
        for path in python_files("tests")
        for line, called, _ in calls(path)
        if called in ("skip", "xfail", "skipif", "import" + "orskip")
        and name_of(path) != "tests/support/programs.py"
    ]
    found += [
        f"{name}:{number}"
        for name, lines in texts()
        if name.startswith("tests/") and name != "tests/repo/test_tree.py"
        for number, line in enumerate(lines, 1)
        if re.search(r"mark\.(skip|skipif|xfail)\b", line)
    ]
    assert not found, report(why, found)


def is_turn(call):
    """Return whether a call is sleep(0): a turn of the event loop, which takes no time."""
    return isinstance(call.args[0], ast.Constant) and call.args[0].value == 0


def test_tests_do_not_sleep():
    why = "Use the virtual clock, or wait for a condition with support.wait.wait_until:"
    found = [
        f"{name_of(path)}:{line}"
        for path in python_files("tests")
        if path.name != "conftest.py"
        for line, called, call in calls(path)
        if called == "sleep" and getattr(getattr(call.func, "value", None), "id", "") in
        ("time", "asyncio") and not is_turn(call)
    ]
    assert not found, report(why, found)


def test_every_scenario_has_promises():
    why = "A scenario without a promise proves nothing:"
    folder = ROOT / "sim" / "scenarios"
    scenarios = [path for path in files() if path.parent == folder and path.suffix == ".toml"]
    assert scenarios, "sim/scenarios is empty"
    found = []
    for path in scenarios:
        scenario = tomllib.loads(path.read_text(encoding="utf-8"))
        if not (scenario.get("promises") or scenario.get("promise")):
            found.append(name_of(path))
    assert not found, report(why, found)


def test_one_version():
    why = "The version belongs in pyproject.toml only:"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    found = [
        f"{name_of(path)}:{number}"
        for path in python_files("firmware", "host", "sim")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(rf"^(__version__|VERSION)\s*=\s*[\"']{re.escape(version)}", line)
    ]
    assert not found, report(why, found)


def test_annotated_modules_of_the_simulator_are_type_checked():
    why = "Add the package to [tool.mypy]:"
    mypy = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    strict = {m for o in mypy["overrides"] if o.get("disallow_untyped_defs") for m in o["module"]}
    found = [
        name_of(path)
        for path in python_files("sim/idrosim")
        if any(isinstance(n, ast.FunctionDef) and n.returns for n in nodes(path))
        and not (any(name_of(path).startswith(f"{folder}/") for folder in mypy["files"])
                 and any(module_of(path).startswith(name.rstrip("*")) for name in strict))
    ]
    assert not found, report(why, found)

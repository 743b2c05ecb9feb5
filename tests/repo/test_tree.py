"""What may lie in the tree at all: sizes, places, words."""

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
    python_files,
    report,
    texts,
    tree,
)

MAX_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_BYTES = 1_048_576
CODE = {".py", ".js", ".css", ".html", ".toml", ".sh", ".conf"}


def test_files_are_short():
    why = f"Past {MAX_LINES} lines nobody reads a file whole; split it by noun:"
    found = [
        f"{name_of(path)}: {lines} lines"
        for path in files()
        if path.suffix in CODE
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    ]
    assert not found, report(why, found)


def test_functions_are_short():
    why = f"A function past {MAX_FUNCTION_LINES} lines does several things; name them:"
    found = [
        f"{name_of(path)}:{node.lineno} {node.name}: {lines} lines"
        for path in python_files("firmware", "host", "sim", "tests", "bench")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert not found, report(why, found)


def test_files_are_small():
    why = f"Everybody downloads every byte for ever; over {MAX_BYTES} bytes make it at build:"
    found = [
        f"{name_of(path)}: {path.stat().st_size} bytes"
        for path in files()
        if path.stat().st_size > MAX_BYTES
    ]
    assert not found, report(why, found)


def test_nothing_names_the_machine_it_was_written_on():
    why = "A path or a registry host of one machine works on that machine only:"
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
    why = "The lock file pins by hash; an address in it ties the build to one registry:"
    lock = json.loads((ROOT / "host" / "web" / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    found = [name for name, entry in packages.items() if "resolved" in entry]
    found += [f"{name}: no integrity" for name, e in packages.items() if "integrity" not in e]
    assert not found, report(why, found)


def test_no_javascript_of_others_is_committed():
    why = "Third-party code is a declared dependency, copied in at build time:"
    found = [
        name_of(path)
        for path in files()
        if "vendor" in path.parts or "node_modules" in path.parts or path.name.endswith(".min.js")
    ]
    assert not found, report(why, found)


def test_nothing_is_left_for_later():
    why = "A note to do it later is an issue nobody sees; open one or do it:"
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
    why = "A skipped test is green and says nothing. What a test needs, `make test` installs:"
    found = [
        f"{name_of(path)}:{line} {called}"
        for path in python_files("tests")
        for line, called, _ in calls(path)
        if called in ("skip", "xfail", "skipif", "import" + "orskip")
    ]
    found += [
        f"{name}:{number}"
        for name, lines in texts()
        if name.startswith("tests/") and name != "tests/repo/test_tree.py"
        for number, line in enumerate(lines, 1)
        if re.search(r"mark\.(skip|skipif|xfail)\b", line)
    ]
    assert not found, report(why, found)


def test_tests_do_not_sleep():
    why = (
        "A sleep is too short on a slow machine and too long on a fast one. Use the virtual\n"
        "clock, or wait for a condition with the deadline helper of a conftest.py:"
    )
    found = [
        f"{name_of(path)}:{line}"
        for path in python_files("tests")
        if path.name != "conftest.py"
        for line, called, call in calls(path)
        if called == "sleep" and getattr(getattr(call.func, "value", None), "id", "") in
        ("time", "asyncio")
    ]
    assert not found, report(why, found)


def test_every_scenario_states_promises():
    why = "A scenario without a promise runs and proves nothing:"
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
    why = "One version, in pyproject.toml; a second one disagrees sooner or later:"
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    found = [
        f"{name_of(path)}:{number}"
        for path in python_files("firmware", "host", "sim")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(rf"^(__version__|VERSION)\s*=\s*[\"']{re.escape(version)}", line)
    ]
    assert not found, report(why, found)


def test_typed_packages_of_the_simulator_are_checked_strictly():
    why = "Annotations that are not checked go wrong; name the package under [tool.mypy]:"
    mypy = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    strict = {m for o in mypy["overrides"] if o.get("disallow_untyped_defs") for m in o["module"]}
    found = [
        name_of(path)
        for path in python_files("sim/idrosim")
        if any(isinstance(n, ast.FunctionDef) and n.returns for n in ast.walk(tree(path)))
        and not (any(name_of(path).startswith(f"{folder}/") for folder in mypy["files"])
                 and any(module_of(path).startswith(name.rstrip("*")) for name in strict))
    ]
    assert not found, report(why, found)

"""The invariant checks of the safety campaign share no code with the firmware or simulator."""

import re

from support.source_tree import ROOT, imports, name_of, python_files, report, strings

JUDGE = "sim/idrosim/campaign/invariants"
ALLOWED = "idrosim.campaign.invariants"


def foreign_imports(path):
    """Return the imports of our packages, except those of the invariants themselves."""
    return [
        f"{name_of(path)}:{line} imports {name}"
        for line, name in imports(path)
        if name.split(".")[0] in ("idro", "idrosim", "idroserra") and not name.startswith(ALLOWED)
    ]


def test_the_invariants_import_neither_firmware_nor_simulator():
    why = "Checks that share code with the safety gate share its bugs:"
    found = [place for path in python_files(JUDGE) for place in foreign_imports(path)]
    assert len(python_files(JUDGE)) >= 5
    assert not found, report(why, found)


def test_a_foreign_import_is_found():
    assert foreign_imports(ROOT / "sim/idrosim/scenarios/run.py")
    assert foreign_imports(ROOT / "tests/support/safety_rig.py")


def test_the_page_lists_every_invariant():
    page = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| (I\d+) \|", page, re.M))
    files = python_files(JUDGE, "sim/idrosim/campaign/fault_matrix.py",
                         "sim/idrosim/campaign/random_cases.py")
    checked = {text for path in files for text in strings(path) if re.fullmatch(r"I\d+", text)}
    assert len(checked) >= 15
    assert checked <= listed


def test_the_page_names_tests_that_exist():
    page = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named <= {path.stem for path in python_files("tests")}
    scenarios = {path.stem for path in (ROOT / "sim" / "scenarios").glob("*.toml")}
    assert set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", page)) <= scenarios

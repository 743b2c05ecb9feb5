"""The judge of the campaign shares no code with what it judges; its page lists what it says."""

import re

from support.source_tree import ROOT, imports, name_of, python_files, report, strings

JUDGE = ("sim/idrosim/campaign/invariants/",)
ALLOWED = ("idrosim.campaign.invariants",)


def judge_files():
    return [p for p in python_files("sim/idrosim") if name_of(p).startswith(JUDGE)]


def foreign(path):
    """Return what a file of the judge imports of ours that is not the judge."""
    return [
        f"{name_of(path)}:{line} imports {name}"
        for line, name in imports(path)
        if name.split(".")[0] in ("idro", "idrosim", "idroserra") and not name.startswith(ALLOWED)
    ]


def test_the_judge_imports_nothing_of_the_firmware_or_of_the_simulator():
    why = "A judge that shares code with the gate shares its mistakes, and proves nothing:"
    found = [place for path in judge_files() for place in foreign(path)]
    assert len(judge_files()) >= 5
    assert not found, report(why, found)


def test_the_rule_bites():
    assert foreign(ROOT / "sim/idrosim/scenarios/run.py")
    assert foreign(ROOT / "tests/support/safety_rig.py")


def test_the_page_lists_every_invariant_that_a_judge_may_find_broken():
    page = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| (I\d+) \|", page, re.M))
    files = [*judge_files(), *python_files("sim/idrosim/campaign/fault_matrix.py"),
             *python_files("sim/idrosim/campaign/random_cases.py")]
    said = {text for path in files for text in strings(path) if re.fullmatch(r"I\d+", text)}
    assert len(said) >= 15
    assert said <= listed


def test_the_page_names_tests_that_exist():
    page = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named <= {path.stem for path in python_files("tests")}
    scenarios = {path.stem for path in (ROOT / "sim" / "scenarios").glob("*.toml")}
    assert set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", page)) <= scenarios

"""The judge of the campaign shares no code with what it judges."""

from source_tree import ROOT, imports, name_of, python_files, report

JUDGE = ("sim/idrosim/judge",)
ALLOWED = ("idrosim.judge",)


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
    assert foreign(ROOT / "sim/idrosim/scenario.py")
    assert foreign(ROOT / "tests/host/safety_rig.py")

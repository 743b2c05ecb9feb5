"""Each section of bench/RESULTS.md is written by a bench and names its command."""

import re
import sys

import pytest
from test_docs_commands import error_in

from support.source_tree import ROOT, report

sys.path.insert(0, str(ROOT / "bench"))

from results import RESULTS, write_section  # noqa: E402  of the benches

TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.M))
SECTION = """## Speed

<!-- begin speed -->
`make bench-old`, before.
<!-- end speed -->

After.
"""


def wrong_command(line: str) -> str:
    """Return the error in the command of a section, "" if there is none."""
    words = line.split()
    if words[0] == "make":
        return "" if words[1] in TARGETS else "no such make target"
    if words[0] == "idroserra":
        return error_in(line.removeprefix("idroserra "))
    files = [word for word in words[1:] if word.endswith(".py")]
    return "" if files and all((ROOT / name).is_file() for name in files) else "no such file"


def test_every_section_names_an_existing_command():
    why = "Figures need the command that produces them; correct bench/RESULTS.md:"
    sections = RESULTS.read_text("utf-8").split("\n## ")[1:]
    assert len(sections) > 15
    found = []
    for section in sections:
        title = section.splitlines()[0]
        command = re.search(
            r"<!-- begin (\w+) -->\n`([^`]+)`, .+\n\n[^<]+<!-- end \1 -->", section)
        wrong = wrong_command(command[2]) if command else "no markers, or no command after them"
        if wrong:
            found.append(f"{title}: {wrong}")
    assert not found, report(why, found)


def test_a_bench_replaces_only_its_section(tmp_path):
    file = tmp_path / "RESULTS.md"
    file.write_text(SECTION)
    write_section("speed", "make bench-sim", ["a", "b"], file)
    lines = file.read_text().splitlines()
    assert lines[:3] == ["## Speed", "", "<!-- begin speed -->"]
    assert re.fullmatch(r"`make bench-sim`, \d+ \w+ \d{4}, commit \S+\.", lines[3])
    assert lines[4:] == ["", "a", "b", "<!-- end speed -->", "", "After."]


def test_a_bench_without_a_section_is_an_error(tmp_path):
    file = tmp_path / "RESULTS.md"
    file.write_text(SECTION)
    with pytest.raises(ValueError, match="no section heat"):
        write_section("heat", "make bench-sim", [], file)
    assert file.read_text() == SECTION


def test_an_invalid_command_is_found():
    assert wrong_command("make bench-nothing")
    assert wrong_command("idroserra sim dance")
    assert wrong_command(".venv/bin/python bench/gone.py")

"""Runs the files and commands of docs/boards.md and docs/modbus.md in a copy of the tree."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("boards", "firmware", "host", "sim")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "node_modules", "vendor")


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of what a user has."""
    root = tmp_path_factory.mktemp("tree")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, root / folder, ignore=LEFT_OUT)
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def put(tree: Path, head: str, text: str) -> None:
    """Write or append a block of the page, as its head says."""
    what = dict(item.split("=") for item in head.split()[1:])
    if "append" in what:
        target = tree / what["append"]
        target.write_text(target.read_text(encoding="utf-8") + text, encoding="utf-8")
    else:
        assert not (tree / what["file"]).exists()
        (tree / what["file"]).write_text(text, encoding="utf-8")


def run(tree: Path, line: str) -> str:
    """Run one line of a shell block in the copy, with its own code."""
    program, *arguments = shlex.split(line)
    assert program == "idroserra"
    paths = os.pathsep.join(str(tree / folder) for folder in ("firmware", "host", "sim"))
    done = subprocess.run(
        [sys.executable, "-c", "from idroserra.cli.main import main; main()", *arguments],
        cwd=tree, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True,
        check=False, timeout=600,
    )
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return done.stdout


def said_by(tree: Path, name: str) -> list[str]:
    """Write the files of a page, run its commands and return what each printed.

    A block marked as text is not run: it needs a board.
    """
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    said = []
    for head, text in re.findall(r"^```([^\n]+)\n(.*?)^```$", page, re.M | re.S):
        if head == "sh":
            said += [run(tree, line) for line in text.splitlines()]
        elif head == "console":
            command, *shown = text.removeprefix("$ ").splitlines()
            said.append(run(tree, command))
            for line in shown:
                assert " ".join(line.split()) in " ".join(said[-1].split()), command
        elif "=" in head:
            put(tree, head, text)
    return said


def test_the_commands_of_the_boards_page_work(tree):
    said = said_by(tree, "boards.md")
    whole = "\n".join(said)
    for words in ("my-tank: valid", "my-tank.svg", "my-air: valid", "0x70 shtc3 of air"):
        assert words in whole
    assert "kept" in said[-1]
    assert (tree / "build" / "my-tank" / "manifest.json").is_file()


def test_a_probe_in_no_list_is_added_by_the_modbus_page(tree):
    said = said_by(tree, "modbus.md")
    assert "5 my_ec of reservoir: ec_us_cm, temp_c" in said[0]
    assert "kept" in said[-1]

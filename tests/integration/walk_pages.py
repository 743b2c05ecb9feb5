"""`make walk-docs`: runs the commands of the pages for newcomers. Some minutes.

In a `console` block, each line after `$` is run until its output contains the lines below it. A
block with `file=` is written to that file. Everything runs in a copy of the tree beside a demo.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from idroserra.broker.local import free_port
from support.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("boards", "firmware", "host", "sim")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "node_modules")
WITH_DEMO = ("getting-started", "recipes", "calibration")
PATIENCE_S = 60
_BLOCK = re.compile(r"^```(console|toml file=\S+)\n(.*?)^```$", re.M | re.S)


class Reader:
    """A reader of a page with a terminal in a copy of the tree."""

    def __init__(self, tree, url):
        paths = os.pathsep.join(str(tree / folder) for folder in ("firmware", "host", "sim"))
        self._tree = tree
        self.environment = os.environ | {
            "PYTHONPATH": paths, "COLUMNS": "200", "IDROSERRA_URL": url}

    def start(self, *words):
        """Start an idroserra command with the code of the copy."""
        code = "from idroserra.cli.main import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", code, *words], cwd=self._tree, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, line, wanted):
        """Run a line until its output contains every line of `wanted`."""
        program, *words = shlex.split(line)
        assert program == "idroserra", line
        output = ""

        def is_as_wanted():
            nonlocal output
            output, _ = self.start(*words).communicate(timeout=10 * PATIENCE_S)
            return all(" ".join(text.split()) in " ".join(output.split()) for text in wanted)

        try:
            wait_until(is_as_wanted, PATIENCE_S, f"{line}: {wanted}")
        finally:
            print(f"$ {line}\n{output}")

    def follow(self, page):
        """Run the blocks of a page; return the number of commands."""
        count = 0
        for head, text in _BLOCK.findall(page):
            if head != "console":
                (self._tree / head.split("file=")[1]).write_text(text, encoding="utf-8")
                continue
            for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
                line, *wanted = part.splitlines()
                self.run(line, wanted)
                count += 1
        return count


@pytest.fixture
def reader(tmp_path):
    """A reader in a new copy of the tree."""
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=LEFT_OUT)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return Reader(tmp_path, f"http://127.0.0.1:{free_port()}")


def page(name):
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", WITH_DEMO)
def test_every_command_of_the_page_works(reader, name):
    port = reader.environment["IDROSERRA_URL"].rpartition(":")[2]
    demo = reader.start("demo", "--history", "0.1", "--port", port)
    try:
        assert reader.follow(page(name)) > 4
    finally:
        demo.terminate()
        demo.communicate(timeout=180)
    assert demo.returncode == 0

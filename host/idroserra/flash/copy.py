"""The image onto the board's flash: only what differs, checked by hash, main.py last.

A board whose image is not whole starts nothing: main.py is taken away before the first file is
changed and written after all of them were read back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from idroserra.flash.board_link import BoardInfo, BoardLink, out_of_space
from idroserra.flash.errors import FlashError
from idroserra.image import build

MIN_MICROPYTHON = (1, 26, 0)  # older ones take half a JSON text for a whole one
# What the node is built in, with 32-bit pointers: two thirds of the 368 kB of bench/RESULTS.md.
HEAP_BYTES = 245_000
START = "main.py"
_PACKAGE = "idro"
_SLOTS = ("slot", "a", "b")  # of updates over the air: what is flashed is what runs
_TRIES = 2
# What littlefs needs beside the files: folders, and a copy of what is being replaced.
_SPARE_BLOCKS = 16
OnFile = Callable[[str, int], None]


@dataclass(frozen=True)
class CopyPlan:
    """What there is to do on a board: files to send, in order, and files to take away."""

    send: tuple[str, ...]
    remove: tuple[str, ...]
    send_bytes: int
    kept: int  # files of the image that are there already

    @property
    def is_nothing(self) -> bool:
        """Whether the board holds the image already."""
        return not (self.send or self.remove)


def plan(link: BoardLink, folder: Path, manifest: build.Manifest, about: BoardInfo) -> CopyPlan:
    """Compare the board with the image in `folder`. Raises FlashError where it cannot fit."""
    wanted = manifest.files | {build.MANIFEST: _file_sha256(folder / build.MANIFEST)}
    there = link.hashes(wanted)
    order = sorted(wanted, key=lambda path: (path == START, path == build.MANIFEST, path))
    send = tuple(path for path in order if there[path] != wanted[path])
    on_board = link.listing()
    remove = tuple(sorted(path for path in on_board if is_stale(path) and path not in wanted))
    sizes = {path: (folder / path).stat().st_size for path in send}
    _check_room(link.port, about, sizes, on_board, remove, wanted)
    return CopyPlan(send, remove, sum(sizes.values()), len(wanted) - len(send))


def is_stale(path: str) -> bool:
    """Whether a file that the image lacks would be imported, or run, in place of one it has."""
    top = path.split("/")[0]
    return top in (_PACKAGE, *_SLOTS) or path in (
        f"{_PACKAGE}.py", f"{_PACKAGE}.mpy", "boot.mpy", "main.mpy")


def copy(link: BoardLink, folder: Path, work: CopyPlan, on_file: OnFile) -> None:
    """Do `work`. `on_file` gets the file at work and how many bytes of it are sent.

    Raises CableDied, and FlashError when a file does not read back as it was sent.
    """
    if work.is_nothing:
        return
    link.remove(START)
    for path in work.remove:
        link.remove(path)
    last = [path for path in work.send if path == START] or [START]
    for path in [path for path in work.send if path != START] + last:
        _send(link, folder, path, on_file)


def check_whole(link: BoardLink, manifest: build.Manifest) -> None:
    """Hash every file of the image on the board. Raises FlashError unless it is that image."""
    found = link.hashes(sorted(manifest.files))
    if build.image_sha256(found) != manifest.image_sha256:
        wrong = [path for path in manifest.files if found[path] != manifest.files[path]]
        raise _differs(link.port, ", ".join(wrong))


def check_micropython(about: BoardInfo, folder: Path) -> str | None:
    """Return why this MicroPython cannot run the image in `folder`, or None if it can."""
    if about.version < MIN_MICROPYTHON:
        return (f"MicroPython {about.text} is on the board, "
                f"{'.'.join(map(str, MIN_MICROPYTHON))} or newer is needed")
    wanted = mpy_version(folder)
    if about.mpy_version != wanted:
        return (f"MicroPython {about.text} reads .mpy files of version {about.mpy_version}, "
                f"those of the image are of version {wanted}")
    return None


def mpy_version(folder: Path) -> int:
    """Return the version of the .mpy files in `folder`: the second byte of each.

    The sub-version counts only where there is machine code in it (py/persistentcode.h).
    """
    return (folder / f"{build.BOARD_MODULE}.mpy").read_bytes()[1]


def _send(link: BoardLink, folder: Path, path: str, on_file: OnFile) -> None:
    data = (folder / path).read_bytes()
    for _ in range(_TRIES):
        link.put(path, data, lambda written: on_file(path, written))
        on_file(path, len(data))
        if link.hashes([path])[path] == _file_sha256(folder / path):
            return
    raise _differs(link.port, path)


def _differs(port: str, what: str) -> FlashError:
    return FlashError(
        f"{port}: {what} did not read back as sent",
        "Say the same command again. If it stays, the board's flash is worn out, or its supply is "
        "too weak: try another USB port without a hub.",
    )


def _check_room(
    port: str, about: BoardInfo, sizes: dict[str, int], on_board: dict[str, int],
    removed: tuple[str, ...], ours: dict[str, str],
) -> None:
    """Raise FlashError when what is sent has no room beside what stays."""
    def blocks(size_bytes: int) -> int:
        return -(-size_bytes // about.block_bytes)

    needed = sum(map(blocks, sizes.values())) + _SPARE_BLOCKS
    freed = sum(blocks(on_board[path]) for path in (*sizes, *removed) if path in on_board)
    free = about.free_bytes // about.block_bytes + freed
    if sizes and needed > free:
        others = {path: size_bytes for path, size_bytes in on_board.items()
                  if path not in ours and path not in removed}
        what = (f"{needed * about.block_bytes // 1024} kB are needed, "
                f"{free * about.block_bytes // 1024} of {about.all_bytes // 1024} kB are free")
        raise out_of_space(port, what, others)


def _file_sha256(path: Path) -> str:
    return build.sha256(path.read_bytes())

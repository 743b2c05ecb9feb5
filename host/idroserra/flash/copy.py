"""Copies the image to the board's flash: only changed files, verified by hash, main.py last.

A board with an incomplete image starts nothing: main.py is removed before the first change and
written after all other files are verified.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from idroserra.core.micropython import OLDEST, text_of
from idroserra.flash.board_link import BoardInfo, BoardLink, out_of_space
from idroserra.flash.errors import DIFFERS, FlashError
from idroserra.image import build

START = "main.py"
_PACKAGE = "idro"
_SLOTS = ("slot", "a", "b")  # of updates over the air; removed, so that the flashed image runs
_TRIES = 2
# Blocks that littlefs needs for folders and copy-on-write.
_SPARE_BLOCKS = 16
OnFile = Callable[[str, int], None]


@dataclass(frozen=True)
class CopyPlan:
    """Files to send to a board, in order, and files to remove."""

    send: tuple[str, ...]
    remove: tuple[str, ...]
    send_bytes: int
    kept: int  # number of files that are already on the board

    @property
    def is_nothing(self) -> bool:
        """Whether the board already has the image."""
        return not (self.send or self.remove)


def plan_copy(
    link: BoardLink, folder: Path, manifest: build.Manifest, about: BoardInfo
) -> CopyPlan:
    """Compare the board with the image in `folder`. Raises FlashError if it does not fit."""
    wanted = manifest.files | {build.MANIFEST: _file_sha256(folder / build.MANIFEST)}
    present = link.hashes(wanted)
    order = sorted(wanted, key=lambda path: (path == START, path == build.MANIFEST, path))
    send = tuple(path for path in order if present[path] != wanted[path])
    on_board = link.listing()
    remove = tuple(sorted(path for path in on_board if is_stale(path) and path not in wanted))
    sizes = {path: (folder / path).stat().st_size for path in send}
    _check_room(link.port, about, sizes, on_board, remove, wanted)
    return CopyPlan(send, remove, sum(sizes.values()), len(wanted) - len(send))


def is_stale(path: str) -> bool:
    """Whether a file outside the image would be imported or run instead of one in it."""
    top = path.split("/")[0]
    return top in (_PACKAGE, *_SLOTS) or path in (
        f"{_PACKAGE}.py", f"{_PACKAGE}.mpy", "boot.mpy", "main.mpy")


def copy_image(link: BoardLink, folder: Path, work: CopyPlan, on_file: OnFile) -> None:
    """Execute a plan; on_file(path, bytes sent).

    Raises ConnectionLost; FlashError if the verification of a file fails.
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
    """Verify the hashes of all files on the board. Raises FlashError."""
    found = link.hashes(sorted(manifest.files))
    if build.image_sha256(found) != manifest.image_sha256:
        wrong = [path for path in manifest.files if found[path] != manifest.files[path]]
        raise _differs(link.port, ", ".join(wrong))


def check_micropython(about: BoardInfo, folder: Path) -> str | None:
    """Return why this MicroPython cannot run the image in `folder`, or None if it can."""
    if about.version < OLDEST:
        return (f"MicroPython {about.text} is on the board, {text_of(OLDEST)} or newer is needed")
    wanted = mpy_version(folder)
    if about.mpy_version != wanted:
        return (f"MicroPython {about.text} loads .mpy files of version {about.mpy_version}, "
                f"the image has version {wanted}")
    return None


def mpy_version(folder: Path) -> int:
    """Return the version of the .mpy files in `folder`: the second byte of each.

    The sub-version matters only for native code (py/persistentcode.h).
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
        "Repeat the command. If the error persists, the board's flash is worn out or its supply "
        "is too weak: try another USB port without a hub.",
        DIFFERS,
    )


def _check_room(
    port: str, about: BoardInfo, sizes: dict[str, int], on_board: dict[str, int],
    removed: tuple[str, ...], ours: dict[str, str],
) -> None:
    """Check that the files to send fit beside the remaining ones. Raises FlashError."""
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

"""The manifest of a release: ASCII, one field a line, signed byte for byte.

The parser is as strict as the node's: `Manifest.text` reproduces every accepted manifest exactly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from idroserra.core import protocol
from idroserra.updates.errors import BadRelease

FORMAT = "idroserra-update 1"
END = "end"
MOST_BYTES = 32_768
MOST_FILES = 250
MOST_FILE_BYTES = 262_144
MOST_TOTAL_BYTES = 400_000  # as the node has it
MOST_COUNTER = 2_147_483_647
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,39}")
_BOARD_CLASS = re.compile(r"[a-z0-9]{2,20}/[a-z0-9-]{1,40}")
_HEX = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")


@dataclass(frozen=True)
class File:
    """One file of a release. `path` is relative to the slot."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a release is for, and its files sorted by path."""

    version: str
    board_class: str
    kernel: int
    security_counter: int
    files: tuple[File, ...]

    @property
    def total_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @property
    def board(self) -> str:
        """The board's name."""
        return self.board_class.partition("/")[2]

    @property
    def text(self) -> bytes:
        """The bytes to be signed."""
        lines = [
            FORMAT, f"version {self.version}", f"board_class {self.board_class}",
            f"kernel {self.kernel}", f"security_counter {self.security_counter}",
            f"files {len(self.files)} {self.total_bytes}",
            *(f"{file.sha256} {file.size} {file.path}" for file in self.files), END,
        ]
        return "".join(f"{line}\n" for line in lines).encode("ascii")


def read(data: bytes) -> Manifest:
    """Parse a manifest. Raises BadRelease with the line."""
    if len(data) > MOST_BYTES:
        raise BadRelease(f"manifest: {len(data)} bytes, {MOST_BYTES} at most")
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise BadRelease("manifest: not ASCII") from None
    if lines[-1] != "" or len(lines) < 8 or lines[-2] != END:
        raise BadRelease("manifest: cut off: its last line is not `end`")
    if lines[0] != FORMAT:
        raise BadRelease(f"manifest: line 1: not {FORMAT!r}")
    count, total = _files_line(lines[5])
    files = tuple(_file(number, line) for number, line in enumerate(lines[6:-2], 7))
    manifest = Manifest(
        _word(lines[1], 2, "version", _VERSION), _word(lines[2], 3, "board_class", _BOARD_CLASS),
        int(_word(lines[3], 4, "kernel", _NUMBER)),
        int(_word(lines[4], 5, "security_counter", _NUMBER)), files)
    if not 1 <= len(files) <= MOST_FILES or len(files) != count:
        raise BadRelease(f"manifest: line 6 gives {count} files, but {len(files)} follow")
    if manifest.total_bytes != total or total > MOST_TOTAL_BYTES:
        raise BadRelease(f"manifest: line 6 gives {total} bytes, but the files have "
                         f"{manifest.total_bytes}; {MOST_TOTAL_BYTES} at most")
    paths = [file.path for file in files]
    if paths != sorted(set(paths)):
        raise BadRelease("manifest: the paths are not unique and sorted")
    if manifest.security_counter > MOST_COUNTER:
        raise BadRelease("manifest: line 5: security_counter is too large")
    return manifest


def _word(line: str, number: int, key: str, pattern: re.Pattern[str]) -> str:
    found, _, value = line.partition(" ")
    if found != key or not pattern.fullmatch(value):
        raise BadRelease(f"manifest: line {number}: `{key} ...` is needed, not {line[:60]!r}")
    return value


def _files_line(line: str) -> tuple[int, int]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "files" or not all(map(_NUMBER.fullmatch, parts[1:])):
        raise BadRelease(f"manifest: line 6: `files COUNT BYTES` is needed, not {line[:60]!r}")
    return int(parts[1]), int(parts[2])


def _file(number: int, line: str) -> File:
    parts = line.split(" ")
    if len(parts) == 3 and protocol.is_kernel(parts[2]):
        raise BadRelease(f"manifest: line {number}: {parts[2]} belongs to the kernel, which can "
                         "be changed over USB only")
    if (len(parts) != 3 or not _HEX.fullmatch(parts[0]) or not _NUMBER.fullmatch(parts[1])
            or not protocol.is_release_path(parts[2])):
        raise BadRelease(f"manifest: line {number}: `SHA-256 SIZE PATH` is needed, "
                         f"not {line[:60]!r}")
    size = int(parts[1])
    if size > MOST_FILE_BYTES:
        raise BadRelease(f"manifest: line {number}: {parts[2]} is larger than {MOST_FILE_BYTES}")
    return File(parts[2], size, parts[0])

"""Reads the manifest of a release line by line, and hashes files on the flash."""

import binascii
import hashlib
import os
from collections import namedtuple

from idro.errors import UpdateError
from idro.protocol.reason import Reason
from idro.protocol.release_layout import is_path

MAX_FILES = 256
# Size of a release: two of them and the flashed application fit beside the outbox.
MAX_BYTES = 400_000
_MAX_LINE_BYTES = 160
_HEX = b"0123456789abcdef"

# board_class: chip/board. files, size: the number of files and their total bytes.
Header = namedtuple(
    "Header", ("version", "board_class", "kernel", "security_counter", "files", "size"))
# One line of a manifest. sha256 is 64 hex digits.
FileEntry = namedtuple("FileEntry", ("sha256", "size", "path"))


def read_header(file):
    """Read the lines before the first file of a manifest. Raises UpdateError and OSError."""
    if _line(file) != "idroserra-update 1":
        raise malformed()
    version = _value(file, "version")
    board_class = _value(file, "board_class")
    kernel, counter = _number(_value(file, "kernel")), _number(_value(file, "security_counter"))
    words = _value(file, "files").split(" ")
    if len(words) != 2 or not version or len(version) > 40 or " " in version:
        raise malformed()
    files, size = _number(words[0]), _number(words[1])
    if not 0 < files <= MAX_FILES or size > MAX_BYTES:
        raise malformed()
    return Header(version, board_class, kernel, counter, files, size)


def read_entry(file, last_path):
    """Return the next FileEntry, or None at the end of the file. Raises UpdateError.

    Paths ascend, so none repeats, and none is outside the slot or in the kernel.
    """
    line = _line(file)
    if line == "end":
        if file.read(1):
            raise malformed()
        return None
    words = line.split(" ")
    if len(words) != 3 or len(words[0]) != 64 or words[0].encode().strip(_HEX):
        raise malformed()
    entry = FileEntry(words[0], _number(words[1]), words[2])
    if not is_path(entry.path) or entry.path <= last_path:
        raise UpdateError(Reason("path_forbidden", path=entry.path[:64]))
    return entry


def entries(path):
    """Yield each FileEntry of the manifest at `path`, which is opened again for each.

    Raises UpdateError and OSError, and at the end if the counts of the header are wrong.
    """
    with open(path, "rb") as file:
        header = read_header(file)
        position = file.tell()
    files = size = 0
    last_path = ""
    while True:
        with open(path, "rb") as file:
            file.seek(position)
            entry = read_entry(file, last_path)
            position = file.tell()
        if entry is None:
            break
        files += 1
        size += entry.size
        last_path = entry.path
        yield entry
    if files != header.files or size != header.size:
        raise malformed()


def file_sha256(path, buffer):
    """Return the SHA-256 of a file as bytes, read through `buffer`. Raises OSError."""
    view = memoryview(buffer)
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            count = file.readinto(buffer)
            if not count:
                return digest.digest()
            digest.update(view[:count])


def is_file(path, entry, buffer):
    """True if the file at `path` exists and matches a FileEntry."""
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            if file.tell() != entry.size:
                return False
        return file_sha256(path, buffer) == binascii.unhexlify(entry.sha256)
    except OSError:
        return False


def walk(root, folder=""):
    """Yield the path of every file under `root`, relative to it, in ascending order."""
    here = root + "/" + folder
    names = []
    try:
        for entry in os.ilistdir(here.rstrip("/")):
            names.append(entry[0] + ("/" if entry[1] == 0x4000 else ""))
    except OSError:
        return
    for name in sorted(names):
        if name.endswith("/"):
            yield from walk(root, folder + name)
        else:
            yield folder + name


def malformed():
    """Return the UpdateError for a malformed manifest."""
    return UpdateError(Reason("manifest_malformed"))


def _line(file):
    line = file.readline(_MAX_LINE_BYTES)
    if line[-1:] != b"\n":
        raise malformed()
    try:
        text = str(line[:-1], "utf-8")
    except ValueError:
        raise malformed() from None
    for byte in line[:-1]:
        if not 32 <= byte < 127:
            raise malformed()
    return text


def _value(file, name):
    word, _, value = _line(file).partition(" ")
    if word != name:
        raise malformed()
    return value


def _number(text):
    if not text.isdigit() or len(text) > 9 or (text[0] == "0" and len(text) > 1):
        raise malformed()
    return int(text)

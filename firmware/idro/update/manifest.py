"""Reads the manifest of a release line by line, and hashes files as they are on the flash."""

import binascii
import hashlib
import os
from collections import namedtuple

from idro.errors import UpdateError
from idro.protocol.release_layout import is_path

MAX_FILES = 256
# All files of a release: two of them and the flashed application have room beside the outbox.
MAX_BYTES = 400_000
_MAX_LINE_BYTES = 160
_HEX = b"0123456789abcdef"

# board_class: chip and board. files, size: how many files it has, and all their bytes.
Header = namedtuple(
    "Header", ("version", "board_class", "kernel", "security_counter", "files", "size")
)
# One line of a manifest. sha256 is 64 hex digits.
Entry = namedtuple("Entry", ("sha256", "size", "path"))


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
    """Return the next Entry, None at the end, which must be the last byte. Raises UpdateError.

    Paths ascend, so none comes twice, and none leads out of the slot or into the kernel.
    """
    line = _line(file)
    if line == "end":
        if file.read(1):
            raise malformed()
        return None
    words = line.split(" ")
    if len(words) != 3 or len(words[0]) != 64 or words[0].encode().strip(_HEX):
        raise malformed()
    entry = Entry(words[0], _number(words[1]), words[2])
    if not is_path(entry.path) or entry.path <= last_path:
        raise UpdateError(f"{entry.path[:64]} is no file that it may hold")
    return entry


def entries(path):
    """Yield (Entry, place in the file after it) of the manifest at `path`, which is opened anew
    for each. Raises UpdateError and OSError; the counts of the header hold at the end."""
    with open(path, "rb") as file:
        found = read_header(file)
        place = file.tell()
    files = size = 0
    last_path = ""
    while True:
        with open(path, "rb") as file:
            file.seek(place)
            entry = read_entry(file, last_path)
            place = file.tell()
        if entry is None:
            break
        files += 1
        size += entry.size
        last_path = entry.path
        yield entry
    if files != found.files or size != found.size:
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
    """True when the file at `path` is the one of a manifest's Entry. False where it is missing."""
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            if file.tell() != entry.size:
                return False
        return file_sha256(path, buffer) == binascii.unhexlify(entry.sha256)
    except OSError:
        return False


def walk(root, folder=""):
    """Yield the path of every file under `root`, relative to it, ascending as a manifest is."""
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
    """Return the UpdateError of a manifest that is none."""
    return UpdateError("its manifest is not well formed")


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

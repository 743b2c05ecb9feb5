"""Access to the NVS of the virtual board: its values, and a prompt without serial line."""

import json
import struct
import subprocess
from pathlib import Path

from idroserra.flash.errors import ConnectionLost
from idrosim.runner.process import find_micropython
from support.flash_rig import NVS_BYTES
from support.virtual_board import PRELUDE

_HEAD = struct.Struct(">ccBH")
_END = "\x04"
# Runs each line of its input, which is the repr of code, and prints a marker after it.
_LOOP = """\
while True:
 line=sys.stdin.readline()
 if not line:break
 exec(eval(line))
 print(chr(4))
"""


def values(file: Path, namespace: str = "idro") -> dict[str, bytes | int]:
    """Return the values of a namespace of an NVS file."""
    data, at, found = file.read_bytes(), 0, {}
    while at + _HEAD.size <= len(data) and data[at] != 0xFF:
        state, kind, name_bytes, data_bytes = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        name, value = data[at:at + name_bytes].decode(), data[at + name_bytes:][:data_bytes]
        at += name_bytes + data_bytes
        if state == b"V" and name.startswith(f"{namespace}/"):
            found[name.partition("/")[2]] = (
                int.from_bytes(value, "big", signed=True) if kind == b"I" else bytes(value))
    return found


def fill_up(file: Path, free_bytes: int) -> None:
    """Fill an empty NVS with another namespace, up to `free_bytes`."""
    name = b"other/firmware"
    filler = NVS_BYTES - free_bytes - _HEAD.size - len(name)
    record = _HEAD.pack(b"V", b"B", len(name), filler) + name + bytes(filler)
    file.write_bytes(record.ljust(NVS_BYTES, b"\xff"))


class Prompt:
    """MicroPython with an NVS, with the interface of Link. It exits at a simulated power cut."""

    port = "the board"

    def __init__(self, folder: Path, **faults: object) -> None:
        self.file = folder / "nvs.bin"
        image = folder / "littlefs.img"
        if not self.file.exists():
            self.file.write_bytes(b"\xff" * NVS_BYTES)
            image.write_bytes(b"\xff" * 64 * 4_096)
        (folder / "nvs.faults").write_text(json.dumps(faults))
        self._process = subprocess.Popen(
            [str(find_micropython()), str(PRELUDE), str(image), _LOOP],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def execute(self, code: str, when: str) -> str:
        """Run code and return its output. Raises ConnectionLost after a power cut."""
        output = []
        try:
            self._process.stdin.write(repr(code) + "\n")
            self._process.stdin.flush()
            while (line := self._process.stdout.readline()) != f"{_END}\n":
                if not line:
                    raise ConnectionLost(self.port, when)
                output.append(line)
        except BrokenPipeError as error:
            raise ConnectionLost(self.port, when) from error
        return "".join(output)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(120)
        self._process.stdout.close()

"""Run by MicroPython: `esp32` of the virtual board, with its NVS in a file.

Like the real NVS it only appends: a replaced or erased value is marked, and its bytes stay until
the partition is erased. A record is state, kind, lengths, name and data; free space is 0xFF.
nvs.faults selects faults: a power cut after some writes, a corrupted key, a chip without `esp32`.
"""

import json
import struct
import sys

VALID, GONE, BLOB, NUMBER = b"VXBI"
_HEAD = ">BBBH"
_HEAD_BYTES = 5
_BLOCK_BYTES = 4_096
_EXIT_DARK = 9
NOT_FOUND, FULL, TOO_SHORT, NAME_TOO_LONG = -0x1102, -0x1105, -0x110C, -0x1109
_TEXTS = {
    NOT_FOUND: "ESP_ERR_NVS_NOT_FOUND", FULL: "ESP_ERR_NVS_NOT_ENOUGH_SPACE",
    TOO_SHORT: "ESP_ERR_NVS_INVALID_LENGTH", NAME_TOO_LONG: "ESP_ERR_NVS_KEY_TOO_LONG",
}


class Flash:
    """The bytes of the partition."""

    def __init__(self, path, faults):
        self._file = open(path, "r+b")  # noqa: SIM115  as long as the board
        self.size = self._file.seek(0, 2)
        self._left = faults.get("writes_left")
        self.corrupts = faults.get("corrupts")

    def read(self):
        self._file.seek(0)
        return self._file.read(self.size)

    def write(self, at, data):
        if self._left is not None:
            if self._left == 0:
                sys.exit(_EXIT_DARK)
            self._left -= 1
        self._file.seek(at)
        self._file.write(data)
        self._file.flush()


class Nvs:
    """One namespace."""

    flash = None

    def __init__(self, namespace):
        self._space = namespace

    def set_blob(self, key, value):
        data = value.encode() if isinstance(value, str) else bytes(value)
        if key == self.flash.corrupts:
            data = bytes([data[0] ^ 1]) + data[1:]
        self._put(key, BLOB, data)

    def get_blob(self, key, buffer):
        data = self._get(key, BLOB)
        if len(data) > len(buffer):
            raise _error(TOO_SHORT)
        buffer[: len(data)] = data
        return len(data)

    def set_i32(self, key, value):
        self._put(key, NUMBER, struct.pack(">i", value))

    def get_i32(self, key):
        return struct.unpack(">i", self._get(key, NUMBER))[0]

    def erase_key(self, key):
        found = [at for at, name, _, _ in self._records() if name == self._name(key)]
        if not found:
            raise _error(NOT_FOUND)
        for at in found:
            self.flash.write(at, bytes([GONE]))

    def commit(self):
        pass  # values are written immediately, as in ESP-IDF

    def _name(self, key):
        if not 0 < len(key) <= 15:
            raise _error(NAME_TOO_LONG)
        return (self._space + "/" + key).encode()

    def _put(self, key, kind, data):
        name = self._name(key)
        old = [at for at, one, _, _ in self._records() if one == name]
        at = self._end()
        record = struct.pack(_HEAD, VALID, kind, len(name), len(data)) + name + data
        if at + len(record) > self.flash.size:
            raise _error(FULL)
        self.flash.write(at, record)
        for one in old:
            self.flash.write(one, bytes([GONE]))

    def _get(self, key, kind):
        name, found = self._name(key), None
        for _, one, its, data in self._records():
            if one == name:
                found = (its, data)
        if found is None or found[0] != kind:
            raise _error(NOT_FOUND)
        return found[1]

    def _records(self):
        return [record[1:] for record in _walk(self.flash.read()) if record[0] == VALID]

    def _end(self):
        at = 0
        for _, start, name, _, data in _walk(self.flash.read()):
            at = start + _HEAD_BYTES + len(name) + len(data)
        return at


class Partition:
    """The NVS partition as a block device."""

    TYPE_APP, TYPE_DATA = 0, 1

    @staticmethod
    def find(kind, subtype):
        return [Partition()] if (kind, subtype) == (1, 2) else []

    def ioctl(self, what, number):
        if what == 4:
            return Nvs.flash.size // _BLOCK_BYTES
        if what == 6:
            Nvs.flash.write(number * _BLOCK_BYTES, b"\xff" * _BLOCK_BYTES)
            return 0
        return None


class Module:
    """esp32."""

    NVS, Partition = Nvs, Partition


def module(folder):
    """Return `esp32` of the board in `folder`, None if the chip has none."""
    with open(folder + "/nvs.faults") as file:
        faults = json.load(file)
    Nvs.flash = Flash(folder + "/nvs.bin", faults)
    return Module() if faults.get("has_esp32", True) else None


def _walk(data):
    """Return [(state, start, name, kind, data)] of the records."""
    found, at = [], 0
    while at + _HEAD_BYTES <= len(data) and data[at] != 0xFF:
        state, kind, name_bytes, data_bytes = struct.unpack_from(_HEAD, data, at)
        start = at + _HEAD_BYTES
        end = start + name_bytes + data_bytes
        found.append((state, at, data[start:start + name_bytes], kind,
                      data[start + name_bytes:end]))
        at = end
    return found


def _error(number):
    return OSError(number, _TEXTS[number])

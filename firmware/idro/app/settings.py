"""The settings in force, in two slots on flash: each write leaves the last good copy alone.

A slot is one line "idro1 <bytes> <crc32>" and the JSON of {rev, by, values}. A damaged slot is
passed over; with none left the defaults hold, and they do not dose.
"""

import binascii
import errno
import json
import os

from idro.errors import SettingsError
from idro.protocol import settings as table
from idro.protocol.fields import is_integer

_MAGIC = b"idro1"
_MAX_BYTES = 8_192


class Settings:
    """Values by key, read by everyone through `values`, replaced as a whole by apply()."""

    def __init__(self, paths):
        self._paths = paths
        self.values: dict = table.defaults()
        self.rev = 0
        self.by = ""
        self.error = None
        self._newest = None  # the slot that holds what is in force
        self._load()

    def apply(self, rev, by, values):
        """Check, write and put in force. Raises SettingsError; then the old ones stay."""
        if rev <= self.rev:
            raise SettingsError("rev", f"{rev} is not above {self.rev}")
        checked = table.check(values)
        changed = {key: value for key, value in checked.items() if value != self.values[key]}
        slot = 0 if self._newest == 1 else 1
        try:
            self._write(self._paths[slot], {"rev": rev, "by": by, "values": values})
        except OSError as error:
            raise SettingsError("rev", f"cannot be written: {error}") from None
        self._newest = slot
        self.rev = rev
        self.by = by
        self.error = None
        # In place: drivers hold this very dict.
        self.values.update(changed)
        return changed

    def _load(self):
        is_damaged = False
        for slot, path in enumerate(self._paths):
            try:
                with open(path, "rb") as file:
                    data = file.read()
            except OSError as error:
                if error.errno != errno.ENOENT:
                    self.error = f"settings cannot be read: {error!r}"
                continue
            try:
                rev, by, values = _decode(data)
            except SettingsError:
                is_damaged = True
                continue
            if self._newest is None or rev > self.rev:
                self._newest = slot
                self.rev = rev
                self.by = by
                self.values = values
        if is_damaged:
            self.error = "a settings slot was damaged: the last good one is in force"

    def _write(self, path, stored):
        text = json.dumps(stored).encode()
        head = b"%s %d %08x\n" % (_MAGIC, len(text), binascii.crc32(text) & 0xFFFFFFFF)
        with open(path + ".new", "wb") as file:
            file.write(head)
            file.write(text)
        os.rename(path + ".new", path)


def _decode(data):
    """Return (rev, by, values) of a slot. Raises SettingsError."""
    head, newline, text = data[:_MAX_BYTES].partition(b"\n")
    parts = head.split(b" ")
    if not newline or len(parts) != 3 or parts[0] != _MAGIC or parts[1] != b"%d" % len(text):
        raise SettingsError("slot", "damaged head")
    if parts[2] != b"%08x" % (binascii.crc32(text) & 0xFFFFFFFF):
        raise SettingsError("slot", "damaged text")
    try:
        stored = json.loads(str(text, "utf-8"))
        rev, by, values = stored["rev"], stored["by"], stored["values"]
    except (ValueError, KeyError, TypeError):
        raise SettingsError("slot", "not the settings of a node") from None
    if not is_integer(rev) or not isinstance(values, dict):
        raise SettingsError("slot", "not the settings of a node")
    return rev, by, table.check(values)

"""The active settings, in two slots on flash: a write never touches the last good copy.

A slot is one line "idro1 <bytes> <crc32>" and the JSON of {rev, by, values}, written and read in
pieces because of the fragmented heap. A damaged slot is ignored; without a good one the defaults
apply, which do not dose.
"""

import errno
import os
from binascii import crc32

from idro.errors import ProtocolError, SettingsError
from idro.protocol import settings as table
from idro.protocol.json_stream import PIECE_BYTES, dump_pieces
from idro.protocol.reason import Reason
from idro.protocol.validation import is_integer, load_object

_MAGIC = b"idro1"
_MAX_BYTES = 8_192
_MAX_HEAD_BYTES = 32


class Settings:
    """`values` is {key: value} and stays the same dict; apply() changes it in place.

    `error` is the Reason why not the newest settings are active, or None.
    """

    def __init__(self, paths):
        self._paths = paths
        self.values: dict = table.defaults()
        self.rev = 0
        self.by = ""
        self.error = None
        self._newest = None  # the slot with the active settings
        self._load()

    def apply(self, rev, by, values):
        """Check, save and activate `values`; returns those that changed.

        Raises SettingsError; then the old ones stay active.
        """
        if rev <= self.rev:
            raise SettingsError(Reason("old_rev", rev=rev, current_rev=self.rev))
        slot = 0 if self._newest == 1 else 1
        try:
            checked = table.check(values)
            changed = {key: value for key, value in checked.items() if value != self.values[key]}
            _write(self._paths[slot], {"rev": rev, "by": by, "values": values})
        except OSError as error:
            reason = Reason("settings_not_written", detail=repr(error))
            raise SettingsError(reason) from None
        except MemoryError:
            raise SettingsError(Reason("memory_send_again")) from None
        self._newest = slot
        self.rev = rev
        self.by = by
        self.error = None
        self.values.update(changed)
        return changed

    def _load(self):
        is_damaged = False
        for slot, path in enumerate(self._paths):
            try:
                rev, by, values = _read(path)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    self.error = Reason("settings_unreadable", detail=repr(error))
                continue
            except (SettingsError, ProtocolError):
                is_damaged = True
                continue
            if self._newest is None or rev > self.rev:
                self._newest = slot
                self.rev = rev
                self.by = by
                self.values = values
        if is_damaged:
            self.error = Reason("settings_damaged")


def _write(path, stored):
    """Write `stored` to a slot, whose old content stays until it is complete. Raises OSError."""
    size, crc = _sum(dump_pieces(stored))
    with open(path + ".new", "wb") as file:
        file.write(_head(size, crc))
        for piece in dump_pieces(stored):
            file.write(piece)
    os.rename(path + ".new", path)


def _read(path):
    """Return (rev, by, values) of a slot. Raises SettingsError, ProtocolError and OSError."""
    with open(path, "rb") as file:
        head = file.readline(_MAX_HEAD_BYTES)
        if head != _head(*_sum(_pieces(file))):
            raise ProtocolError("slot: damaged")
        file.seek(len(head))
        stored = load_object(_pieces(file), "slot")
    try:
        rev, by, values = stored["rev"], stored["by"], stored["values"]
    except KeyError:
        raise ProtocolError("slot: not the settings of a node") from None
    if not is_integer(rev) or not isinstance(values, dict):
        raise ProtocolError("slot: not the settings of a node")
    return rev, by, table.check(values)


def _head(size, crc):
    return b"%s %d %08x\n" % (_MAGIC, size, crc)


def _sum(pieces):
    """Return (total bytes, CRC-32) of the pieces."""
    size = crc = 0
    for piece in pieces:
        size += len(piece)
        crc = crc32(piece, crc) & 0xFFFF_FFFF
    return size, crc


def _pieces(file):
    """Yield the rest of a slot's file. Raises ProtocolError if it is too large."""
    for _ in range(_MAX_BYTES // PIECE_BYTES):
        piece = file.read(PIECE_BYTES)
        if not piece:
            return
        yield piece
    raise ProtocolError("slot: damaged")

"""Write-ahead dose ledger: every pump run, reserved and settled, in two copies on flash.

A reserve is written to both copies before the pump starts; the settle that follows records what
was delivered. A reserve without a settle counts in full. The first copy is written before the
second, so a power cut can tear only one of them. Any other invalid record is damage: the daily
budget of every channel then counts as spent, and dosing is latched until a person resumes it.

Times are `chain_ms`: uptime accumulated over all boots, without the time the power was off, so
that no budget returns early whatever the wall clock does. The ledger also stores the latch.
"""

import binascii
import gc
import os
import struct

from idro.errors import LedgerError
from idro.protocol.reason import Reason
from idro.safety.limits import CHANNELS, DAY_MS, DAY_ON_MS, FILL

# kind, channel number or latch code, spare, id, chain_ms, on_ms, volume_ul; then CRC32.
_BODY = "<BBHIQII"
_BODY_BYTES = 24
RECORD_BYTES = 28
_HEAD, _RESERVE, _SETTLE, _LATCH = 1, 2, 3, 4

# Channels that must mix; the control cycle handles top-off itself.
_DOSING = [number for number, channel in enumerate(CHANNELS) if channel != FILL]
MAX_RECORDS = 512
MAX_LIVE = 256
_OPEN_SLACK_MS = 30_000
_RETRY_EVERY_MS = 60_000
_EXHAUSTED_UL = 2_000_000_000
_DETAIL_CHARS = 120
_TRIM_EVERY = 32  # records read between drops of expired entries

# Codes of reasons, by latch code.
LATCHES = (
    "", "stopped", "latch_resets", "latch_ledger", "latch_no_effect", "latch_wrong_way",
)
STOPPED, CRASHES, DAMAGED, NO_EFFECT, WRONG_WAY = 1, 2, 3, 4, 5


class Ledger:
    """Two-copy append-only ledger, loaded at construction."""

    def __init__(self, paths, chain_now_ms, existed):
        """`paths` are the two copies, `chain_now_ms()` returns the chained uptime. `existed`: the
        node had a ledger before, so that two missing files are damage, not a new board."""
        self._paths = paths
        self._chain_now_ms = chain_now_ms
        # id: (channel number, end_ms, on_ms, volume_ul, is_open)
        self._entries: dict = {}
        self._last_end_ms: list = [None] * len(CHANNELS)
        self._next_id = 1
        self._records = 0
        self._is_sound = False
        self._retry_due_ms = 0
        self._latch_id = 0
        self.latch_code = 0
        self.last_chain_ms = 0
        self.was_damaged = False
        self.error = ""  # of the last failed write, "" after a successful one
        self._load(existed)
        self.had_open_reserve = any(entry[4] for entry in self._entries.values())

    def retry_write(self):
        """Retry a failed write once a minute. Until it succeeds, reserve() raises."""
        now_ms = self._chain_now_ms()
        if not self._is_sound and now_ms >= self._retry_due_ms:
            self._retry_due_ms = now_ms + _RETRY_EVERY_MS
            self._compact()

    def reserve(self, channel, on_ms, volume_ul):
        """Charge a run before it starts; return its id. Raises LedgerError: do not run."""
        self._reserve_space()
        entry_id = self._next_id
        now_ms = self._chain_now_ms()
        number = CHANNELS.index(channel)
        self._append(_RESERVE, number, entry_id, now_ms, on_ms, volume_ul)
        self._next_id += 1
        self._put(entry_id, (number, now_ms + on_ms + _OPEN_SLACK_MS, on_ms, volume_ul, True))
        return entry_id

    def settle(self, entry_id, on_ms, volume_ul):
        """Replace a reserve by what was delivered. Raises LedgerError, with the reserve kept.

        A reserve a day old may be gone: then nothing is charged any more.
        """
        if entry_id not in self._entries:
            return
        number = self._entries[entry_id][0]
        now_ms = self._chain_now_ms()
        self._append(_SETTLE, number, entry_id, now_ms, on_ms, volume_ul)
        self._put(entry_id, (number, now_ms, on_ms, volume_ul, False))

    def spent(self, channel, window_ms):
        """Return (on_ms, volume_ul) charged to `channel` in the last `window_ms`."""
        number = CHANNELS.index(channel)
        since_ms = self._chain_now_ms() - window_ms
        on_ms = volume_ul = 0
        for entry in self._entries.values():
            if entry[0] == number and entry[1] >= since_ms:
                on_ms += entry[2]
                volume_ul += entry[3]
        return on_ms, volume_ul

    def since_ms(self, channel):
        """Return the minimum ms since `channel` ended its last run, None if it has none."""
        return self._passed_ms(self._last_end_ms[CHANNELS.index(channel)])

    def since_any_ms(self):
        """Return the minimum ms since any doser ended its last run, None if there is none."""
        end_ms = None
        for number in _DOSING:
            ended_ms = self._last_end_ms[number]
            if ended_ms is not None and (end_ms is None or ended_ms > end_ms):
                end_ms = ended_ms
        return self._passed_ms(end_ms)

    def set_latch(self, code):
        """Persist latch `code`, an index of LATCHES; 0 releases it. Raises LedgerError."""
        self.latch_code = code  # active even if the write fails
        self._latch_id = self._next_id
        self._next_id += 1
        if self._records >= MAX_RECORDS or not self._is_sound:
            self._compact()
        else:
            self._append(_LATCH, code, self._latch_id, self._chain_now_ms(), 0, 0)

    def failure(self):
        """Return the Reason that the last write failed."""
        return Reason("ledger_failed", detail=self.error[:_DETAIL_CHARS])

    def _passed_ms(self, end_ms):
        """Return the minimum ms passed: whole ms may overstate a difference by up to 1 ms."""
        return None if end_ms is None else max(0, self._chain_now_ms() - end_ms - 1)

    def _load(self, existed):
        copies = [self._read(path) for path in self._paths]
        states = [state for state, _ in copies]
        for number, end_ms, _, _, _ in self._entries.values():
            self._last_end_ms[number] = max(end_ms, self._last_end_ms[number])
        is_new = states == ["missing", "missing"] and not existed
        is_damaged = not is_new and "clean" not in states
        if is_damaged:
            self.was_damaged = True
            self._exhaust_budgets()
        if states != ["clean", "clean"] or is_damaged or not _are_equal(self._paths):
            self._compact()
        else:
            self._records = copies[0][1]
            self._is_sound = True

    def _read(self, path):
        """Replay the valid records of one copy; return ("clean", "damaged" or "missing", count).

        One by one: two lists of records would take heap for nothing."""
        chunk = bytearray(RECORD_BYTES)
        body = memoryview(chunk)[:_BODY_BYTES]
        count = least = 0
        has_bad = False
        try:
            with open(path, "rb") as copy:
                while True:
                    size = copy.readinto(chunk)
                    if not size:
                        break
                    record = _unpack(chunk, body) if size == RECORD_BYTES else None
                    if record is None:
                        has_bad = True
                        continue
                    if count == 0:
                        has_bad = has_bad or record[0] != _HEAD
                        least = record[2]
                    self._replay(record)
                    count += 1
                    if count % _TRIM_EVERY == 0:
                        self._drop_settled()
        except OSError:
            return "missing", 0
        if has_bad or not count or count - 1 < least:
            return "damaged", count
        return "clean", count

    def _replay(self, record):
        kind, number, entry_id, chain_ms, on_ms, volume_ul = record
        self.last_chain_ms = max(self.last_chain_ms, chain_ms)
        self._next_id = max(self._next_id, on_ms if kind == _HEAD else entry_id + 1)
        if kind == _LATCH:
            if entry_id >= self._latch_id:
                self._latch_id = entry_id
                self.latch_code = number if number < len(LATCHES) else DAMAGED
        elif kind == _SETTLE:
            self._put(entry_id, (number, chain_ms, on_ms, volume_ul, False))
        elif kind == _RESERVE and entry_id not in self._entries:
            end_ms = chain_ms + on_ms + _OPEN_SLACK_MS
            self._put(entry_id, (number, end_ms, on_ms, volume_ul, True))

    def _put(self, entry_id, entry):
        self._entries[entry_id] = entry
        # The newest entry counts, not the maximum: a settle ends before its reserve's slack.
        self._last_end_ms[entry[0]] = entry[1]

    def _exhaust_budgets(self):
        now_ms = max(self._chain_now_ms(), self.last_chain_ms)
        for number in range(len(CHANNELS)):
            self._put(self._next_id, (number, now_ms, 18 * DAY_ON_MS, _EXHAUSTED_UL, False))
            self._next_id += 1
        self.latch_code = DAMAGED
        self._latch_id = self._next_id
        self._next_id += 1

    def _reserve_space(self):
        if self._records >= MAX_RECORDS or not self._is_sound:
            self._compact()
        self._drop_expired()
        if len(self._entries) >= MAX_LIVE:
            raise LedgerError(Reason("ledger_full"))
        if not self._is_sound:
            raise LedgerError(self.failure())

    def _drop_expired(self):
        since_ms = self._chain_now_ms() - DAY_MS
        for entry_id in [key for key, entry in self._entries.items() if entry[1] < since_ms]:
            del self._entries[entry_id]

    def _drop_settled(self):
        """Drop the settled runs a day older than the newest record read so far."""
        since_ms = self.last_chain_ms - DAY_MS
        entries = self._entries
        for entry_id in [key for key in entries if entries[key][1] < since_ms]:
            if not entries[entry_id][4]:
                del entries[entry_id]
        if len(entries) >= _TRIM_EVERY:
            gc.collect()  # limits heap fragmentation

    def _append(self, kind, number, entry_id, chain_ms, on_ms, volume_ul):
        try:
            record = _pack(kind, number, entry_id, chain_ms, on_ms, volume_ul)
            for path in self._paths:
                with open(path, "ab") as copy:
                    copy.write(record)
        except (OSError, MemoryError) as error:
            self._write_failed(error)
            raise LedgerError(self.failure()) from None
        self._records += 1

    def _compact(self):
        """Rewrite both copies, one after the other, with the entries of the last 24 h."""
        try:
            self._drop_expired()
            parts = self._parts()
            for path in self._paths:
                with open(path + ".new", "wb") as copy:
                    for part in parts:
                        copy.write(part)
                os.rename(path + ".new", path)
        except (OSError, MemoryError) as error:
            self._write_failed(error)
            return
        self._records = len(parts)
        self._is_sound = True
        self.error = ""

    def _parts(self):
        """Return the records of a compacted copy."""
        now_ms = max(self._chain_now_ms(), self.last_chain_ms)
        parts = [_pack(_HEAD, 0, len(self._entries) + 1, now_ms, self._next_id, 0)]
        parts.append(_pack(_LATCH, self.latch_code, self._latch_id, now_ms, 0, 0))
        for entry_id in sorted(self._entries):
            number, end_ms, on_ms, volume_ul, is_open = self._entries[entry_id]
            if is_open:
                start_ms = end_ms - on_ms - _OPEN_SLACK_MS
                parts.append(_pack(_RESERVE, number, entry_id, start_ms, on_ms, volume_ul))
            else:
                parts.append(_pack(_SETTLE, number, entry_id, end_ms, on_ms, volume_ul))
        return parts

    def _write_failed(self, error):
        self._is_sound = False
        self.error = f"{error!r}"


def _pack(kind, number, entry_id, chain_ms, on_ms, volume_ul):
    body = struct.pack(_BODY, kind, number, 0, entry_id, chain_ms, on_ms, volume_ul)
    return body + struct.pack("<I", binascii.crc32(body) & 0xFFFFFFFF)


def _are_equal(paths):
    """True if both copies have the same content."""
    first, second = bytearray(RECORD_BYTES), bytearray(RECORD_BYTES)
    try:
        with open(paths[0], "rb") as copy, open(paths[1], "rb") as other:
            while True:
                size = copy.readinto(first)
                if size != other.readinto(second) or first != second:
                    return False
                if not size:
                    return True
    except OSError:
        return False


def _unpack(chunk, body):
    """Return the record in `chunk`, None if invalid; `body` is a view of its body."""
    if struct.unpack_from("<I", chunk, _BODY_BYTES)[0] != binascii.crc32(body) & 0xFFFFFFFF:
        return None
    kind, number, _, entry_id, chain_ms, on_ms, volume_ul = struct.unpack_from(_BODY, chunk)
    if not _HEAD <= kind <= _LATCH or (kind in (_RESERVE, _SETTLE) and number >= len(CHANNELS)):
        return None
    return kind, number, entry_id, chain_ms, on_ms, volume_ul

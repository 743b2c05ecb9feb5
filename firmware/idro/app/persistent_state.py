"""What a node keeps over resets: chained uptime, wall time, time of day, why the last boot ended,
how much nutrient B is owed.

RTC memory is written every cycle and survives everything but a power cut; NVS is written every ten
minutes and survives that too. Time without power counts as nothing, so budgets and crash counts
that hang on the chained uptime never come back early.
"""

import binascii
import struct

_MAGIC = b"IDR1"
_HEAD = "<4sQQH"  # magic, chained uptime, wall time (0: unknown), bytes of error text; then CRC32
_HEAD_BYTES = 22
_MAX_ERROR_BYTES = 120
_NVS_EVERY_MS = 600_000
_CRASH_WINDOW_MS = 86_400_000
_CRASHES = 3
_DAY_S = 86_400
_OWED = "<QIB"  # chained uptime, volume of nutrient B in ul, 1 when A has been given; in NVS
_OWED_BYTES = 13
_LEARNED = "<5H"  # what control.memory.Memory.learned() gives; in NVS


class PersistentState:
    """Reads what was kept at construction; save() is called every cycle."""

    def __init__(self, rtc, store, clock):
        self._rtc = rtc
        self._store = store
        self._clock = clock
        self._nvs_due_ms = _NVS_EVERY_MS
        self.last_error = ""
        self.had_rtc = False
        self._base_ms = 0
        unix_ms = self._read_rtc()
        nvs = store.blob("kept")
        second_of_day = None
        if nvs is not None and len(nvs) == 20:
            chain_ms, nvs_unix_ms, second_of_day = struct.unpack("<QQI", nvs)
            self._base_ms = max(self._base_ms, chain_ms)
            unix_ms = unix_ms or nvs_unix_ms
        if unix_ms:
            clock.keep(unix_ms)
        elif second_of_day is not None:
            clock.start_day_at(second_of_day)
        self.has_day = unix_ms > 0 or second_of_day is not None

    def chain_ms(self):
        """Return the uptime chained over all boots, in ms."""
        return self._base_ms + self._clock.now_ms()

    def raise_to(self, chain_ms):
        """Let the chain not lag behind a stamp that was written before the reset."""
        self._base_ms = max(self._base_ms, chain_ms)

    def save(self, second_of_day):
        """Keep the clocks, in NVS too when it is time. Raises OSError."""
        clock = self._clock
        self._rtc.memory(_packed(self.chain_ms(), clock.unix_ms() or 0, b""))
        if self._clock.now_ms() >= self._nvs_due_ms:
            self._nvs_due_ms = self._clock.now_ms() + _NVS_EVERY_MS
            unix_ms = self._clock.unix_ms() or 0
            kept = struct.pack("<QQI", self.chain_ms(), unix_ms, second_of_day % _DAY_S)
            self._store.put(kept=kept)

    def count_crash(self, is_abnormal):
        """Book this boot's reset; returns True when it is the third abnormal one in 24 h."""
        stamps = self._crash_stamps()
        if is_abnormal:
            stamps.append(self.chain_ms())
        recent = [at_ms for at_ms in stamps if at_ms > self.chain_ms() - _CRASH_WINDOW_MS]
        recent = recent[-_CRASHES:]
        if is_abnormal:
            self._put_crashes(struct.pack(f"<{len(recent)}Q", *recent))
        return is_abnormal and len(recent) >= _CRASHES

    def forget_crashes(self):
        """A person has looked."""
        self._put_crashes(b"")

    def save_pending_nutrient_b(self, volume_ul, is_given):
        """Keep that so much nutrient B is owed, 0 none, for an A that was given, or else is about
        to be. Raises OSError."""
        owed = struct.pack(_OWED, self.chain_ms(), volume_ul, 1 if is_given else 0)
        self._store.put(owed=owed)

    def owed_b(self):
        """Return (volume_ul, ms since, is_given) of the nutrient B that is owed, or None."""
        data = self._store.blob("owed")
        if data is None or len(data) != _OWED_BYTES:
            return None
        chain_ms, volume_ul, is_given = struct.unpack(_OWED, data)
        if not volume_ul:
            return None
        return volume_ul, max(0, self.chain_ms() - chain_ms), is_given == 1

    def keep_learned(self, learned):
        """Keep what dosing has learned of its water. Raises OSError."""
        self._store.put(learned=struct.pack(_LEARNED, *learned))

    def learned(self):
        """Return what dosing had learned of its water, or None."""
        data = self._store.blob("learned")
        if data is None or len(data) != struct.calcsize(_LEARNED):
            return None
        return struct.unpack(_LEARNED, data)

    def _put_crashes(self, data):
        try:
            self._store.put(crash_log=data)
        except OSError as error:
            print("crashes cannot be kept:", error)

    def _crash_stamps(self):
        data = self._store.blob("crash_log") or b""
        return list(struct.unpack(f"<{len(data) // 8}Q", data[: len(data) // 8 * 8]))

    def _read_rtc(self):
        """Take over what RTC memory holds; returns its wall time, 0 where there is none."""
        kept = _unpacked(bytes(self._rtc.memory()))
        if kept is None:
            return 0
        self.had_rtc = True
        self._base_ms, unix_ms, self.last_error = kept
        return unix_ms


def note_error(rtc, error):
    """Leave `error` for the next boot to tell, beside the clocks that are kept there."""
    kept = _unpacked(bytes(rtc.memory())) or (0, 0, "")
    rtc.memory(_packed(kept[0], kept[1], error.encode()[:_MAX_ERROR_BYTES]))


def _packed(chain_ms, unix_ms, error):
    head = struct.pack(_HEAD, _MAGIC, chain_ms, unix_ms, len(error)) + error
    return head + struct.pack("<I", binascii.crc32(head) & 0xFFFFFFFF)


def _unpacked(data):
    """Return (chained uptime, wall time, error text), or None where nothing whole is kept."""
    if len(data) < _HEAD_BYTES + 4 or data[:4] != _MAGIC:
        return None
    _, chain_ms, unix_ms, length = struct.unpack(_HEAD, data[:_HEAD_BYTES])
    end = _HEAD_BYTES + length
    if len(data) < end + 4:
        return None
    if struct.unpack("<I", data[end : end + 4])[0] != binascii.crc32(data[:end]) & 0xFFFFFFFF:
        return None
    error = "".join(chr(byte) if 32 <= byte < 127 else "?" for byte in data[_HEAD_BYTES:end])
    return chain_ms, unix_ms, error

"""State that survives resets: clocks, last error, crashes, owed nutrient B, learned dose response.

RTC memory is written every cycle and survives everything but a power cut; NVS is written every ten
minutes and survives that too. Time without power does not count, so budgets and crash counts that
depend on the chained uptime never expire early.
"""

import binascii
import struct

_MAGIC = b"IDR1"
_HEAD = "<4sQQH"  # magic, chained uptime, wall time (0: unknown), bytes of error text; then CRC32
_HEAD_BYTES = 22
_MAX_ERROR_BYTES = 120
# The last error after a restart into an update, which is not a crash.
PLANNED = "planned_update"
_NVS_EVERY_MS = 600_000
_CRASH_WINDOW_MS = 86_400_000
_CRASHES = 3
_DAY_S = 86_400
_OWED = "<QIB"  # chained uptime, volume of nutrient B in ul, 1 when A has been given; in NVS
_OWED_BYTES = 13
_LEARNED = "<6H"  # DosingState.learned(); in NVS


class PersistentState:
    """Reads the saved state at construction; save() is called every cycle."""

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
            clock.restore(unix_ms)
        elif second_of_day is not None:
            clock.start_day_at(second_of_day)
        self.has_day = unix_ms > 0 or second_of_day is not None

    def chain_ms(self):
        """Return the uptime chained over all boots, in ms."""
        return self._base_ms + self._clock.now_ms()

    def raise_to(self, chain_ms):
        """Advance the chained uptime to a stamp that was written before the reset."""
        self._base_ms = max(self._base_ms, chain_ms)

    def save(self, second_of_day):
        """Save the clocks, every ten minutes in NVS too. Raises OSError."""
        clock = self._clock
        chain_ms, unix_ms = self.chain_ms(), clock.unix_ms() or 0
        self._rtc.memory(_packed(chain_ms, unix_ms, b""))
        if clock.now_ms() >= self._nvs_due_ms:
            self._nvs_due_ms = clock.now_ms() + _NVS_EVERY_MS
            self._store.put(kept=struct.pack("<QQI", chain_ms, unix_ms, second_of_day % _DAY_S))

    def judge_reset(self, cause, chip):
        """Return True if the reset `cause` that started this boot was a crash.

        Not a crash: a restart into an update, the first reset after a person stopped the program
        at the console (the note of the stop is used up), and one by the USB port of an ESP32-S3,
        whose cause is unknown. Another hard or unknown reset of a node that was running is an
        error, a panic or a glitch.
        """
        was_stopped = self._store.number("console") == 1
        if was_stopped:
            self._put(console=0)
        if cause == "hard" or (cause == "unknown" and chip != "esp32s3"):
            return self.had_rtc and self.last_error != PLANNED and not was_stopped
        return cause in ("watchdog", "brown_out") and not was_stopped

    def count_crash(self, is_abnormal):
        """Count the reset that started this boot; returns True for the third crash in 24 h."""
        stamps = self._crash_stamps()
        if is_abnormal:
            stamps.append(self.chain_ms())
        recent = [at_ms for at_ms in stamps if at_ms > self.chain_ms() - _CRASH_WINDOW_MS]
        recent = recent[-_CRASHES:]
        if is_abnormal:
            self._put(crash_log=struct.pack(f"<{len(recent)}Q", *recent))
        return is_abnormal and len(recent) >= _CRASHES

    def clear_crashes(self):
        """Reset the crash count, after a person resumed dosing."""
        self._put(crash_log=b"")

    def save_pending_nutrient_b(self, volume_ul, is_given):
        """Save the volume of nutrient B that is owed, 0 for none. Raises OSError.

        `is_given` is False while nutrient A is being dosed.
        """
        owed = struct.pack(_OWED, self.chain_ms(), volume_ul, 1 if is_given else 0)
        self._store.put(owed=owed)

    def pending_nutrient_b(self):
        """Return (volume_ul, ms since, is_given) of the owed nutrient B, or None."""
        data = self._store.blob("owed")
        if data is None or len(data) != _OWED_BYTES:
            return None
        chain_ms, volume_ul, is_given = struct.unpack(_OWED, data)
        if not volume_ul:
            return None
        return volume_ul, max(0, self.chain_ms() - chain_ms), is_given == 1

    def save_learned(self, learned):
        """Save what DosingState.learned() returned. Raises OSError."""
        self._store.put(learned=struct.pack(_LEARNED, *learned))

    def learned(self):
        """Return what save_learned() saved, or None."""
        data = self._store.blob("learned")
        if data is None or len(data) != struct.calcsize(_LEARNED):
            return None
        return struct.unpack(_LEARNED, data)

    def _put(self, **values):
        try:
            self._store.put(**values)
        except OSError as error:
            print("NVS not written:", error)

    def _crash_stamps(self):
        data = self._store.blob("crash_log") or b""
        return list(struct.unpack(f"<{len(data) // 8}Q", data[: len(data) // 8 * 8]))

    def _read_rtc(self):
        """Restore the state of RTC memory; returns its wall time, 0 if unknown."""
        saved = _unpacked(bytes(self._rtc.memory()))
        if saved is None:
            return 0
        self.had_rtc = True
        self._base_ms, unix_ms, self.last_error = saved
        return unix_ms


def save_error(rtc, error):
    """Save `error` in RTC memory for the boot event of the next boot."""
    saved = _unpacked(bytes(rtc.memory())) or (0, 0, "")
    rtc.memory(_packed(saved[0], saved[1], error.encode()[:_MAX_ERROR_BYTES]))


def _packed(chain_ms, unix_ms, error):
    head = struct.pack(_HEAD, _MAGIC, chain_ms, unix_ms, len(error)) + error
    return head + struct.pack("<I", binascii.crc32(head) & 0xFFFFFFFF)


def _unpacked(data):
    """Return (chained uptime, wall time, error text), or None if the data is damaged."""
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

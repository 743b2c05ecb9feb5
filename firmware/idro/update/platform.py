"""The functions of chip and MicroPython that the node uses: watchdog, reset, RTC memory, NVS."""

import sys

import esp32
import machine
import micropython

WATCHDOG_MS = 8_000
FULL_SPEED_HZ = 240_000_000
# Selects the regions of ESP-IDF's heap that lie in PSRAM (MALLOC_CAP_SPIRAM of esp_heap_caps.h):
# one of 2 to 8 MB, none without PSRAM or if the image does not support it.
_IN_PSRAM = 1 << 10
_MAX_BLOB_BYTES = 256


def start_watchdog():
    """Start the watchdog; returns the function that feeds it. Call it once."""
    return machine.WDT(timeout=WATCHDOG_MS).feed


def set_full_speed():
    """Run the CPU at 240 MHz. MicroPython starts an ESP32 at 160 MHz."""
    try:
        machine.freq(FULL_SPEED_HZ)
    except ValueError as error:  # slow is better than no start: up/info reports the frequency
        print("CPU stays slow:", error)


def allow_break(is_allowed):
    """Let Ctrl-C at the console raise KeyboardInterrupt, or not."""
    micropython.kbd_intr(3 if is_allowed else -1)


def system():
    """Return what the node runs on: the values of messages.SYSTEM."""
    version = sys.implementation.version  # (1, 28, 0, ""); the fourth may be "preview"
    psram_bytes = sum([region[0] for region in esp32.idf_heap_info(_IN_PSRAM)])
    return "{}.{}.{}-{}".format(*version).rstrip("-"), psram_bytes, machine.freq()


def image_sha256():
    """Return the hash of the image as the last entry of its manifest states it, or ""."""
    try:
        with open("/manifest.json", "rb") as file:
            file.seek(-90, 2)  # the end of that entry
            words = str(file.read(), "utf-8").split('"')
    except (OSError, ValueError):
        return ""
    return words[-2] if len(words) > 4 and words[-4] == "image_sha256" else ""


def reset_cause():
    """Return power_on, hard, watchdog, deep_sleep, soft or unknown.

    A brown-out looks like power_on, a panic like the hard reset of restart(). Unknown is a reset
    by the USB port of an ESP32-S3, or a rare one such as by a glitch of the supply.
    """
    return {
        machine.PWRON_RESET: "power_on", machine.HARD_RESET: "hard",
        machine.WDT_RESET: "watchdog", machine.DEEPSLEEP_RESET: "deep_sleep",
        machine.SOFT_RESET: "soft",
    }.get(machine.reset_cause(), "unknown")


def rtc_memory():
    """Return the memory that survives all resets except a power cut."""
    return machine.RTC()


def restart():
    """Reset the chip."""
    machine.reset()


class NvsStore:
    """Small values in NVS, which survive resets and power cuts."""

    def __init__(self, namespace="idro"):
        self._nvs = esp32.NVS(namespace)

    def blob(self, key, max_bytes=_MAX_BLOB_BYTES):
        """Return the bytes of `key`, or None."""
        buffer = bytearray(max_bytes)
        try:
            count = self._nvs.get_blob(key, buffer)
        except OSError:
            return None
        return bytes(buffer[:count])

    def text(self, key):
        """Return the text of `key`, "" if it is missing or not UTF-8."""
        data = self.blob(key)
        try:
            return "" if data is None else str(data, "utf-8")
        except ValueError:
            return ""

    def number(self, key):
        """Return the number of `key`, or None."""
        try:
            return self._nvs.get_i32(key)
        except OSError:
            return None

    def put(self, **values):
        """Write and commit numbers (32 bit) and bytes. Raises OSError."""
        for key, value in values.items():
            if isinstance(value, int):
                self._nvs.set_i32(key, value)
            else:
                self._nvs.set_blob(key, value)
        self._nvs.commit()

"""What the kernel needs of the chip before any application runs: watchdog, reset, NVS."""

import esp32
import machine

WATCHDOG_MS = 8_000
_MAX_BLOB_BYTES = 128


def start_watchdog():
    """Start the watchdog, once; returns the function that feeds it."""
    return machine.WDT(timeout=WATCHDOG_MS).feed


def reset_cause():
    """Return power_on, hard, watchdog, deep_sleep or soft. A brown-out looks like power_on."""
    return {
        machine.PWRON_RESET: "power_on", machine.WDT_RESET: "watchdog",
        machine.DEEPSLEEP_RESET: "deep_sleep", machine.SOFT_RESET: "soft",
    }.get(machine.reset_cause(), "hard")


def rtc_memory():
    """Return the memory that survives every reset but a power cut."""
    return machine.RTC()


def restart():
    """Reset the board for good: pins, peripherals, memory."""
    machine.reset()


class NvsStore:
    """NVS of the node: small values that survive everything. None where a key is missing."""

    def __init__(self, namespace="idro"):
        self._nvs = esp32.NVS(namespace)

    def blob(self, key, max_bytes=_MAX_BLOB_BYTES):
        """Return the bytes under `key`, or None."""
        buffer = bytearray(max_bytes)
        try:
            count = self._nvs.get_blob(key, buffer)
        except OSError:
            return None
        return bytes(buffer[:count])

    def text(self, key):
        """Return the text under `key`, "" where it is missing or no UTF-8."""
        data = self.blob(key)
        try:
            return "" if data is None else str(data, "utf-8")
        except ValueError:
            return ""

    def number(self, key):
        """Return the number under `key`, or None."""
        try:
            return self._nvs.get_i32(key)
        except OSError:
            return None

    def put(self, **values):
        """Write numbers (32 bit) and bytes, and make them durable. Raises OSError."""
        for key, value in values.items():
            if isinstance(value, int):
                self._nvs.set_i32(key, value)
            else:
                self._nvs.set_blob(key, value)
        self._nvs.commit()

"""Reads what the node runs on: the release of MicroPython, the PSRAM and the CPU frequency."""

import sys

import esp32
import machine

# Selects the regions of ESP-IDF's heap that lie in PSRAM (MALLOC_CAP_SPIRAM of esp_heap_caps.h):
# one of 2 to 8 MB, none without PSRAM or if the image does not support it.
_IN_PSRAM = 1 << 10


def read_system():
    """Return the values of messages.SYSTEM."""
    version = sys.implementation.version  # (1, 28, 0, ""); the fourth may be "preview"
    psram_bytes = sum([region[0] for region in esp32.idf_heap_info(_IN_PSRAM)])
    return "{}.{}.{}-{}".format(*version).rstrip("-"), psram_bytes, machine.freq()

"""What a node runs on: its problems, and its values in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from idroserra.core.micropython import harm_of
from idroserra.core.protocol import System
from idroserra.core.reasons import Reason
from idroserra.i18n.translate import gettext as _

_HIGHEST_CPU_HZ = {"esp32": 240_000_000, "esp32s2": 240_000_000, "esp32s3": 240_000_000}


def problems_of(chip: str, system: System) -> dict[str, Reason | None]:
    """Return {part: its problem, or None} of what the node reported about itself."""
    found: dict[str, Reason | None] = {}
    if system.micropython is not None:
        found["micropython"] = harm_of(system.micropython)
    if system.psram_bytes is not None:
        found["psram"] = None if system.psram_bytes else Reason("psram_missing")
    highest_hz = _HIGHEST_CPU_HZ.get(chip)
    if system.cpu_hz is not None and highest_hz is not None:
        found["cpu"] = None if system.cpu_hz >= highest_hz else Reason(
            "cpu_slow", cpu_mhz=system.cpu_hz // 1_000_000, highest_mhz=highest_hz // 1_000_000)
    return found


def system_texts(system: Mapping[str, Any]) -> dict[str, str]:
    """Return {"MicroPython": "1.28.0", "PSRAM": "8 MB", "CPU": "240 MHz"} of the API's system."""
    psram_bytes, cpu_hz = system["psram_bytes"], system["cpu_hz"]
    # A region is a little smaller than its chip, whose size is in units of 1,048,576 bytes.
    psram = _("none") if psram_bytes == 0 else f"{round((psram_bytes or 0) / 2**20)} MB"
    return {
        "MicroPython": system["micropython"] or _("unknown"),
        "PSRAM": _("unknown") if psram_bytes is None else psram,
        "CPU": _("unknown") if cpu_hz is None else f"{cpu_hz // 1_000_000} MHz"}

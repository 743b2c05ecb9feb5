"""I6: the ledger on the flash never charges less than the pins delivered.

The file consists of little-endian records of 28 bytes: kind (1 head, 2 reserve, 3 settle, 4
latch), channel, two spare bytes, id, chained time in ms (64 bits), on-time in ms, volume in ul,
CRC-32 of the rest. A settle replaces the reserve of its id; a reserve without one counts in full.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from idrosim.campaign.invariants.case_terms import CaseTerms, Violation
from idrosim.campaign.invariants.dosing import DAY_US, HANG_S, hangs_in
from idrosim.campaign.invariants.trace import DOSERS, RunTrace

_LAYOUT = struct.Struct("<BBHIQIII")
_RESERVE, _SETTLE = 2, 3
CHANNELS = (*DOSERS, "top_off")
# Correction steps are charged to separate channels of these numbers.
_STEPS = {"ph_down": 5, "ph_up": 6, "nutrient_a": 7, "nutrient_b": 8}
# The node counts each quantum in whole ms.
_MS_A_SPAN = 2


def charged_ms(flash: Path) -> dict[str, int] | None:
    """Return the on-time charged to each channel, the higher of the two copies; None without."""
    copies = [_read(flash / "data" / f"ledger.{letter}") for letter in "ab"]
    found = [copy for copy in copies if copy is not None]
    if not found:
        return None
    return {
        name: max(copy.get(number, 0) + copy.get(_STEPS.get(name, -1), 0) for copy in found)
        for number, name in enumerate(CHANNELS)}


def charges(trace: RunTrace, terms: CaseTerms, flash: Path) -> Iterator[Violation]:
    """I6: charged >= delivered over the last 24 h, for each channel."""
    charged = charged_ms(flash)
    since_us = trace.end_ms * 1_000 - DAY_US
    for name in CHANNELS:
        spans = [span for span in trace.spans.get(name, []) if span[1] > since_us]
        if not spans or name in terms.broken:
            continue
        delivered_ms = sum(off - max(on, since_us) for on, off in spans) / 1_000
        if charged is None:
            text = f"{name} ran {delivered_ms / 1e3:.1f} s and there is no ledger"
            yield Violation("I6", trace.end_ms, text)
            continue
        slack_ms = _MS_A_SPAN * len(spans) + HANG_S * 1_000 * hangs_in(spans, terms)
        if delivered_ms > charged[name] + slack_ms:
            text = (
                f"{name} delivered {delivered_ms / 1e3:.3f} s,"
                f" {charged[name] / 1e3:.3f} s are charged")
            yield Violation("I6", trace.end_ms, text)


def _read(path: Path) -> dict[int, int] | None:
    """Return the on-time by channel number, None for a missing file."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    reserves: dict[int, tuple[int, int]] = {}
    settles: dict[int, tuple[int, int]] = {}
    for at in range(0, len(data) - _LAYOUT.size + 1, _LAYOUT.size):
        chunk = data[at : at + _LAYOUT.size]
        kind, channel, _, entry_id, _, on_ms, _, crc = _LAYOUT.unpack(chunk)
        if zlib.crc32(chunk[:-4]) == crc and kind in (_RESERVE, _SETTLE):
            (settles if kind == _SETTLE else reserves)[entry_id] = (channel, on_ms)
    total: dict[int, int] = {}
    for channel, on_ms in (reserves | settles).values():
        total[channel] = total.get(channel, 0) + on_ms
    return total

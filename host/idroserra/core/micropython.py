"""The releases of MicroPython, and what each means for this firmware: the only table of them."""

from __future__ import annotations

from typing import NamedTuple

from idro.protocol.system_host import release_numbers
from idroserra.core.reasons import Reason


class Releases(NamedTuple):
    """Releases from `first` up to but not including `before`. harm: code of its reason, or ""."""

    first: tuple[int, int]
    before: tuple[int, int]
    harm: str


RELEASES = (
    # No esp32.PCNT, so flow meters count nothing; json.loads() accepts truncated objects.
    Releases((0, 0), (1, 26), "micropython_old"),
    # Every start of a hardware timer leaks; the 255th stops the clock or the watchdog
    # (micropython#19162). That is harmless: the firmware starts one timer, once.
    Releases((1, 26), (1, 29), ""),
    Releases((1, 29), (1, 30), ""),  # timers are rewritten
    Releases((1, 30), (1_000, 0), "micropython_untested"),
)
_SUPPORTED = [row for row in RELEASES if not row.harm]
OLDEST, NEWEST = _SUPPORTED[0].first, _SUPPORTED[-1].first


def harm_of(version: str) -> Reason | None:
    """Return why a release such as "1.28.0" is not supported, or None."""
    numbers = release_numbers(version)[:2]
    harm = next(row.harm for row in RELEASES if row.first <= numbers < row.before)
    if harm == "micropython_old":
        return Reason(harm, version=version, oldest=text_of(OLDEST))
    return Reason(harm, version=version, newest=text_of(NEWEST)) if harm else None


def text_of(release: tuple[int, int]) -> str:
    """Return a release as text, such as "1.28"."""
    return f"{release[0]}.{release[1]}"

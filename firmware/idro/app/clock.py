"""Uptime that never wraps or jumps, sleep, and the wall time once known.

Control uses only now_ms(). The wall time arrives with every down/stored and survives resets; it
serves the light program and time stamps, never a dose.
"""

import asyncio
import time

# A host time ahead by less than this is ignored, and one behind until the difference exceeds
# what a message may have waited in a broker or a busy host.
_AHEAD_MS = 2_000
_BEHIND_MS = 60_000
_MS_A_DAY = 86_400_000
_REBASE_MS = 3_600_000  # ticks wrap after 12 days


class Clock:
    """Uptime and wall time. quality is "none", "kept" (from before the reset) or "host"."""

    def __init__(self):
        self._since = (time.ticks_ms(), 0)  # (ticks, uptime in ms)
        self._epoch_ms = None
        self._midnight_ms = 0  # without wall time: the uptime of an assumed local midnight
        self.quality = "none"

    def now_ms(self):
        """Return the ms since boot, also to a timer. Must be called at least every 6 days."""
        since_ticks, since_ms = self._since
        ticks = time.ticks_ms()
        elapsed_ms = time.ticks_diff(ticks, since_ticks)
        if elapsed_ms > _REBASE_MS:  # in one store: a callback may run next
            self._since = (ticks, since_ms + elapsed_ms)
        return since_ms + elapsed_ms

    def sleep_ms(self, duration_ms):
        """Return an awaitable that lets the other tasks run for `duration_ms`."""
        return asyncio.sleep_ms(duration_ms)

    def unix_ms(self):
        """Return the wall time in ms since 1970, or None if unknown."""
        return None if self._epoch_ms is None else self._epoch_ms + self.now_ms()

    @property
    def boot_unix_ms(self):
        """The wall time of this boot by the host's clock, else None: a restored time lacks the
        time without power."""
        return self._epoch_ms if self.quality == "host" else None

    def restore(self, unix_ms):
        """Start with the wall time saved before the reset."""
        self._epoch_ms = unix_ms - self.now_ms()
        self.quality = "kept"

    def start_day_at(self, second_of_day):
        """Assume that it is `second_of_day` now, until the wall time is known."""
        self._midnight_ms = self.now_ms() - second_of_day * 1_000

    def set_from_host(self, unix_ms):
        """Take the host's wall time; returns the correction in ms, or None if it was ignored."""
        epoch_ms = unix_ms - self.now_ms()
        if self.quality == "host" and -_BEHIND_MS <= epoch_ms - self._epoch_ms <= _AHEAD_MS:
            return None
        by_ms = 0 if self._epoch_ms is None else epoch_ms - self._epoch_ms
        self._epoch_ms = epoch_ms
        self.quality = "host"
        return by_ms

    def second_of_day(self, utc_offset_min):
        """Return the local second of the day; without wall time, counted from start_day_at()."""
        unix_ms = self.unix_ms()
        if unix_ms is None:
            return (self.now_ms() - self._midnight_ms) % _MS_A_DAY // 1_000
        return (unix_ms // 1_000 + utc_offset_min * 60) % (_MS_A_DAY // 1_000)

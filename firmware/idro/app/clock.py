"""The three clocks of a node: uptime that never wraps or jumps, sleep, wall time once known.

Control lives on now_ms(). Wall time comes from the host with every down/stored and is kept over
resets; it only dates the light program and what is shown, never a dose.
"""

import asyncio
import time

# Ahead by less than this the host's time says nothing new. Behind, it says nothing until the
# difference is larger than a message may have waited in a broker or a busy host.
_AHEAD_MS = 2_000
_BEHIND_MS = 60_000
_MS_A_DAY = 86_400_000


class Clock:
    """Uptime and wall time. quality is "none", "kept" (from before the reset) or "host"."""

    def __init__(self):
        self._last_ticks = time.ticks_ms()
        self._now_ms = 0
        self._epoch_ms = None
        self._midnight_ms = 0  # where no wall time was ever known: uptime of some local midnight
        self.quality = "none"

    def now_ms(self):
        """Return the ms since boot. Must be called at least every 6 days."""
        ticks = time.ticks_ms()
        if ticks != self._last_ticks:
            self._now_ms += time.ticks_diff(ticks, self._last_ticks)
            self._last_ticks = ticks
        return self._now_ms

    def sleep_ms(self, duration_ms):
        """Return an awaitable that lets the other tasks run for `duration_ms`."""
        return asyncio.sleep_ms(duration_ms)

    def unix_ms(self):
        """Return the wall time in ms since 1970, or None where it is not known."""
        return None if self._epoch_ms is None else self._epoch_ms + self.now_ms()

    @property
    def boot_unix_ms(self):
        """Wall time of this boot as the host gave it, else None: a kept time may lag by the time
        the power was off, and the host dates records better by itself."""
        return self._epoch_ms if self.quality == "host" else None

    def keep(self, unix_ms):
        """Start with the wall time kept from before the reset."""
        self._epoch_ms = unix_ms - self.now_ms()
        self.quality = "kept"

    def start_day_at(self, second_of_day):
        """Without any wall time, let the local day be at `second_of_day` now."""
        self._midnight_ms = self.now_ms() - second_of_day * 1_000

    def set_from_host(self, unix_ms):
        """Take the host's wall time; returns the correction in ms, or None where none was due."""
        epoch_ms = unix_ms - self.now_ms()
        if self.quality == "host" and -_BEHIND_MS <= epoch_ms - self._epoch_ms <= _AHEAD_MS:
            return None
        by_ms = 0 if self._epoch_ms is None else epoch_ms - self._epoch_ms
        self._epoch_ms = epoch_ms
        self.quality = "host"
        return by_ms

    def second_of_day(self, utc_offset_min):
        """Return the local second of the day, run on from the last known one without wall time."""
        unix_ms = self.unix_ms()
        if unix_ms is None:
            return (self.now_ms() - self._midnight_ms) % _MS_A_DAY // 1_000
        return (unix_ms // 1_000 + utc_offset_min * 60) % (_MS_A_DAY // 1_000)

"""Top-off control: fills the tank to its target level, with hysteresis and a time-out.

After a time-out, the next fill waits an hour: the tap may be shut, or the water may leak.
"""

from idro.protocol.reason import Reason
from idro.protocol.types import Decision, hold

ACTUATOR = "top_off"
TIME_OUT_MS = 600_000
RETRY_AFTER_MS = 3_600_000
_START_BELOW_MM = 2
# The newest sample shows a full tank this far above the target: more than the usual noise.
_NEWEST_ABOVE_MM = 1
_FULL_ENOUGH = hold(Reason("full_enough"))


class FillProgress:
    """Start of the current fill and time of the last time-out, each None if there is none."""

    def __init__(self):
        self.began_ms = None
        self.timed_out_ms = None
        self._paused_at_ms = None  # fill time already spent, while paused

    def cancel(self):
        """End the fill."""
        self.began_ms = self._paused_at_ms = None

    def pause(self, now_ms):
        """Stop the time-out while the fill waits."""
        if self.began_ms is not None:
            self._paused_at_ms = now_ms - self.began_ms
            self.began_ms = None

    def resume(self, now_ms):
        """Continue a paused fill, if there is one."""
        if self._paused_at_ms is not None:
            self.began_ms = now_ms - self._paused_at_ms
            self._paused_at_ms = None


def decide(level, values, progress, now_ms, newest_mm=0):
    """Return the Decision for the top-off valve, and update `progress`.

    `level` is the Reading of the reservoir. Never fills without a level. Its median is late by two
    samples, in which a fast tap gives far more than was missing: `newest_mm`, the newest sample,
    closes the valve, too. The time-out of the fill goes on until the median has risen.
    """
    progress.resume(now_ms)
    if level.value is None:
        progress.began_ms = None
        return hold(Reason("no_level", fault=level.fault))
    target_mm = values["level.target_mm"]
    if level.value >= min(target_mm, values["level.full_mm"]):
        progress.began_ms = progress.timed_out_ms = None
        return _FULL_ENOUGH
    is_low = level.value <= target_mm - _START_BELOW_MM
    if newest_mm >= target_mm + _NEWEST_ABOVE_MM:
        if not is_low:
            progress.began_ms = None
        return _FULL_ENOUGH
    if progress.timed_out_ms is not None:
        waited_ms = now_ms - progress.timed_out_ms
        if waited_ms < RETRY_AFTER_MS:
            return hold(Reason("fill_timeout", left_ms=RETRY_AFTER_MS - waited_ms))
        progress.timed_out_ms = None
    if progress.began_ms is None:
        if not is_low:
            return _FULL_ENOUGH
        progress.began_ms = now_ms
    left_ms = TIME_OUT_MS - (now_ms - progress.began_ms)
    if left_ms <= 0:
        progress.began_ms = None
        progress.timed_out_ms = now_ms
        return hold(Reason("fill_timeout", left_ms=RETRY_AFTER_MS))
    reason = Reason("fill_low", level_mm=level.value, target_mm=target_mm)
    return Decision(ACTUATOR, None, left_ms, None, reason)

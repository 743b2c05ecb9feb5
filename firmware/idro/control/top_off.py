"""Top-off control: fills the tank to its target level, with hysteresis and a time-out.

After a time-out, the next fill waits an hour: the tap may be shut, or the water may leak.
"""

from idro.protocol.types import Decision, hold

ACTUATOR = "top_off"
TIME_OUT_MS = 600_000
RETRY_AFTER_MS = 3_600_000
_START_BELOW_MM = 2


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


def decide(level, values, progress, now_ms):
    """Return the Decision for the top-off valve, and update `progress`.

    `level` is the Reading of the reservoir. Never fills without a level.
    """
    progress.resume(now_ms)
    if level.value is None:
        progress.began_ms = None
        return hold(f"held: no level ({level.fault})")
    target_mm = values["level.target_mm"]
    if level.value >= min(target_mm, values["level.full_mm"]):
        progress.began_ms = progress.timed_out_ms = None
        return hold("full enough")
    if progress.timed_out_ms is not None:
        waited_ms = now_ms - progress.timed_out_ms
        if waited_ms < RETRY_AFTER_MS:
            left_min = (RETRY_AFTER_MS - waited_ms + 59_999) // 60_000
            return hold(f"held: the tank did not fill in time, next try in {left_min} min")
        progress.timed_out_ms = None
    if progress.began_ms is None:
        if level.value > target_mm - _START_BELOW_MM:
            return hold("full enough")
        progress.began_ms = now_ms
    left_ms = TIME_OUT_MS - (now_ms - progress.began_ms)
    if left_ms <= 0:
        progress.began_ms = None
        progress.timed_out_ms = now_ms
        return hold("held: the tank did not fill in time, next try in 60 min")
    reason = f"filling: level is low, {level.value} of {target_mm} mm"
    return Decision(ACTUATOR, None, left_ms, None, reason)

"""Replaces the water that plants drink: hysteresis about the target, a time-out, a lock when full.

A fill that does not reach the target in its time is not tried again for an hour: the tap may be
shut, or the water may run out somewhere else.
"""

from idro.protocol.types import Decision, hold

ACTUATOR = "top_off"
TIME_OUT_MS = 600_000
RETRY_AFTER_MS = 3_600_000
_START_BELOW_MM = 2


class FillProgress:
    """Where a fill stands: when it began, and when one last timed out. None: not so."""

    def __init__(self):
        self.began_ms = None
        self.timed_out_ms = None
        self._spent_ms = None  # of its time, while it waits for the water to come back

    def give_up(self):
        """The fill is over, whatever it reached."""
        self.began_ms = self._spent_ms = None

    def pause(self, now_ms):
        """The fill waits: its time stands still."""
        if self.began_ms is not None:
            self._spent_ms = now_ms - self.began_ms
            self.began_ms = None

    def go_on(self, now_ms):
        """The fill waits no longer, if it did."""
        if self._spent_ms is not None:
            self.began_ms = now_ms - self._spent_ms
            self._spent_ms = None


def decide(level, values, progress, now_ms):
    """Return the Decision for the top-off valve, and move `progress` along.

    `level` is the Reading of the reservoir. Without a level nothing fills.
    """
    progress.go_on(now_ms)
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
    rest_ms = TIME_OUT_MS - (now_ms - progress.began_ms)
    if rest_ms <= 0:
        progress.began_ms = None
        progress.timed_out_ms = now_ms
        return hold("held: the tank did not fill in time, next try in 60 min")
    reason = f"filling: level is low, {level.value} of {target_mm} mm"
    return Decision(ACTUATOR, None, rest_ms, None, reason)

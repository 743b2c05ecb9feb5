"""Detects water that enters or leaves the tank unexplained: stuck valves, siphons, leaks.

Evaluates only the level while the top-off valve is shut and circulation is unchanged for a while.
Plants then lower it slowly. A tank that would run empty within 12 h leaks; a rising level means a
valve that does not shut, a siphon, or a person with a hose.
"""

from idro.protocol.reason import Reason
from idro.protocol.types import hold

RISES, FALLS = "rises", "falls"

_SETTLED_MS = 60_000
_DRAINED_MS = 300_000  # until water in pipes and beds has drained back
_RISE_MM = 8
# A rise ends after this time without a further one, when the water has mixed too. It does not end
# above the full level, where more water may run over the rim.
_STILL_MM = 2
_STILL_MS = 900_000
# Only whole spans count: a fill tends to end one where noise reads low.
_SPAN_MS = 180_000
_SPANS = 40
_OLDEST_MS = 7_200_000
_JUDGED_MS = 1_800_000
# A leak would empty the tank from its target level in 12 h; it ends at half of that rate.
_EMPTY_H = 12
_HOUR_MS = 3_600_000
# Total top-off time into a leaking tank.
_FILL_MS = 600_000


class WaterBalance:
    """Unexplained change of the level. `state` is RISES, FALLS or None; `moved_mm` its size."""

    def __init__(self):
        self.state = None
        self.moved_mm = 0
        self._outputs_on = None
        self._updated_ms = None
        self._filled_ms = 0
        self.clear()

    def clear(self):
        """Discard all observations: a person moved the water or the probe."""
        self._spans = []  # (ms, mm, at_ms) of the last hours
        self._span_start = None  # (mm, at_ms) at the start of the current span
        self._settled_ms = None  # when the level counts as settled

    def skip(self, now_ms):
        """Skip a cycle in which water of the tank is in the beds."""
        self._span_start = self._settled_ms = None
        self._updated_ms = now_ms

    def update(self, level, outputs_on, values, now_ms):
        """Process a Reading of the level, in every cycle; return True if `state` has changed.

        `outputs_on` is (top-off is open, circulation is on).
        """
        if outputs_on[0] and self.state == FALLS and self._updated_ms is not None:
            self._filled_ms += now_ms - self._updated_ms
        self._updated_ms = now_ms
        was_on, self._outputs_on = self._outputs_on, outputs_on
        if level.value is None or outputs_on[0]:
            self._span_start = self._settled_ms = None
            return False
        if self._settled_ms is None or outputs_on != was_on:
            has_circulated = was_on is None or outputs_on[1] != was_on[1]
            self._settled_ms = now_ms + (_DRAINED_MS if has_circulated else _SETTLED_MS)
            self._span_start = None
        if now_ms < self._settled_ms:
            return False
        state_before = self.state
        self._judge(level.value, values, now_ms)
        return self.state != state_before

    def dosing_hold(self):
        """Return the hold Decision for the dosing loops, or None."""
        if self.state == RISES:
            return hold(Reason("water_rises", moved_mm=self.moved_mm))
        if self.state == FALLS:
            return hold(Reason("water_falls", mm_per_h=self.moved_mm))
        return None

    def filling_hold(self):
        """Return the hold Decision for top-off into a leaking tank, or None."""
        if self.state == FALLS and self._filled_ms >= _FILL_MS:
            return hold(Reason("tank_leaks"))
        return None

    def _judge(self, level_mm, values, now_ms):
        if self._span_start is None:
            self._span_start = (level_mm, now_ms)
        from_mm, from_ms = self._span_start
        if now_ms - from_ms >= _SPAN_MS:
            self._spans.append((now_ms - from_ms, level_mm - from_mm, now_ms))
            if len(self._spans) > _SPANS:
                self._spans.pop(0)
            from_mm = level_mm
            self._span_start = (level_mm, now_ms)
        observed_ms = moved_mm = 0
        for span_ms, span_mm, at_ms in self._spans:
            if now_ms - at_ms <= _OLDEST_MS:
                observed_ms += span_ms
                moved_mm += span_mm
        rise_mm = moved_mm + level_mm - from_mm
        if self.state == RISES:
            self._watch_rise(level_mm, values, now_ms)
        elif rise_mm >= _RISE_MM:
            self.state = RISES
            self.moved_mm = int(rise_mm)
            self._high = (level_mm, now_ms)
        elif observed_ms >= _JUDGED_MS:
            mm_per_h = -moved_mm * _HOUR_MS / observed_ms
            self._judge_fall(mm_per_h, values["level.target_mm"] / _EMPTY_H)

    def _watch_rise(self, level_mm, values, now_ms):
        high_mm, high_ms = self._high
        if level_mm >= high_mm + _STILL_MM:
            self.moved_mm += int(level_mm - high_mm)
            self._high = (level_mm, now_ms)
        elif now_ms - high_ms >= _STILL_MS and level_mm < values["level.full_mm"]:
            self.state = None
            self.moved_mm = 0
            self.clear()

    def _judge_fall(self, mm_per_h, max_mm_per_h):
        if mm_per_h < (max_mm_per_h / 2 if self.state == FALLS else max_mm_per_h):
            self.state = None
            self.moved_mm = self._filled_ms = 0
            return
        self.state = FALLS
        self.moved_mm = int(mm_per_h)

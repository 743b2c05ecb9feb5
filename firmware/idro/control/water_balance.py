"""Whether water comes or goes that no valve let in and no plant drinks.

Looked at is only the time in which nothing of ours moves the level: the valve has been shut and
circulation left as it is for a while. Then plants only lower it, and slowly: a tank that runs
empty within half a day leaks, and one that rises has a valve that does not shut, a siphon, or
somebody with a hose.
"""

from idro.protocol.types import hold

RISES, FALLS = "rises", "falls"

_SETTLED_MS = 60_000
_DRAINED_MS = 300_000  # what circulation holds in pipes and beds comes back
_RISE_MM = 8
# A rise is over when no more came for so long, which is when it has mixed as well. Of a tank
# above its full mark nobody knows: what comes in may run over the rim.
_STILL_MM = 2
_STILL_MS = 900_000
# Whole spans: one that a fill ends, ends where noise reads low.
_SPAN_MS = 180_000
_SPANS = 40
_OLDEST_MS = 7_200_000
_JUDGED_MS = 1_800_000
# A leak would empty the tank from its target in so many hours; it is over below half of that.
_EMPTY_H = 12
_HOUR_MS = 3_600_000
# A leak that is filled up for so long in all is not filled up any more.
_FILL_MS = 600_000


class Balance:
    """What the level did by itself of late. `state`: RISES, FALLS or None; `moved_mm`: by what."""

    def __init__(self):
        self.state = None
        self.moved_mm = 0
        self._outputs_on = None
        self._seen_ms = None
        self._filled_ms = 0
        self.clear()

    def clear(self):
        """Somebody moved the water, or the probe: what was seen says nothing any more."""
        self._spans = []  # of (ms, mm, at_ms), the last hours
        self._from = None  # (mm, at_ms) where the span began that is looked at
        self._settled_ms = None  # when the level is believed to stand still

    def skip(self, now_ms):
        """Water of the tank is elsewhere for a while: the level says nothing of the balance."""
        self._from = self._settled_ms = None
        self._seen_ms = now_ms

    def look(self, level, outputs_on, values, now_ms):
        """Take in a Reading of the level, every cycle; returns True when `state` has changed.

        `outputs_on` is (is top-off open, does circulation run).
        """
        if outputs_on[0] and self.state == FALLS and self._seen_ms is not None:
            self._filled_ms += now_ms - self._seen_ms
        self._seen_ms = now_ms
        was_on, self._outputs_on = self._outputs_on, outputs_on
        if level.value is None or outputs_on[0]:
            self._from = self._settled_ms = None
            return False
        if self._settled_ms is None or outputs_on != was_on:
            has_circulated = was_on is None or outputs_on[1] != was_on[1]
            self._settled_ms = now_ms + (_DRAINED_MS if has_circulated else _SETTLED_MS)
            self._from = None
        if now_ms < self._settled_ms:
            return False
        was = self.state
        self._judge(level.value, values, now_ms)
        return self.state != was

    def dosing_held(self):
        """Return the Decision that nothing is dosed into such water, or None."""
        if self.state == RISES:
            return hold(f"held: water rises with the valve shut, {self.moved_mm} mm")
        if self.state == FALLS:
            return hold(f"held: water leaves faster than plants drink, {self.moved_mm} mm an hour")
        return None

    def filling_held(self):
        """Return the Decision that what leaks is not filled up for ever, or None."""
        if self.state == FALLS and self._filled_ms >= _FILL_MS:
            return hold("held: the tank leaks and does not stay full")
        return None

    def _judge(self, level_mm, values, now_ms):
        if self._from is None:
            self._from = (level_mm, now_ms)
        from_mm, from_ms = self._from
        if now_ms - from_ms >= _SPAN_MS:
            self._spans.append((now_ms - from_ms, level_mm - from_mm, now_ms))
            if len(self._spans) > _SPANS:
                self._spans.pop(0)
            from_mm = level_mm
            self._from = (level_mm, now_ms)
        quiet_ms = moved_mm = 0
        for span_ms, span_mm, at_ms in self._spans:
            if now_ms - at_ms <= _OLDEST_MS:
                quiet_ms += span_ms
                moved_mm += span_mm
        rise_mm = moved_mm + level_mm - from_mm
        if self.state == RISES:
            self._watch_rise(level_mm, values, now_ms)
        elif rise_mm >= _RISE_MM:
            self.state = RISES
            self.moved_mm = int(rise_mm)
            self._high = (level_mm, now_ms)
        elif quiet_ms >= _JUDGED_MS:
            self._judge_fall(-moved_mm * _HOUR_MS / quiet_ms, values["level.target_mm"] / _EMPTY_H)

    def _watch_rise(self, level_mm, values, now_ms):
        high_mm, high_ms = self._high
        if level_mm >= high_mm + _STILL_MM:
            self.moved_mm += int(level_mm - high_mm)
            self._high = (level_mm, now_ms)
        elif now_ms - high_ms >= _STILL_MS and level_mm < values["level.full_mm"]:
            self.state = None
            self.moved_mm = 0
            self.clear()

    def _judge_fall(self, mm_per_h, most_mm_per_h):
        if mm_per_h < (most_mm_per_h / 2 if self.state == FALLS else most_mm_per_h):
            self.state = None
            self.moved_mm = self._filled_ms = 0
            return
        self.state = FALLS
        self.moved_mm = int(mm_per_h)

"""Light control by local time of day: a photoperiod with a ramp at each end.

The time of day comes from the host and may jump. A second limit on uptime therefore keeps the
light within its photoperiod in any 24 h; once exceeded, it stays dark until the night.
"""

from idro.protocol.reason import Reason
from idro.protocol.types import Decision

ACTUATOR = "light"
LEASE_MS = 600_000
DAY_S = 86_400
_DAY_MS = 86_400_000
_SLACK_MS = 60_000
_NIGHT, _DAY = Reason("light_night"), Reason("light_day")
_SUNRISE, _SUNSET = Reason("light_sunrise"), Reason("light_sunset")
_SPENT = Decision(ACTUATOR, None, LEASE_MS, 0, Reason("light_spent"))


class LightHistory:
    """Times the light was on in the last 24 h of uptime."""

    def __init__(self):
        self._runs = []  # [from_ms, until_ms] of the last 24 h
        self._was_lit = False
        self.is_spent = False  # from the end of the photoperiod until the night

    def update(self, is_lit, now_ms):
        """Record whether the light is on, in every cycle before decide()."""
        runs = self._runs
        if self._was_lit:
            runs[-1][1] = now_ms
        elif is_lit:
            runs.append([now_ms, now_ms])
        self._was_lit = is_lit
        while runs and runs[0][1] <= now_ms - _DAY_MS:
            runs.pop(0)

    def lit_ms(self, now_ms):
        """Return the ms the light was on in the last 24 h."""
        since_ms = now_ms - _DAY_MS
        return sum([until_ms - max(from_ms, since_ms) for from_ms, until_ms in self._runs])


def limit(decision, history, values, now_ms):
    """Return `decision`, or dark if the photoperiod of 24 h is exceeded."""
    length_ms = values["light.on_minutes"] * 60_000
    if not decision.duty_pct or length_ms >= _DAY_MS:
        history.is_spent = False
    elif history.lit_ms(now_ms) > length_ms + _SLACK_MS:
        history.is_spent = True
    if not history.is_spent:
        return decision
    return _SPENT


def decide(second_of_day, values):
    """Return the Decision for the light at a local second of the day (0..86399)."""
    duty_pct, reason = _level(second_of_day, values)
    return Decision(ACTUATOR, None, LEASE_MS, duty_pct, reason)


def _level(second_of_day, values):
    length_s = values["light.on_minutes"] * 60
    full_pct = values["light.duty_pct"]
    since_s = (second_of_day - values["light.on_minute"] * 60) % DAY_S
    if since_s >= length_s:
        return 0, _NIGHT
    ramp_s = min(values["light.ramp_minutes"] * 60, length_s // 2)
    rest_s = length_s - since_s
    if length_s < DAY_S and since_s < ramp_s:
        return full_pct * since_s // ramp_s, _SUNRISE
    if length_s < DAY_S and rest_s < ramp_s:
        return full_pct * rest_s // ramp_s, _SUNSET
    return full_pct, _DAY

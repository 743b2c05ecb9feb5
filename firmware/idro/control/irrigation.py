"""Irrigation control: alternates watering and rest on uptime, so that no clock is needed.

The two times cover NFT, ebb and flow and aeroponics. A boot begins with watering, because the
roots may have been dry before; so does the end of any time in which the pump could not run. Water
in the beds is missing from the tank: until it has drained back, the level and the volume that a
dose goes into are unknown.
"""

from idro.protocol.reason import Reason
from idro.protocol.types import Decision, hold

ACTUATOR = "irrigation"
FLOW = "irrigation.flow_ml_per_min"

_LEASE_MS = 60_000
# Shorter periods of watering are recorded as one program, not as 280 runs a day.
_BURST_MS = 60_000
_RESTART_ABOVE_MM = 5
_NO_FLOW_MS = 10_000  # and two samples: a pump needs some seconds to fill its line
_STUCK_MS = 30_000
# Without a level, only flow proves that the pump is not dry: pauses before each retry.
_RETRY_AFTER_MS = (300_000, 300_000, 1_800_000)
_DAY_S = 86_400


class CycleTimer:
    """Current period of watering or rest, and where the water is. Starts at boot."""

    def __init__(self):
        self.due_ms = None  # end of the current period, None without one
        self._is_wet = True
        self._since_ms = None
        self._off_reason = None  # kept until the water has drained back
        self._is_continuous = False
        self._runs = False
        self._switched_ms = 0

    def restart(self):
        """Begin with watering as soon as the pump may run."""
        self._is_wet = True
        self._since_ms = self.due_ms = None

    def update(self, runs, now_ms):
        """Record whether water flows to the roots, before and after each decision."""
        if runs != self._runs:
            self._runs = runs
            self._switched_ms = now_ms

    def is_water_out(self, values, now_ms):
        """True while water of the tank is in the beds, or may be. Never with `drain_s` 0.

        With continuous irrigation the level is stable once the beds are full.
        """
        if not values["irrigation.drain_s"]:
            return False
        return (self._runs and not self._is_continuous) or not self._has_drained(values, now_ms)

    def refused(self, why):
        """The gate refused to run the pump: `why` is its Reason."""
        self._off_reason = why
        self.restart()

    def off_reason(self, level, values, now_ms):
        """Return the Reason why the pump may not run, or None.

        A low level or a refusal holds until the level is well above and the beds have drained.
        """
        low_mm = values["level.low_mm"]
        level_mm = low_mm + _RESTART_ABOVE_MM if level.value is None else level.value
        if level_mm < low_mm:
            self._off_reason = Reason("water_low", level_mm=level_mm, low_mm=low_mm)
        elif level_mm >= low_mm + _RESTART_ABOVE_MM and self._has_drained(values, now_ms):
            self._off_reason = None
        return self._off_reason

    def _has_drained(self, values, now_ms):
        return now_ms - self._switched_ms >= values["irrigation.drain_s"] * 1_000

    def advance(self, on_ms, off_ms, now_ms):
        """Start the next period if the current one is over; return True while watering."""
        if self._since_ms is None:
            self._since_ms = now_ms
        self._is_continuous = off_ms == 0
        length_ms = on_ms if self._is_wet else off_ms
        if self._is_continuous or now_ms - self._since_ms >= length_ms:
            self._is_wet = self._is_continuous or not self._is_wet
            self._since_ms = now_ms
        length_ms = on_ms if self._is_wet else off_ms
        self.due_ms = self._since_ms + length_ms
        return self._is_wet


class FlowCheck:
    """Checks with the flow meter, if any, that water flows while the pump runs, and only then."""

    def __init__(self):
        self.is_missing = False
        self.is_stuck_on = False
        self._sampled_ms = None
        self._on_ms_total = 0
        self._dry_ms_total = self._dry_count = 0  # on-time and samples since the last flow
        self._dry_ms = 0  # on-time without flow since the last retry
        self._idle_ms = 0  # time with the pump off and flow
        self._tries = 0
        self._waiting_since_ms = None

    def update(self, sample, on_ms_total, values, is_water_out):
        """Process the latest Sample of the meter and the pump's on-time since boot.

        `is_water_out`: draining water may turn the meter. Returns (kind, detail) of an event, or
        None.
        """
        if sample is None or sample.at_ms == self._sampled_ms:
            return None
        sampled_ms, self._sampled_ms = self._sampled_ms, sample.at_ms
        ran_ms, self._on_ms_total = on_ms_total - self._on_ms_total, on_ms_total
        if sample.fault is not None or sampled_ms is None:
            self._idle_ms = 0
            return None
        span_ms = sample.at_ms - sampled_ms
        low = values["irrigation.low_ml_per_min"]
        if ran_ms:
            self._idle_ms = 0
            return self._check_running(sample.value * span_ms >= low * ran_ms, ran_ms)
        is_flowing = low > 0 and sample.value >= low
        self._idle_ms = self._idle_ms + span_ms if is_flowing and not is_water_out else 0
        return self._check_idle(is_flowing, sample.value)

    def retry_in_ms(self, now_ms):
        """Return the ms until a pump that ran without flow may run again, 0 if it may."""
        if not self.is_missing or self._dry_ms < _NO_FLOW_MS:
            return 0
        if self._waiting_since_ms is None:
            self._waiting_since_ms = now_ms
        left_ms = self._waiting_since_ms + _RETRY_AFTER_MS[self._tries] - now_ms
        if left_ms > 0:
            return left_ms
        self._tries = min(self._tries + 1, len(_RETRY_AFTER_MS) - 1)
        self._waiting_since_ms = None
        self._dry_ms = 0
        return 0

    def _check_running(self, has_flowed, ran_ms):
        if has_flowed:
            dry_ms, was_missing = self._dry_ms_total, self.is_missing
            self.is_missing = False
            self._dry_ms_total = self._dry_count = self._dry_ms = self._tries = 0
            self._waiting_since_ms = None
            return _no_flow("ended", dry_ms) if was_missing else None
        self._dry_ms_total += ran_ms
        self._dry_count += 1
        self._dry_ms += ran_ms
        if self.is_missing or self._dry_count < 2 or self._dry_ms_total < _NO_FLOW_MS:
            return None
        self.is_missing = True
        return _no_flow("began", self._dry_ms_total)

    def _check_idle(self, is_flowing, flow_ml_per_min):
        if is_flowing == self.is_stuck_on or (is_flowing and self._idle_ms < _STUCK_MS):
            return None
        self.is_stuck_on = is_flowing
        state = "began" if is_flowing else "ended"
        return "irrigation_stuck_on", {"state": state, "flow_ml_per_min": flow_ml_per_min}


def decide(level, values, timer, meter, now_ms, second_of_day):
    """Return the Decision for the irrigation pump, and advance `timer`.

    `level` is the Reading of the reservoir, `meter` a FlowCheck, `second_of_day` local. A lost
    level sensor does not stop irrigation unless the meter measures no flow.
    """
    why = timer.off_reason(level, values, now_ms)
    if why is not None:
        timer.restart()
        return hold(why)
    on_ms = values["irrigation.on_s"] * 1_000
    if not on_ms:
        timer.restart()
        return hold(Reason("irrigation_off"))
    retry_in_ms = meter.retry_in_ms(now_ms) if level.value is None else 0
    if retry_in_ms:
        timer.restart()
        return hold(Reason("flow_retry", left_ms=retry_in_ms))
    off_ms = rest_s(second_of_day, values) * 1_000
    is_wet = timer.advance(on_ms, off_ms, now_ms)
    left_ms = timer.due_ms - now_ms
    reason = _reason(is_wet, on_ms, off_ms, left_ms)
    if meter.is_missing:
        reason = Reason("flow_missing", why=reason)
    if not is_wet:
        return hold(reason)
    is_last = off_ms and left_ms < 2 * _LEASE_MS
    return Decision(ACTUATOR, None, left_ms if is_last else _LEASE_MS, None, reason)


def is_burst(values):
    """True if periods of watering are too short to be recorded one by one."""
    return values["irrigation.on_s"] * 1_000 < _BURST_MS


def rest_s(second_of_day, values):
    """Return the rest between two waterings at a local second of the day, in s."""
    since_s = (second_of_day - values["light.on_minute"] * 60) % _DAY_S
    if since_s >= values["light.on_minutes"] * 60:
        return values["irrigation.night_off_s"] or values["irrigation.off_s"]
    return values["irrigation.off_s"]


def _reason(is_wet, on_ms, off_ms, left_ms):
    if not off_ms:
        return Reason("irrigation_always")
    if on_ms < _BURST_MS:
        return Reason("irrigation_turns", on_ms=on_ms, every_ms=on_ms + off_ms)
    return Reason("watering" if is_wet else "irrigation_rest", left_ms=left_ms)


def _no_flow(state, on_ms):
    return "irrigation_no_flow", {"state": state, "on_ms": on_ms}

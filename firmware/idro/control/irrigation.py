"""When the roots are watered: on and off by turns on uptime, so that no clock is needed.

NFT, ebb and flow and aeroponics are the same two times. The first turn of a boot is water, for
nobody knows how long the roots were dry before; time in which the pump might not run is no turn,
and when it may again, water comes first. What stands in the beds is missing from the tank: until
it has drained back the level says nothing, and no dose knows the volume it goes into.
"""

from idro.protocol.types import Decision, hold

ACTUATOR = "irrigation"
FLOW = "irrigation.flow_ml_per_min"

_LEASE_MS = 60_000
# Turns this short are one program, not a run each: nobody reads 280 runs a day.
_BURST_MS = 60_000
_RESTART_ABOVE_MM = 5
_NO_FLOW_MS = 10_000  # and two samples: a pump needs some seconds to fill its line
_STUCK_MS = 30_000
# Without a level only flow proves that the pump is not dry: how long it stands before each try.
_TRY_AFTER_MS = (300_000, 300_000, 1_800_000)
_DAY_S = 86_400


class CycleTimer:
    """Where the turns stand, and since when the water is where it is. Starts with a boot."""

    def __init__(self):
        self.due_ms = None  # when the present turn is over; None: not before somebody says so
        self._is_wet = True
        self._since_ms = None
        self._why = None  # it stands, until the water is back
        self._is_steady = False
        self._runs = False
        self._moved_ms = 0

    def start_over(self):
        """The pump may not run: water is the next turn, however long that takes."""
        self._is_wet = True
        self._since_ms = self.due_ms = None

    def note(self, runs, now_ms):
        """Take in whether water goes to the roots: before and after each decision."""
        if runs != self._runs:
            self._runs = runs
            self._moved_ms = now_ms

    def is_away(self, values, now_ms):
        """True while water of the tank stands in the beds, or may. Never with `drain_s` 0.

        A pump that never rests leaves the tank as it is once the beds are full.
        """
        if not values["irrigation.drain_s"]:
            return False
        return (self._runs and not self._is_steady) or not self._is_home(values, now_ms)

    def refused(self, why):
        """The gate said no, in a grower's words."""
        self._why = why
        self.start_over()

    def why_off(self, level, values, now_ms):
        """Return why nothing may run, or None.

        From a low level, or a refusal, until it is well above and the water of the beds is back.
        """
        low_mm = values["level.low_mm"]
        level_mm = low_mm + _RESTART_ABOVE_MM if level.value is None else level.value
        if level_mm < low_mm:
            self._why = f"water is low, {level_mm} of {low_mm} mm"
        elif level_mm >= low_mm + _RESTART_ABOVE_MM and self._is_home(values, now_ms):
            self._why = None
        return self._why

    def _is_home(self, values, now_ms):
        return now_ms - self._moved_ms >= values["irrigation.drain_s"] * 1_000

    def next_is_wet(self, on_ms, off_ms, now_ms):
        """Return whether this turn is water, once the one before is over."""
        if self._since_ms is None:
            self._since_ms = now_ms
        self._is_steady = off_ms == 0
        length_ms = on_ms if self._is_wet else off_ms
        if self._is_steady or now_ms - self._since_ms >= length_ms:
            self._is_wet = self._is_steady or not self._is_wet
            self._since_ms = now_ms
        length_ms = on_ms if self._is_wet else off_ms
        self.due_ms = self._since_ms + length_ms
        return self._is_wet


class FlowCheck:
    """Whether water flows while the pump runs, and only then, by a meter where there is one."""

    def __init__(self):
        self.is_missing = False
        self.is_stuck_on = False
        self._seen_ms = None
        self._on_ms_total = 0
        self._lost_ms = self._lost_count = 0  # on-time and samples since anything flowed
        self._dry_ms = 0  # on-time without flow in this try
        self._idle_ms = 0  # of the pump off, with flow
        self._tries = 0
        self._waits_from_ms = None

    def look(self, sample, on_ms_total, values, is_away):
        """Take in the latest Sample of the meter and the pump's on-time since boot.

        `is_away`: what drains may turn the meter. Returns (kind, detail) of an event, or None.
        """
        if sample is None or sample.at_ms == self._seen_ms:
            return None
        seen_ms, self._seen_ms = self._seen_ms, sample.at_ms
        ran_ms, self._on_ms_total = on_ms_total - self._on_ms_total, on_ms_total
        if sample.fault is not None or seen_ms is None:
            self._idle_ms = 0
            return None
        span_ms = sample.at_ms - seen_ms
        low = values["irrigation.low_ml_per_min"]
        if ran_ms:
            self._idle_ms = 0
            return self._ran(sample.value * span_ms >= low * ran_ms, ran_ms)
        is_flowing = low > 0 and sample.value >= low
        self._idle_ms = self._idle_ms + span_ms if is_flowing and not is_away else 0
        return self._rested(is_flowing, sample.value)

    def wait_ms(self, now_ms):
        """Return how long a pump stands that was on without flow, 0 where it may run."""
        if not self.is_missing or self._dry_ms < _NO_FLOW_MS:
            return 0
        if self._waits_from_ms is None:
            self._waits_from_ms = now_ms
        left_ms = self._waits_from_ms + _TRY_AFTER_MS[self._tries] - now_ms
        if left_ms > 0:
            return left_ms
        self._tries = min(self._tries + 1, len(_TRY_AFTER_MS) - 1)
        self._waits_from_ms = None
        self._dry_ms = 0
        return 0

    def _ran(self, has_flowed, ran_ms):
        if has_flowed:
            lost_ms, was_missing = self._lost_ms, self.is_missing
            self.is_missing = False
            self._lost_ms = self._lost_count = self._dry_ms = self._tries = 0
            self._waits_from_ms = None
            return _no_flow("ended", lost_ms) if was_missing else None
        self._lost_ms += ran_ms
        self._lost_count += 1
        self._dry_ms += ran_ms
        if self.is_missing or self._lost_count < 2 or self._lost_ms < _NO_FLOW_MS:
            return None
        self.is_missing = True
        return _no_flow("began", self._lost_ms)

    def _rested(self, is_flowing, flow_ml_per_min):
        if is_flowing == self.is_stuck_on or (is_flowing and self._idle_ms < _STUCK_MS):
            return None
        self.is_stuck_on = is_flowing
        state = "began" if is_flowing else "ended"
        return "irrigation_stuck_on", {"state": state, "flow_ml_per_min": flow_ml_per_min}


def decide(level, values, turns, meter, now_ms, second_of_day):
    """Return the Decision for the irrigation pump, and move `turns` along.

    `level` is the Reading of the reservoir, `meter` a Flow, `second_of_day` local. A lost level
    sensor is no reason to let the roots dry, unless the meter says that nothing flows.
    """
    why = turns.why_off(level, values, now_ms)
    if why is not None:
        turns.start_over()
        return hold("off: " + why)
    on_ms = values["irrigation.on_s"] * 1_000
    if not on_ms:
        turns.start_over()
        return hold("off: irrigation.on_s is 0")
    wait_ms = meter.wait_ms(now_ms) if level.value is None else 0
    if wait_ms:
        turns.start_over()
        return hold(f"off: no flow and no level, next try in {-(-wait_ms // 1_000)} s")
    off_ms = rest_s(second_of_day, values) * 1_000
    is_wet = turns.next_is_wet(on_ms, off_ms, now_ms)
    left_ms = turns.due_ms - now_ms
    reason = _reason(is_wet, on_ms, off_ms, left_ms)
    if meter.is_missing:
        reason = "no flow is measured, " + reason
    if not is_wet:
        return hold(reason)
    is_last = off_ms and left_ms < 2 * _LEASE_MS
    return Decision(ACTUATOR, None, left_ms if is_last else _LEASE_MS, None, reason)


def is_burst(values):
    """True where turns of water are too short to be told one by one."""
    return values["irrigation.on_s"] * 1_000 < _BURST_MS


def rest_s(second_of_day, values):
    """Return the rest between two turns of water at a local second of the day, in s."""
    since_s = (second_of_day - values["light.on_minute"] * 60) % _DAY_S
    if since_s >= values["light.on_minutes"] * 60:
        return values["irrigation.night_off_s"] or values["irrigation.off_s"]
    return values["irrigation.off_s"]


def _reason(is_wet, on_ms, off_ms, left_ms):
    if not off_ms:
        return "on: never rests"
    if on_ms < _BURST_MS:
        return f"by turns: {on_ms // 1_000} s every {(on_ms + off_ms) // 1_000} s"
    left_s = -(-left_ms // 1_000)
    return f"on: watering, {left_s} s left" if is_wet else f"off: resting, {left_s} s left"


def _no_flow(state, on_ms):
    reason = "the pump is on and nothing flows" if state == "began" else "water flows again"
    return "irrigation_no_flow", {"state": state, "on_ms": on_ms, "reason": reason}

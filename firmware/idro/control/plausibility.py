"""Plausibility checks of sensor values: range, jump, flat, noise and drift.

Limits follow what water and air can do. A jump is rejected until a second value agrees with it. A
pH signal that does not move for 10 min is a dead or shorted probe (a short reads a stable 7.00). A
signal that scatters, drifts faster than undosed water, or exceeds the effect of any dose is
rejected for 10 min.
"""

from collections import namedtuple

from idro.control.filters import spread
from idro.protocol.quantities import QUANTITIES

# Limits; 0 disables a check. jump: step between two readings. flat_*: raw signal within flat_range
# (uV) for flat_ms, each burst narrower than flat_uv. noisy_uv: width of a burst of conversions, a
# few ms long. noisy_range: spread of the last five accepted values. rate_per_min: drift without a
# dose. dosed_range: effect of doses until they have mixed.
Behaviour = namedtuple(
    "Behaviour",
    ("jump", "flat_range", "flat_uv", "flat_ms", "noisy_uv", "noisy_range", "rate_per_min",
     "dosed_range"),
)

# What changes the water: nothing; doses and fills that mix; a person; a person calibrates, so the
# probes are not in it.
UNDISTURBED, DOSED, BY_HAND, CALIBRATING = 0, 1, 2, 3

BEHAVIOURS = {
    # Front end: 177.48 mV per pH, so a flat signal is within three thousandths of pH. A burst of
    # three with 0.15 pH of noise is 45 mV wide.
    "ph": Behaviour(0.3, 533, 500, 600_000, 45_000, 0.45, 0.3, 1.0),
    "ec_us_cm": Behaviour(150, 0, 0, 0, 8_700, 300, 0, 0),
    "level_mm": Behaviour(25, 0, 0, 0, 44_000, 0, 0, 0),
    "temp_c": Behaviour(2, 0, 0, 0, 0, 0, 0, 0),
    "rh_pct": Behaviour(25, 0, 0, 0, 0, 0, 0, 0),
}

_RANGE_ONLY = Behaviour(0, 0, 0, 0, 0, 0, 0, 0)

_NOISY_HOLD_MS = 600_000
_FLAT_SAMPLES = 12  # minimum bursts, whatever the sampling interval
_NOISY_BURSTS = 3
_RATE_WINDOW_MS = 60_000
_RATE_STRIKES = 2
_IN_AIR_US_CM = 20


class ChannelPlausibility:
    """Plausibility state of one channel."""

    def __init__(self, quantity_key):
        self._quantity = QUANTITIES[quantity_key]
        self._behaviour = BEHAVIOURS.get(quantity_key, _RANGE_ONLY)
        self._accepted = []  # the last five
        self._candidate = None
        self._noisy_bursts = 0
        self._noisy_until_ms = None
        self._flat = None  # [low_uv, high_uv, since_ms, count, last_uv]
        self._rate = None  # [value, at_ms, strikes]
        self._undisturbed = None  # the last undisturbed value

    def failed(self, spread_uv, signal_uv, now_ms):
        """The read failed: do not compare the next value with older ones. A signal that was read
        but gives no value may be flat all the same."""
        self._is_flat(signal_uv, spread_uv, now_ms)
        self._candidate = None
        self._rate = None
        self._undisturbed = None
        self._accepted.clear()

    def check(self, value, spread_uv, now_ms, moved_by, signal_uv=None):
        """Return the fault of `value`, or None. `moved_by`: UNDISTURBED to CALIBRATING. Only
        `signal_uv` reveals a stuck probe: the value of a constant signal changes with the
        temperature of the water and with the calibration."""
        if not self._quantity.low <= value <= self._quantity.high:
            return "out_of_range"
        behaviour = self._behaviour
        if self._quantity.key == "ec_us_cm" and value < _IN_AIR_US_CM:
            return "in_air"
        if behaviour.flat_ms and self._is_flat(signal_uv, spread_uv, now_ms):
            return "flat"
        if behaviour.noisy_uv and self._has_noisy_bursts(spread_uv, now_ms):
            return "noisy"
        if behaviour.jump and self._has_jumped(value):
            return "jump"
        accepted = self._accepted
        accepted.append(value)
        if len(accepted) > 5:
            accepted.pop(0)
        if behaviour.noisy_range and self._is_noisy(value, now_ms, moved_by):
            return "noisy"
        return None

    def _has_jumped(self, value):
        accepted = self._accepted
        jump = self._behaviour.jump
        if not accepted or abs(value - accepted[-1]) <= jump:
            self._candidate = None
            return False
        candidate = self._candidate
        self._candidate = value
        if candidate is None or abs(value - candidate) > jump:
            return True
        accepted.clear()  # the second value agrees: the water did change
        self._candidate = None
        self._rate = None
        return False

    def _is_flat(self, signal_uv, spread_uv, now_ms):
        behaviour = self._behaviour
        flat = self._flat
        if signal_uv is None or spread_uv is None or spread_uv >= behaviour.flat_uv:
            self._flat = None
            return False
        if flat is not None:
            is_long = now_ms - flat[2] >= behaviour.flat_ms
            was_flat = is_long and flat[3] >= _FLAT_SAMPLES
            has_stepped = abs(signal_uv - flat[4]) > behaviour.flat_range
            flat[0] = min(flat[0], signal_uv)
            flat[1] = max(flat[1], signal_uv)
            flat[3] += 1
            flat[4] = signal_uv
            # A dead probe may creep: some transmit only a compensated pH.
            if flat[1] - flat[0] <= behaviour.flat_range or was_flat and not has_stepped:
                return is_long and flat[3] >= _FLAT_SAMPLES
        self._flat = [signal_uv, signal_uv, now_ms, 1, signal_uv]
        return False

    def _has_noisy_bursts(self, spread_uv, now_ms):
        """True for 10 min after wide bursts outnumber narrow ones by three."""
        if spread_uv is not None:
            step = 1 if spread_uv > self._behaviour.noisy_uv else -1
            self._noisy_bursts = min(_NOISY_BURSTS, max(0, self._noisy_bursts + step))
            if self._noisy_bursts == _NOISY_BURSTS:
                self._reject_until(now_ms + _NOISY_HOLD_MS)
        return self._noisy_until_ms is not None and now_ms < self._noisy_until_ms

    def _is_noisy(self, value, now_ms, moved_by):
        if moved_by == UNDISTURBED:
            accepted = self._accepted
            is_implausible = len(accepted) == 5 and spread(accepted) > self._behaviour.noisy_range
            is_implausible = is_implausible or self._drifts(value, now_ms)
            self._undisturbed = value
        else:
            is_implausible = self._exceeds_dosed_range(value, moved_by)
            self._rate = None
        if is_implausible:
            self._reject_until(now_ms + _NOISY_HOLD_MS)
        return self._noisy_until_ms is not None and now_ms < self._noisy_until_ms

    def _exceeds_dosed_range(self, value, moved_by):
        """True if the value exceeds the effect of doses: a pump is stuck on, or the titration is
        wrong."""
        undisturbed, max_range = self._undisturbed, self._behaviour.dosed_range
        if moved_by >= BY_HAND:
            self._undisturbed = None
        elif undisturbed is None or (max_range and abs(value - undisturbed) > max_range):
            self._undisturbed = value
        if moved_by != DOSED or undisturbed is None:
            return False
        return 0 < max_range < abs(value - undisturbed)

    def _reject_until(self, until_ms):
        """Reject all values until then, and do not compare later ones with earlier ones."""
        self._noisy_until_ms = until_ms
        self._rate = None
        self._accepted.clear()

    def _drifts(self, value, now_ms):
        """True if the value moved faster than undosed water for 2 min."""
        rate_per_min = self._behaviour.rate_per_min
        if not rate_per_min:
            return False
        rate = self._rate
        if rate is None:
            self._rate = [value, now_ms, 0]
            return False
        elapsed_ms = now_ms - rate[1]
        if elapsed_ms < _RATE_WINDOW_MS:
            return False
        is_fast = abs(value - rate[0]) * 60_000 > rate_per_min * elapsed_ms
        strikes = rate[2] + 1 if is_fast else 0
        self._rate = [value, now_ms, strikes]
        return strikes >= _RATE_STRIKES

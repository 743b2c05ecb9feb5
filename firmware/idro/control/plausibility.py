"""Is a number that a sensor gave believable: a Track a channel, a fault or None each time.

Limits follow what water and air can do. A value that moved too fast is not believed until a
second one agrees with it; a pH signal that does not move at all for ten minutes is a dead or a
shorted probe (a short reads a perfect, stable 7.00); one that scatters, drifts faster than undosed
water can, or goes further than any dose takes it is not believed for ten minutes.
"""

from collections import namedtuple

from idro.control.filters import spread
from idro.protocol.quantities import QUANTITIES

# jump: believed step between two readings. flat_range within flat_ms, with no burst as wide as
# flat_uv: dead. noisy_uv: width of a burst of conversions, a matter of milliseconds in which no
# water changes. noisy_range: spread of the last five believed values. rate_per_min: drift without
# a dose. dosed_range: how far doses may take it until they have mixed. 0 switches a check off.
Behaviour = namedtuple(
    "Behaviour",
    ("jump", "flat_range", "flat_uv", "flat_ms", "noisy_uv", "noisy_range", "rate_per_min",
     "dosed_range"),
)

# What moves the water: nothing; doses and fills that mix; a person, who may do anything.
CALM, DOSED, BY_HAND = 0, 1, 2

BEHAVIOURS = {
    # Of the front end's 177 mV a pH: 0.15 pH of noise is a burst of three 45 mV wide.
    "ph": Behaviour(0.3, 0.003, 500, 600_000, 45_000, 0.45, 0.3, 1.0),
    "ec_us_cm": Behaviour(150, 0, 0, 0, 8_700, 300, 0, 0),
    "level_mm": Behaviour(25, 0, 0, 0, 44_000, 0, 0, 0),
    "temp_c": Behaviour(2, 0, 0, 0, 0, 0, 0, 0),
    "rh_pct": Behaviour(25, 0, 0, 0, 0, 0, 0, 0),
}

_RANGE_ONLY = Behaviour(0, 0, 0, 0, 0, 0, 0, 0)

_NOISY_HOLD_MS = 600_000
_FLAT_SAMPLES = 12  # bursts however seldom one reads; every 10 s they are 60, of 180 codes
_NOISY_BURSTS = 3
_RATE_WINDOW_MS = 60_000
_RATE_STRIKES = 2
_IN_AIR_US_CM = 20


class ChannelPlausibility:
    """What one channel did so far."""

    def __init__(self, quantity_key):
        self._quantity = QUANTITIES[quantity_key]
        self._behaviour = BEHAVIOURS.get(quantity_key, _RANGE_ONLY)
        self._believed = []  # the last five
        self._doubted = None
        self._noisy_bursts = 0
        self._noisy_until_ms = None
        self._flat = None  # [low, high, since_ms, count, last or None]
        self._rate = None  # [value, at_ms, strikes]
        self._calm = None  # the last value that nothing was moving

    def failed(self):
        """The sensor gave no number: a later one is compared with nothing older."""
        self._doubted = None
        self._flat = None
        self._rate = None
        self._calm = None
        self._believed.clear()

    def recalibrated(self):
        """The same signal reads otherwise from here on: how long it has been still counts on."""
        if self._flat is not None:
            self._flat[4] = None

    def check(self, value, spread_uv, now_ms, moved_by):
        """Return the fault of `value`, or None. `moved_by`: CALM, DOSED or BY_HAND."""
        if not self._quantity.low <= value <= self._quantity.high:
            return "out_of_range"
        behaviour = self._behaviour
        if self._quantity.key == "ec_us_cm" and value < _IN_AIR_US_CM:
            return "in_air"
        if behaviour.flat_ms and self._is_flat(value, spread_uv, now_ms):
            return "flat"
        if behaviour.noisy_uv and self._is_hum(spread_uv, now_ms):
            return "noisy"
        if behaviour.jump and self._has_jumped(value):
            return "jump"
        believed = self._believed
        believed.append(value)
        if len(believed) > 5:
            believed.pop(0)
        if behaviour.noisy_range and self._is_noisy(value, now_ms, moved_by):
            return "noisy"
        return None

    def _has_jumped(self, value):
        believed = self._believed
        jump = self._behaviour.jump
        if not believed or abs(value - believed[-1]) <= jump:
            self._doubted = None
            return False
        doubted = self._doubted
        self._doubted = value
        if doubted is None or abs(value - doubted) > jump:
            return True
        believed.clear()  # the second that agrees: the water did move
        self._doubted = None
        self._rate = None
        return False

    def _is_flat(self, value, spread_uv, now_ms):
        behaviour = self._behaviour
        flat = self._flat
        if spread_uv is None or spread_uv >= behaviour.flat_uv:
            self._flat = None
            return False
        if flat is None:
            self._flat = [value, value, now_ms, 1, value]
            return False
        if flat[4] is None:
            flat[0] = flat[1] = flat[4] = value
        was_flat = now_ms - flat[2] >= behaviour.flat_ms and flat[3] >= _FLAT_SAMPLES
        has_stepped = abs(value - flat[4]) > behaviour.flat_range
        flat[0] = min(flat[0], value)
        flat[1] = max(flat[1], value)
        flat[3] += 1
        flat[4] = value
        if flat[1] - flat[0] > behaviour.flat_range and (has_stepped or not was_flat):
            self._flat = [value, value, now_ms, 1, value]
            return False
        # What creeps while it is flat is the temperature that a dead signal is converted with.
        return now_ms - flat[2] >= behaviour.flat_ms and flat[3] >= _FLAT_SAMPLES

    def _is_hum(self, spread_uv, now_ms):
        """True within ten minutes of three wide bursts more than narrow ones."""
        if spread_uv is not None:
            step = 1 if spread_uv > self._behaviour.noisy_uv else -1
            self._noisy_bursts = min(_NOISY_BURSTS, max(0, self._noisy_bursts + step))
            if self._noisy_bursts == _NOISY_BURSTS:
                self._doubt_until(now_ms + _NOISY_HOLD_MS)
        return self._noisy_until_ms is not None and now_ms < self._noisy_until_ms

    def _is_noisy(self, value, now_ms, moved_by):
        if moved_by == CALM:
            believed = self._believed
            is_wild = len(believed) == 5 and spread(believed) > self._behaviour.noisy_range
            is_wild = is_wild or self._drifts(value, now_ms)
            self._calm = value
        else:
            is_wild = self._is_carried_off(value, moved_by)
            self._rate = None
        if is_wild:
            self._doubt_until(now_ms + _NOISY_HOLD_MS)
        return self._noisy_until_ms is not None and now_ms < self._noisy_until_ms

    def _is_carried_off(self, value, moved_by):
        """True where the water went further than doses take it: a pump runs by itself, or the
        titration is far off."""
        calm, most = self._calm, self._behaviour.dosed_range
        if moved_by == BY_HAND:
            self._calm = None
        elif calm is None or (most and abs(value - calm) > most):
            self._calm = value
        return moved_by == DOSED and calm is not None and 0 < most < abs(value - calm)

    def _doubt_until(self, until_ms):
        """Believe nothing until then, and compare what comes after with nothing from before."""
        self._noisy_until_ms = until_ms
        self._rate = None
        self._believed.clear()

    def _drifts(self, value, now_ms):
        """True when the value kept moving faster than undosed water for two minutes on end."""
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

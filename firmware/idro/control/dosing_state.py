"""What the dosing loops remember from one cycle to the next: doses, and what they taught."""

from idro.control import dose_response, dose_verification
from idro.control.dose_response import DoseResponse
from idro.control.dose_verification import DoseVerification
from idro.control.mixing_time import Mixing

# A pump that runs shorter than a fifth of a second gives nothing that can be counted.
_SMALLEST_UL = 50
_SMALLEST_PER_S = 5
# What a fill does to pH is learned from each, a third at a time; a third of it, at most a third of
# the dead band, is met before it comes.
_FILL_SHARE = 0.3
_FILL_MOST = 0.3

# Settings that declare a titration, and the doser whose strength is measured against it.
TITRATIONS = {
    "ph.down_ul_per_ph": "ph_down", "ph.up_ul_per_ph": "ph_up",
    "ec.ul_per_100_us_cm": "nutrient_b",
}
_SUSPECTS = {
    "no_effect": "had no effect: is the bottle empty, is air in the line, is the probe dead",
    "wrong_way": "worked the wrong way: are tubes or bottles swapped, is the probe dead",
}


class LoopState:
    """What one loop remembers: its doses not yet judged, and how its water answers and mixes."""

    def __init__(self, dosers, judgement, belief):
        self.series = DoseVerification(judgement)
        self.response = DoseResponse(dosers, belief)
        self.mixing = Mixing(5 * belief.most_noise)
        self._dosers = dosers

    def invalidate(self):
        """Something else than our own doses moves the water: what the last of them did cannot be
        told any more."""
        self.series.drop()
        self.response.invalidate()
        self.mixing.invalidate()

    def clear(self):
        """The same water reads otherwise: judge none of the doses until now."""
        self.invalidate()
        self.series.clear()

    def settle(self, value, now_ms):
        """A dose of the other loop is about to move the water from a mixed `value`."""
        self.series.settle(value, now_ms)
        self.response.look(value, now_ms)
        self.invalidate()

    def dosed(self, doser, value, level_mm, predicted, now_ms):
        """Take in a dose given at `value`, that the titration says moves it by `predicted`."""
        answer = self.response
        answer.dosed(doser, value, predicted, now_ms)
        expected = predicted * max(1.0, answer.strength(doser))
        self.series.add(value, level_mm, expected, now_ms, answer.seen_drift_per_h())
        self.mixing.dosed(value)

    def look(self, reading, water, now_ms, wait_ms):
        """Take in a reading; return a verdict of series or None. Every cycle."""
        if self.series.watch(reading, water.level, now_ms, wait_ms):
            self.invalidate()
        if water.mixing_left_ms > 0 or reading.value is None:
            return None
        self.mixing.look(reading.value, now_ms, wait_ms, self.response.drift_per_h)
        self.response.look(reading.value, now_ms)
        found = self.series.verdict(reading.value, now_ms)
        if found:
            self.series.clear()
        return found

    def learned(self):
        """Return what was learned as integers, thousandths."""
        strengths = [int(1_000 * self.response.strength(name)) for name in self._dosers]
        return strengths + [int(1_000 * self.mixing.stretch)]

    def recall(self, learned):
        """Take up what learned() gave before a reset."""
        for index, name in enumerate(self._dosers):
            self.response.set_strength(name, learned[index] / 1_000)
        self.mixing.stretch = min(4.0, max(1.0, learned[len(self._dosers)] / 1_000))


class DosingState:
    """What the loops remember from one cycle to the next."""

    def __init__(self):
        self.owed_b_ul = 0  # of the A that ended at a_ended_ms
        self.a_ended_ms = None
        self.missed_b_ul = 0  # given up in this cycle: whoever asked for the decision tells
        self.in_air_ms = None
        self.diagnosis = ""  # of the last verdict: what a person should look at
        self.dosed_last = ""
        self.in_band = {}  # loop: (its numbers, the Decision that says so)
        self.pursued = None  # the doser that is bringing pH back
        self.fill_ph = 0.0  # what topping off does to the pH of this water
        self._mixed_ph = None
        self._before_fill_ph = None
        self.ph = LoopState(("ph_down", "ph_up"), dose_verification.PH, dose_response.PH)
        self.ec = LoopState(("nutrient_b",), dose_verification.EC, dose_response.EC)

    def invalidate(self):
        """Something else than our own doses moves the water."""
        self.ph.invalidate()
        self.ec.invalidate()

    def recalibrated(self):
        """The same water reads otherwise: judge none of the doses until now."""
        self.ph.clear()
        self.ec.clear()

    def declared(self, keys):
        """Settings of these keys changed: what was learned against an old titration is void."""
        for key in keys:
            doser = TITRATIONS.get(key)
            if doser is not None:
                loop = self.ec if doser == "nutrient_b" else self.ph
                loop.response.forget(doser)

    def learned(self):
        """Return what was learned of this water, as integers to be kept over resets."""
        return self.ph.learned() + self.ec.learned()

    def recall(self, learned):
        """Take up what learned() gave before a reset."""
        self.ph.recall(learned[:3])
        self.ec.recall(learned[3:])

    def given_by_hand(self, actuation, values):
        """Take in a dose that a person asked for."""
        self.invalidate()
        if actuation.actuator == "nutrient_b":
            self._b_given(actuation.volume_ul, values)

    def given(self, actuation, water, values, now_ms):
        """Take in what was really given, and what the water read when it was decided."""
        name = actuation.actuator
        volume_ul = actuation.volume_ul
        level_mm = water.level.value
        self.dosed_last = name
        if name == "nutrient_a":
            self._settle_ph(water, now_ms)  # nutrient moves the pH as well
            self.owed_b_ul = volume_ul
            self.a_ended_ms = now_ms
        elif name == "nutrient_b":
            self.ph.invalidate()
            self._b_given(volume_ul, values)
            if water.ec.value is not None:
                rise = volume_ul * 100 / values["ec.ul_per_100_us_cm"]
                self.ec.dosed(name, water.ec.value, level_mm, rise, now_ms)
        elif water.ph.value is not None:
            if name == "ph_down":
                predicted = -volume_ul / values["ph.down_ul_per_ph"]
            else:
                predicted = volume_ul / values["ph.up_ul_per_ph"]
            self.pursued = name
            self.ph.dosed(name, water.ph.value, level_mm, predicted, now_ms)

    def _settle_ph(self, water, now_ms):
        if water.ph.value is None or water.mixing_left_ms > 0:
            self.ph.invalidate()
        else:
            self.ph.settle(water.ph.value, now_ms)

    def mixing_left_ms(self, water, values, now_ms):
        """Return the wait until the water has mixed: the settings', or as long as was measured."""
        wait_ms = values["mixing.wait_ms"]
        return max(
            self.ph.mixing.left_ms(now_ms, water.mixing_left_ms, wait_ms),
            self.ec.mixing.left_ms(now_ms, water.mixing_left_ms, wait_ms),
        )

    def watch_fill(self, water):
        """Learn what a fill does to pH: mixed water before it against mixed water after it."""
        ph = water.ph.value
        if water.is_filling:
            if self._mixed_ph is not None:
                self._before_fill_ph = self._mixed_ph
            self._mixed_ph = None
            return
        is_mixed = water.mixing_left_ms == 0 and ph is not None
        if is_mixed and self._before_fill_ph is not None:
            jump = min(_FILL_MOST, max(-_FILL_MOST, ph - self._before_fill_ph))
            self.fill_ph += _FILL_SHARE * (jump - self.fill_ph)
            self._before_fill_ph = None
        self._mixed_ph = ph if is_mixed else None

    def diagnose(self, found):
        """Note in words what a verdict means."""
        self.diagnosis = f"{self.dosed_last} {_SUSPECTS[found]}?"

    def _b_given(self, volume_ul, values):
        rest_ul = self.owed_b_ul - volume_ul
        self.owed_b_ul = rest_ul if rest_ul >= smallest_ul(values) else 0


def smallest_ul(values):
    """Return the least volume of a dose."""
    return max(_SMALLEST_UL, values["doser.ul_per_s"] // _SMALLEST_PER_S)

"""State of the dosing loops between cycles: pending doses and the learned response."""

from idro.control import dose_response, dose_verification
from idro.control.dose_proof import DoseProof
from idro.control.dose_response import DoseResponse
from idro.control.dose_verification import DoseVerification
from idro.control.filters import Reading
from idro.control.mixing_time import MixingTime
from idro.protocol.reason import Reason

# A run shorter than 1/5 s delivers no defined volume.
_MIN_DOSE_UL = 50
_MIN_DOSES_PER_S = 5
_DAY_MS = 86_400_000
# Weight of the last fill in how far fills move pH, and the most that one is believed to move it.
_FILL_GAIN, _MOST_RISE = 0.3, 0.3

# Settings that declare a titration, and the doser whose strength is relative to it.
TITRATIONS = {
    "ph.down_ul_per_ph": "ph_down", "ph.up_ul_per_ph": "ph_up",
    "ec.ul_per_100_us_cm": "nutrient_b",
}


class LoopState:
    """State of one loop: doses to verify and to prove, dose response and mixing time.

    A reading that differs by more than `pour` from the last ones is of other water.
    """

    def __init__(self, dosers, thresholds, prior, pour):
        self.verification = DoseVerification(thresholds)
        self.proof = DoseProof(thresholds.noise)
        self.response = DoseResponse(dosers, prior)
        self.mixing = MixingTime(5 * prior.max_noise)
        self._dosers = dosers
        self.last_doser = dosers[0]
        self._pour = pour
        self._steady = None  # None: since then something else changed the water
        self._count = 0  # of the readings in it, 0 while a dose mixes
        self._dosed_sign = 0  # of a dose that mixes
        self._jumped_ms = None  # when the water last moved without a dose

    def steady(self, reading):
        """Return `reading` with the mean of the last ten or so mixed ones: a dose that starts when
        noise is at its worst seems to do more than it does."""
        mixed = self.mixed
        return reading if mixed is None or reading.value is None else Reading(mixed, None)

    @property
    def mixed(self):
        """The mean of steady(), None without a mixed reading."""
        return self._steady if self._count else None

    def invalidate(self):
        """Discard the effect of recent doses: something else changes the water."""
        self.verification.drop()
        self.proof.drop()
        self.response.invalidate()
        self.mixing.invalidate()
        self._steady = None
        self._count = self._dosed_sign = 0

    def doubt(self):
        """Invalidate, and trust nothing learned until it was measured again."""
        self.invalidate()
        self.response.doubt()

    def clear(self):
        """Discard all doses: the calibration changed."""
        self.invalidate()
        self.verification.forgive()
        self.proof.clear()

    def settle(self, value, now_ms):
        """Keep what was learned until the mixed `value`, before a dose of the other loop or a
        fill."""
        self.verification.settle(value, now_ms)
        self.response.update(value, now_ms)
        self.invalidate()

    def dosed(self, doser, value, level_mm, predicted, now_ms):
        """Record a dose at `value`; by the titration it moves it by `predicted`."""
        self.last_doser = doser
        self._dosed_sign = -1 if predicted < 0 else 1
        response = self.response
        response.dosed(doser, value, predicted, now_ms)
        expected = predicted * max(1.0, response.lower_bound(doser))
        self.verification.add(
            value, level_mm, expected, now_ms, response.undosed_drift_per_h(now_ms))
        self.proof.add(value, expected, now_ms)
        self.mixing.dosed(value)

    def measure(self, reading, water, now_ms, wait_ms):
        """Update steady() with a reading, in every cycle; return how far a pour has moved it.

        A pour moves mixed water by more than `pour`: such water is waited for. One found as a dose
        has mixed, against it, only teaches nothing: a swapped bottle must be judged in time.
        """
        value = reading.value
        if value is None:
            return 0.0
        if water.mixing_left_ms > 0:
            self._count = 0
            return 0.0
        moved, was_mixing = 0.0, not self._count
        if self._steady is not None:
            moved = value - self._steady
            if was_mixing:
                moved -= self.response.drift_per_h * wait_ms / 3_600_000
            if self._dosed_sign * moved > 0:
                moved = 0.0
        has_jumped = abs(moved) > self._pour
        if has_jumped or was_mixing:
            self._count, self._steady = 0, value
        self._count = min(10, self._count + 1)
        self._steady += (value - self._steady) / self._count
        self._dosed_sign = 0
        if not has_jumped:
            return 0.0
        if was_mixing:
            self.response.invalidate()
            self.mixing.invalidate()
        elif self.pour_left_ms(now_ms, 2 * wait_ms):
            return 0.0  # again and again it is the probe, not a pour
        else:
            self._jumped_ms = now_ms
        return moved

    def update(self, reading, water, now_ms, wait_ms):
        """Process a reading after measure(); return a verdict of DoseVerification or None."""
        if self.verification.watch(reading, water.level, now_ms, wait_ms):
            self.invalidate()
            return None
        if water.mixing_left_ms > 0 or reading.value is None:
            return None
        self.proof.measure(reading.value, self.response.undosed_drift_per_h(now_ms), now_ms)
        self.mixing.update(reading.value, now_ms, wait_ms, self.response.drift_per_h)
        self.response.update(reading.value, now_ms)
        is_watched = self.verification.watch_left_ms(now_ms)
        seen = self._steady if is_watched else reading.value
        failure = self.verification.verdict(seen, now_ms)
        if failure:
            self.verification.forgive()
            self.proof.clear()
        return failure

    def pour_left_ms(self, now_ms, wait_ms):
        """Return the ms until a pour has mixed: a jump of the value without a dose."""
        if self._jumped_ms is None:
            return 0
        return max(0, self._jumped_ms + wait_ms - now_ms)

    def learned(self):
        """Return the learned strengths and stretch as integers, in thousandths."""
        strengths = [int(1_000 * self.response.strength(name) + 0.5) for name in self._dosers]
        return strengths + [int(1_000 * self.mixing.stretch + 0.5)]

    def restore(self, learned):
        """Restore the result of learned() after a reset."""
        for index, name in enumerate(self._dosers):
            self.response.set_strength(name, learned[index] / 1_000)
        self.mixing.stretch = min(4.0, max(1.0, learned[len(self._dosers)] / 1_000))


class DosingState:
    """State of the dosing loops between cycles."""

    def __init__(self):
        self.pending_b_ul = 0  # nutrient B for the A that ended at a_ended_ms
        self.a_ended_ms = None
        self.abandoned_b_ul = 0  # nutrient B abandoned in this cycle
        self.in_air_ms = None
        self.diagnosis = None  # the Reason of the last verdict
        self.turn = ""  # whose turn it is while both are off, "ph" or "ec"
        self.fill_rise = 0.0  # of pH by a fill, from mixed water to mixed water
        self._before_fill = None
        self._excused_ms = None  # when poured nutrient last excused doses of pH
        self.in_band = {}  # code: (value, target, hold Decision)
        self.trial_ul = None  # if the last dose of pH was a trial
        self.correcting = None  # the doser of the last dose of pH
        self.ph = LoopState(("ph_down", "ph_up"), dose_verification.PH, dose_response.PH, 0.1)
        self.ec = LoopState(("nutrient_b",), dose_verification.EC, dose_response.EC, 100)

    def measure_fill(self, water, now_ms):
        """Keep what the doses did until a fill, and measure how far it moves pH. Call it in every
        cycle, before invalidate(), which forgets the mixed readings."""
        if water.is_filling:
            if self._before_fill is None:
                self._before_fill = self.ph.mixed
            ph = self.ph
            if ph.mixed is not None:
                ph.verification.drop_worked(ph.mixed, now_ms)
                ph.settle(ph.mixed, now_ms)
            if self.ec.mixed is not None:
                self.ec.settle(self.ec.mixed, now_ms)
        elif water.mixing_left_ms <= 0 and self._before_fill is not None:
            if water.ph.value is not None:
                rise = min(_MOST_RISE, max(-_MOST_RISE, water.ph.value - self._before_fill))
                self.fill_rise += _FILL_GAIN * (rise - self.fill_rise)
            self._before_fill = None

    def measure(self, water, now_ms, wait_ms):
        """Measure the mixed water in every cycle. Poured nutrient moves pH too, and excuses doses,
        but once a day: an EC probe that jumps must not hide a pump that fails."""
        self.ph.measure(water.ph, water, now_ms, wait_ms)
        poured = self.ec.measure(water.ec, water, now_ms, wait_ms) > 0
        if poured and not self.ph.verification.watch_left_ms(now_ms) and (
                self._excused_ms is None or now_ms - self._excused_ms > _DAY_MS):
            self._excused_ms = now_ms
            self.ph.invalidate()

    def invalidate(self):
        """Discard the effect of recent doses: something else changes the water."""
        self.ph.invalidate()
        self.ec.invalidate()

    def doubt(self):
        """Invalidate: other water came into the tank, or some of it left."""
        self._before_fill = None
        self.ph.doubt()
        self.ec.invalidate()

    def recalibrated(self):
        """Discard all doses: the calibration changed."""
        self._before_fill = None
        self.ph.clear()
        self.ec.clear()

    def has_worked(self, now_ms):
        """True if doses of either loop have had their effect within the last day."""
        for loop in (self.ph, self.ec):
            worked_ms = loop.proof.worked_ms
            if worked_ms is not None and now_ms - worked_ms < _DAY_MS:
                return True
        return False

    def titration_changed(self, keys):
        """Reset the strengths whose titration is among the changed settings `keys`."""
        for key in keys:
            doser = TITRATIONS.get(key)
            if doser is not None:
                loop = self.ec if doser == "nutrient_b" else self.ph
                loop.response.forget(doser)

    def set_strength(self, doser, strength_pct):
        """Take over the strength of acid or base in the steps of a correction, % of the titration.
        """
        self.ph.response.set_strength(doser, strength_pct / 100)
        self.ph.response.doubt()

    def learned(self):
        """Return the learned values as integers, to be stored across resets, the last one at once:
        the watch_state of both loops."""
        watches = self.ph.verification.watch_state + 4 * self.ec.verification.watch_state
        return self.ph.learned() + self.ec.learned() + [watches]

    def restore(self, learned, now_ms):
        """Restore the result of learned() after a reset."""
        self.ph.restore(learned[:3])
        self.ec.restore(learned[3:5])
        ph, ec = learned[5] & 3, learned[5] >> 2 & 3
        self.ph.verification.restore_watch(ph, now_ms)
        self.ec.verification.restore_watch(ec, now_ms)
        if ph == 3:
            self.ph.last_doser = "ph_up"

    def record_manual_dose(self, actuation, values, owes_b_ms=None):
        """Record a manual dose; `owes_b_ms` is when nutrient A ended if B must follow."""
        self.doubt()
        if actuation.actuator == "nutrient_b":
            self._settle_b(actuation.volume_ul, values)
        elif owes_b_ms is not None:
            self.pending_b_ul += actuation.volume_ul
            self.a_ended_ms = owes_b_ms

    def record_dose(self, actuation, water, values, now_ms):
        """Record a dose as delivered; `water` is from the time of the decision."""
        name = actuation.actuator
        volume_ul = actuation.volume_ul
        level_mm = water.level.value
        self._before_fill = None
        self.turn = "ec" if name.startswith("ph_") else "ph"
        if name == "nutrient_a":
            self._settle_ph(water, now_ms)  # nutrients change the pH too
            self.pending_b_ul = volume_ul
            self.a_ended_ms = now_ms
        elif name == "nutrient_b":
            self.ph.invalidate()
            self._settle_b(volume_ul, values)
            if water.ec.value is not None:
                rise = volume_ul * 100 / values["ec.ul_per_100_us_cm"]
                self.ec.dosed(name, water.ec.value, level_mm, rise, now_ms)
        elif water.ph.value is not None:
            if name == "ph_down":
                predicted = -volume_ul / values["ph.down_ul_per_ph"]
            else:
                predicted = volume_ul / values["ph.up_ul_per_ph"]
            self.correcting = name
            self.trial_ul = volume_ul if self.ph.response.trial(name) > 1.0 else None
            self.ph.dosed(name, water.ph.value, level_mm, predicted, now_ms)

    def _settle_ph(self, water, now_ms):
        if water.ph.value is None or water.mixing_left_ms > 0:
            self.ph.invalidate()
        else:
            self.ph.settle(water.ph.value, now_ms)

    def mixing_left_ms(self, water, values, now_ms):
        """Return the ms until the water has mixed, stretched by the measured mixing time."""
        wait_ms = values["mixing.wait_ms"]
        return max(
            self.ph.pour_left_ms(now_ms, wait_ms),
            self.ec.pour_left_ms(now_ms, wait_ms),
            self.ph.mixing.left_ms(now_ms, water.mixing_left_ms, wait_ms),
            self.ec.mixing.left_ms(now_ms, water.mixing_left_ms, wait_ms))

    def watch_left_ms(self, now_ms):
        """Return the ms without a dose until doses that seem to have had no effect are judged."""
        return max(
            self.ph.verification.watch_left_ms(now_ms), self.ec.verification.watch_left_ms(now_ms))

    def diagnose(self, failure, doser):
        """Set the diagnosis of a verdict."""
        is_wrong_way = failure == dose_verification.WRONG_WAY
        self.diagnosis = Reason(
            "doser_wrong_way" if is_wrong_way else "doser_no_effect", actuator=doser)

    def _settle_b(self, volume_ul, values):
        rest_ul = self.pending_b_ul - volume_ul
        self.pending_b_ul = rest_ul if rest_ul >= min_dose_ul(values) else 0


def min_dose_ul(values):
    """Return the minimum volume of a dose, ul."""
    return max(_MIN_DOSE_UL, values["doser.ul_per_s"] // _MIN_DOSES_PER_S)

"""One open correction of a fresh fill: doses a step at each press and records its progress.

A step of nutrient is a pair: B follows A by itself, with the same volume. Imported when the first
correction is requested.
"""

from idro.control.filters import milli
from idro.protocol.reason import Reason
from idro.safety.correction import MIN_STEP_UL, Correction
from idro.safety.ledger import LATCHES, WRONG_WAY
from idro.safety.limits import CORRECTION_STEP_ON_MS, SMALLEST_ON_MS, on_ms_for
from idro.safety.outputs import Refused

_PH, _EC = "reservoir.ph", "reservoir.ec_us_cm"
_A, _B = "nutrient_a", "nutrient_b"
_EVALUATE_EVERY_POLLS = 10
_STALE_MS = 60_000
_B_WITHIN_MS = 1_800_000  # of A; control gives it up then, too

# The titration of what a correction may dose.
_TITRATIONS = {
    "ph_down": "ph.down_ul_per_ph", "ph_up": "ph.up_ul_per_ph",
    "nutrient_a": "ec.ul_per_100_us_cm"}


def checked(context, doser, target, volume_ul, is_open, known_pct):
    """Return the Correction that was requested; `known_pct` is the strength of the doser in this
    water, % of the titration. Raises Refused."""
    if target is None or doser not in _TITRATIONS or doser not in context.outputs:
        raise Refused(Reason("not_correctable", actuator=doser))
    if is_open:
        raise Refused(Reason("correction_already"))
    latch_reason = context.gate.latch_reason
    if latch_reason:
        raise Refused(latch_reason)
    return Correction(
        doser, target, volume_ul, context.values[_TITRATIONS[doser]], context.clock.now_ms(),
        known_pct)


class CorrectionRun:
    """Polls the button and evaluates the water until the Correction has ended."""

    def __init__(self, context, correction, by, *, button, doses, dosing_cycle):
        """`by` requested it; the DosingCycle accounts for each step."""
        self._context = context
        self.correction = correction
        self._by = by
        self._button = button
        self._doses = doses
        self._dosing_cycle = dosing_cycle
        self._is_feeding = correction.doser == _A
        self._owed_b_ul = 0  # nutrient B for the A of the last step, which ended at _a_ended_ms
        self._a_ended_ms = None
        self._recorded = ("", None)  # the last recorded (state, Reason)
        self._polls = 0
        self.has_ended = False
        button.forget()
        self._record("opened", Reason("correction_volume", volume_ul=correction.left_ul), 0)

    def end(self, why):
        """End the correction, `why` is a Reason. A step that is running is not interrupted."""
        if not self.has_ended:
            self._record("ended", why, 0)
            self.has_ended = True

    def poll(self):
        """Poll the button; at a press and once a second evaluate everything else."""
        self._polls += 1
        is_pressed = self._button.was_pressed()
        if is_pressed or self._polls % _EVALUATE_EVERY_POLLS == 0:
            self._evaluate(is_pressed)

    def _evaluate(self, is_pressed):
        """End the correction, complete a pair or prepare a step."""
        latch_reason = self._context.gate.latch_reason
        now_ms = self._context.clock.now_ms()
        if latch_reason:
            self.end(latch_reason)
        elif self._doses.is_busy:
            return
        elif self._owed_b_ul:
            self._complete_pair(now_ms)
        else:
            self._next_step(is_pressed, now_ms)

    def _next_step(self, is_pressed, now_ms):
        """End the correction, or dose the next step if it is ready and the button was pressed."""
        context, correction = self._context, self.correction
        value, milli_ph, blind = self._read()
        if value is not None and correction.is_foreign(milli_ph):
            self._latch(WRONG_WAY)
            return
        mixing_ms = context.values["mixing.wait_ms"]
        if value is not None and not correction.is_near(value):
            mixing_ms = 0  # the gap between two runs of one pump still applies
        room_ul, why = self._room(correction.doser, mixing_ms)
        step_ul = 0
        if room_ul and value is not None:
            code = correction.verdict(value, now_ms)
            if code:
                self._latch(code)
                return
            step_ul = correction.step_ul(value, room_ul)
            if on_ms_for(step_ul, context.values["doser.ul_per_s"]) < SMALLEST_ON_MS:
                step_ul = 0
        correction.update_wait(step_ul > 0, now_ms)
        ended = correction.end_reason(value, now_ms)
        if ended is None and room_ul < MIN_STEP_UL and why.code == "correction_spent":
            ended = why
        if ended:
            self.end(ended)
        elif step_ul:
            self._offer(step_ul, mixing_ms, (value, milli_ph), is_pressed)
        elif not room_ul or value is None:
            self._record("held", blind if room_ul else why, 0)
        else:
            self.end(Reason("too_small"))

    def _offer(self, step_ul, mixing_ms, water, is_pressed):
        if is_pressed:
            self._give(self.correction.doser, step_ul, mixing_ms, water)
        else:
            self._record("ready", Reason("press_button"), step_ul)

    def _read(self):
        """Return (value, pH, Reason): the value is None without what the correction needs, for the
        Reason."""
        context = self._context
        ph = context.sampler.reading(_PH, _STALE_MS)
        if ph.value is None:
            return None, None, Reason("no_ph", fault=ph.fault)
        if _PH in context.sampler.need_calibration and not context.values["ph.calibrated_day"]:
            return None, None, Reason("no_ph", fault="uncalibrated")
        milli_ph = milli(ph.value)
        if not self._is_feeding:
            return milli_ph, None, None
        ec = context.sampler.reading(_EC, _STALE_MS)
        return ec.value, milli_ph, Reason("no_ec", fault=ec.fault)

    def _latch(self, code):
        self._context.gate.latch(code)
        self.end(Reason(LATCHES[code]))

    def _complete_pair(self, now_ms):
        """Give the nutrient B of the last step as soon as it may run."""
        room_ul, why = self._room(_B, 0)
        if now_ms - self._a_ended_ms > _B_WITHIN_MS:
            self.end(Reason("b_timeout"))  # control reports what is missing
        elif not room_ul:
            self._record("held", Reason("b_waits", why=why), 0)
        else:
            self._give(_B, min(room_ul, self._owed_b_ul), 0, None)

    def _room(self, doser, mixing_ms):
        context = self._context
        return context.gate.correction_headroom(doser, context.sampler.readings, mixing_ms)

    def _give(self, doser, volume_ul, mixing_ms, water):
        """`water` is (value, pH) before a step, None for nutrient B."""
        context, correction, cycle = self._context, self.correction, self._dosing_cycle
        origin = (Reason("correction_step"), self._by)

        def give():
            return context.gate.correct(
                doser, volume_ul, mixing_ms, origin, context.sampler.readings)

        def done(actuation, refusal):
            if actuation is None:
                if doser == _A:
                    cycle.owe_b(0)
                self._record("held", refusal, 0)
                return
            owes_b_ms = None
            if doser == _B:
                self._owed_b_ul = 0
            else:
                correction.record_step(
                    water[0], actuation.volume_ul, context.clock.now_ms(), water[1])
                if doser == _A:  # a late end may have given more than B may
                    self._owed_b_ul = min(volume_ul, actuation.volume_ul)
                    self._a_ended_ms = owes_b_ms = context.clock.now_ms()
            cycle.record_manual_dose(actuation, owes_b_ms)
            self._record("given", Reason("step_given", volume_ul=actuation.volume_ul), 0)

        self._doses.submit(doser, volume_ul, origin, done, (give, CORRECTION_STEP_ON_MS))
        if doser == _A:
            cycle.owe_b(volume_ul)

    def _record(self, state, reason, next_ul):
        """Record the progress when the state, or the reason apart from its numbers, changed."""
        if state == self._recorded[0] and reason.is_like(self._recorded[1]):
            return
        self._recorded = (state, reason)
        correction = self.correction
        self._context.events.record("correction", {
            "state": state, "actuator": correction.doser, "given_ul": correction.given_ul,
            "left_ul": correction.left_ul, "next_ul": next_ul,
            "target_us_cm" if self._is_feeding else "target_milli_ph": correction.target,
            "reason": reason, "by": self._by})

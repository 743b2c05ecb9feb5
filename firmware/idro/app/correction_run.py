"""One open correction of a fresh fill: doses a step at each press and records its progress.

A step of nutrient is a pair: B follows A by itself, with the same volume. Imported when the first
correction is requested.
"""

from idro.control.filters import milli
from idro.protocol.reason import Reason
from idro.safety.correction import Correction
from idro.safety.ledger import LATCHES
from idro.safety.limits import CORRECTION_STEP_ON_MS
from idro.safety.outputs import Refused

_PH, _EC = "reservoir.ph", "reservoir.ec_us_cm"
_A, _B = "nutrient_a", "nutrient_b"
_EVALUATE_EVERY_POLLS = 10
_STALE_MS = 60_000

# The titration of what a correction may dose.
_TITRATIONS = {
    "ph_down": "ph.down_ul_per_ph", "ph_up": "ph.up_ul_per_ph",
    "nutrient_a": "ec.ul_per_100_us_cm"}


def checked(context, doser, target, volume_ul, is_open):
    """Return the Correction that was requested. Raises Refused."""
    if target is None or doser not in _TITRATIONS or doser not in context.outputs:
        raise Refused(Reason("not_correctable", actuator=doser))
    if is_open:
        raise Refused(Reason("correction_already"))
    latch_reason = context.gate.latch_reason
    if latch_reason:
        raise Refused(latch_reason)
    return Correction(
        doser, target, volume_ul, context.values[_TITRATIONS[doser]], context.clock.now_ms())


class CorrectionRun:
    """Polls the button and evaluates the water until the Correction has ended."""

    def __init__(self, context, correction, by, *, button, doses, on_given):
        """`by` requested it; `on_given(actuation, owes_b_ms)` accounts for each step that was
        dosed, see DosingCycle.record_manual_dose."""
        self._context = context
        self._correction = correction
        self._by = by
        self._button = button
        self._doses = doses
        self._on_given = on_given
        self._is_feeding = correction.doser == _A
        self._owed_b_ul = 0  # nutrient B for the A of the last step
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
        """End the correction, or dose the next step if it is ready and the button was pressed."""
        context, correction = self._context, self._correction
        now_ms = context.clock.now_ms()
        if context.gate.latch_reason:
            self.end(context.gate.latch_reason)
            return
        if self._doses.is_busy:
            return
        if self._owed_b_ul:
            self._complete_pair(now_ms)
            return
        reading = context.sampler.reading(_EC if self._is_feeding else _PH, _STALE_MS)
        value = reading.value
        if value is not None and not self._is_feeding:
            value = milli(value)
        mixing_ms = context.values["mixing.wait_ms"]
        if value is not None and not correction.is_near(value):
            mixing_ms = 0  # the gap between two runs of one pump still applies
        room_ul, why = self._room(correction.doser, mixing_ms)
        step_ul = 0
        if room_ul and value is not None:
            code = correction.verdict(value)
            if code:
                context.gate.latch(code)
                self.end(Reason(LATCHES[code]))
                return
            step_ul = correction.step_ul(value, room_ul)
            if not step_ul:
                self.end(Reason("target_reached"))
                return
        correction.update_wait(step_ul > 0, now_ms)
        ended = correction.end_reason(value, now_ms)
        if ended:
            self.end(ended)
        elif not step_ul:
            no_value = Reason("no_ec" if self._is_feeding else "no_ph", fault=reading.fault)
            self._record("held", no_value if room_ul else why, 0)
        elif is_pressed:
            self._give(correction.doser, step_ul, mixing_ms, value)
        else:
            self._record("ready", Reason("press_button"), step_ul)

    def _complete_pair(self, now_ms):
        """Give the nutrient B of the last step as soon as it may run."""
        room_ul, why = self._room(_B, 0)
        if self._correction.is_too_long(now_ms):
            self.end(Reason("too_long"))
        elif room_ul < self._owed_b_ul:
            self._record("held", Reason("b_waits", why=why), 0)
        else:
            self._give(_B, self._owed_b_ul, 0, None)

    def _room(self, doser, mixing_ms):
        context = self._context
        return context.gate.correction_headroom(doser, context.sampler.readings, mixing_ms)

    def _give(self, doser, volume_ul, mixing_ms, value):
        context, correction = self._context, self._correction
        origin = (Reason("correction_step"), self._by)

        def give():
            return context.gate.correct(
                doser, volume_ul, mixing_ms, origin, context.sampler.readings)

        def done(actuation, refusal):
            if actuation is None:
                self._record("held", refusal, 0)
                return
            owes_b_ms = None
            if doser == _B:
                self._owed_b_ul = 0
            else:
                correction.record_step(value, actuation.volume_ul)
                if self._is_feeding:
                    self._owed_b_ul = actuation.volume_ul
                    owes_b_ms = context.clock.now_ms()
            self._on_given(actuation, owes_b_ms)
            self._record("given", Reason("step_given", volume_ul=actuation.volume_ul), 0)

        self._doses.submit(doser, volume_ul, origin, done, (give, CORRECTION_STEP_ON_MS))

    def _record(self, state, reason, next_ul):
        """Record the progress when the state, or the reason apart from its numbers, changed."""
        if state == self._recorded[0] and reason.is_like(self._recorded[1]):
            return
        self._recorded = (state, reason)
        correction = self._correction
        self._context.events.record("correction", {
            "state": state, "actuator": correction.doser, "given_ul": correction.given_ul,
            "left_ul": correction.left_ul, "next_ul": next_ul,
            "target_us_cm" if self._is_feeding else "target_milli_ph": correction.target,
            "reason": reason, "by": self._by})

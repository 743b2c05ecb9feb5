"""One open correction of a fresh fill: doses a step at each press and records its progress.

Imported when the first correction is requested.
"""

from idro.control.filters import milli
from idro.protocol.reason import Reason
from idro.safety.ledger import LATCHES
from idro.safety.limits import CORRECTION_STEP_ON_MS

_PH = "reservoir.ph"
_EVALUATE_EVERY_POLLS = 10
_STALE_MS = 60_000


class CorrectionRun:
    """Polls the button and evaluates the water until the Correction has ended."""

    def __init__(self, context, correction, by, *, button, doses, on_given):
        """`by` requested it; `on_given(actuation)` accounts for each step that was dosed."""
        self._context = context
        self._correction = correction
        self._by = by
        self._button = button
        self._doses = doses
        self._on_given = on_given
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
        ph = context.sampler.reading(_PH, _STALE_MS)
        milli_ph = None if ph.value is None else milli(ph.value)
        room_ul, why, mixing_ms = self._room(milli_ph)
        step_ul = 0
        if room_ul and milli_ph is not None:
            code = correction.verdict(milli_ph)
            if code:
                context.gate.latch(code)
                self.end(Reason(LATCHES[code]))
                return
            step_ul = correction.step_ul(milli_ph, room_ul)
            if not step_ul:
                self.end(Reason("target_reached"))
                return
        correction.update_wait(step_ul > 0, now_ms)
        ended = correction.end_reason(milli_ph, now_ms)
        if ended:
            self.end(ended)
        elif not step_ul:
            self._record("held", Reason("no_ph", fault=ph.fault) if room_ul else why, 0)
        elif is_pressed:
            self._give(step_ul, mixing_ms, milli_ph)
        else:
            self._record("ready", Reason("press_button"), step_ul)

    def _room(self, milli_ph):
        """Return (room_ul, why, mixing_ms) of the next step."""
        context, correction = self._context, self._correction
        mixing_ms = context.values["mixing.wait_ms"]
        if milli_ph is not None and not correction.is_near(milli_ph):
            mixing_ms = 0  # the gap between two runs of one pump still applies
        room_ul, why = context.gate.correction_headroom(
            correction.doser, context.sampler.readings, mixing_ms)
        return room_ul, why, mixing_ms

    def _give(self, volume_ul, mixing_ms, milli_ph):
        context, correction = self._context, self._correction
        origin = (Reason("correction_step"), self._by)

        def give():
            return context.gate.correct(
                correction.doser, volume_ul, mixing_ms, origin, context.sampler.readings)

        def done(actuation, refusal):
            if actuation is None:
                self._record("held", refusal, 0)
                return
            correction.record_step(milli_ph, actuation.volume_ul)
            self._on_given(actuation)
            self._record("given", Reason("step_given", volume_ul=actuation.volume_ul), 0)

        self._doses.submit(
            correction.doser, volume_ul, origin, done, (give, CORRECTION_STEP_ON_MS))

    def _record(self, state, reason, next_ul):
        """Record the progress when the state, or the reason apart from its numbers, changed."""
        if state == self._recorded[0] and reason.is_like(self._recorded[1]):
            return
        self._recorded = (state, reason)
        correction = self._correction
        self._context.events.record("correction", {
            "state": state, "actuator": correction.doser, "given_ul": correction.given_ul,
            "left_ul": correction.left_ul, "next_ul": next_ul,
            "target_milli_ph": correction.target_milli_ph, "reason": reason,
            "by": self._by})

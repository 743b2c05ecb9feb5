"""The dosing part of the control cycle: decides pH and EC doses and submits one at a time.

What it must know after a reset is saved at once: nutrient B that is owed, and that doses seem to
have no effect; what else doses taught about the water once an hour.
"""

from idro.control import calibration_age, dose_verification, dosing
from idro.control.dosing_state import DosingState
from idro.protocol.reason import Reason
from idro.protocol.types import hold
from idro.safety.ledger import NO_EFFECT, WRONG_WAY
from idro.safety.outputs import CONTROL

_PH, _EC = "reservoir.ph", "reservoir.ec_us_cm"
_LATCHES = {dose_verification.NO_EFFECT: NO_EFFECT, dose_verification.WRONG_WAY: WRONG_WAY}
_ADVICE = "advice"
_SAVE_LEARNED_MS = 3_600_000


class DosingCycle:
    """Decides doses from the readings. With `granted_pct` 0 it only advises."""

    def __init__(self, context, *, doses, persistent, granted_pct):
        self._context = context
        self._doses = doses
        self._persistent = persistent
        self.granted_pct = granted_pct
        self._state = DosingState()
        self._saved_owed_ul = 0
        self._learned_saved_ms = None
        self._saved_learned = persistent.learned()
        if self._saved_learned is None:
            self._saved_learned = tuple(self._state.learned())
        else:
            self._state.restore(self._saved_learned, context.clock.now_ms())
        self._restore_owed()

    @property
    def is_busy(self):
        """True while a dose is requested or running."""
        return self._doses.is_busy

    @property
    def has_worked(self):
        """True if doses have had their effect within the last day."""
        return self._state.has_worked(self._context.clock.now_ms())

    @property
    def watch_left_ms(self):
        """See DosingState.watch_left_ms(): a restart in that time locks dosing."""
        return self._state.watch_left_ms(self._context.clock.now_ms())

    def cycle(self, level, *, held, is_filling, fill_waits, unmixed_ms, stale_ms):
        """Decide once and submit at most one dose; not to be called while busy.

        `held` is the Decision that forbids all doses, or None; with `fill_waits` the last one is
        measured, but none is submitted, as a fill comes first; `unmixed_ms` the time until the
        last dose and the last fill have mixed.
        """
        context = self._context
        values, events, state = context.values, context.events, self._state
        if held is not None:
            events.record_decision("ec", held)
            events.record_decision("ph", held)
            self._save_learned()  # a calibration forgives
            return
        now_ms = context.clock.now_ms()
        reading = context.sampler.reading
        water = dosing.Water(
            reading(_PH, stale_ms), reading(_EC, stale_ms), level, is_filling, unmixed_ms)
        failed = dosing.verdict(state, water, values, now_ms)
        if failed:
            context.gate.latch(_LATCHES[failed])
            loop = "ph" if state.diagnosis.values["actuator"].startswith("ph") else "ec"
            events.record_decision(loop, hold(state.diagnosis))
        self._save_learned()  # after the latch: a reset in between latches again
        water = dosing.Water(
            state.ph.steady(water.ph), water.ec, level, is_filling or fill_waits, unmixed_ms)
        ec, ph = dosing.decide(water, values, state, now_ms, self._room)
        ph = calibration_age.ph_decision(
            ph, values["ph.calibrated_day"], context.clock.unix_ms(),
            _PH in context.sampler.need_calibration)
        if state.abandoned_b_ul:
            self._record_missed(state.abandoned_b_ul, Reason("b_timeout"))
            self._save_owed(0, is_given=True)
        if self.granted_pct == 0:
            ec, ph = _advice(ec), _advice(ph)
        events.record_decision("ec", ec)
        events.record_decision("ph", ph)
        decision = ec if ec.actuator else ph
        if decision.actuator is not None:
            self._submit(decision, water)

    def invalidate(self):
        """Judge no earlier dose: something else has changed the water or the probes."""
        self._state.invalidate()

    def doubt(self):
        """As invalidate; and what doses did may hold no longer: there is other water in the
        tank."""
        self._state.doubt()

    def record_manual_dose(self, actuation, owes_b_ms=None):
        """Account for a dose that a person requested: earlier doses can no longer be judged.

        `owes_b_ms` is when a step of nutrient A ended that B must follow, even if the correction
        ends.
        """
        self._state.record_manual_dose(actuation, self._context.values, owes_b_ms)
        self._save_owed(self._state.pending_b_ul, is_given=True)

    def set_strength(self, doser, strength_pct):
        """Dose by the strength that the mixed steps of a correction had, % of the titration."""
        self._state.set_strength(doser, strength_pct)

    def owe_b(self, volume_ul):
        """Save that nutrient A is about to run, and so B to be missed in a reset; 0: it did not
        run."""
        self._save_owed(self._state.pending_b_ul + volume_ul, is_given=not volume_ul)

    def settings_changed(self, changed, *, is_recalibrated):
        """Take in the changed settings; after a calibration the same water reads differently."""
        if is_recalibrated:
            self._state.recalibrated()
        self._state.titration_changed(changed)
        self._learned_saved_ms = None  # what was learned by the old ones is overwritten at once

    def _submit(self, decision, water):
        def done(actuation, refusal):
            if actuation is not None:
                context = self._context
                self._state.record_dose(actuation, water, context.values, context.clock.now_ms())
            self._save_owed(self._state.pending_b_ul, is_given=True)

        origin = (decision.reason, CONTROL)
        self._doses.submit(decision.actuator, decision.volume_ul, origin, done)
        if decision.actuator == "nutrient_a":
            self.owe_b(decision.volume_ul)

    def _room(self, actuator):
        by = CONTROL if self.granted_pct else _ADVICE
        return self._context.gate.headroom(actuator, self._context.sampler.readings, by)

    def _restore_owed(self):
        """Resume a nutrient pair that a reset has interrupted, or record what is missing.

        After a power cut it is only recorded: neither its length nor whether the water is still
        the same is known.
        """
        owed = self._persistent.pending_nutrient_b()
        if owed is None:
            return
        volume_ul, since_ms, is_given = owed
        self._saved_owed_ul = volume_ul
        if is_given and self._persistent.had_rtc:
            self._state.pending_b_ul = volume_ul
            self._state.a_ended_ms = self._context.clock.now_ms() - since_ms
            return
        self._record_missed(volume_ul, Reason("b_power_cut" if is_given else "b_reset"))
        self._save_owed(0, is_given=True)

    def _record_missed(self, volume_ul, why):
        reason = Reason("b_missing", why=why, volume_ul=volume_ul)
        detail = {"actuator": "nutrient_b", "reason": reason, "by": CONTROL}
        self._context.events.record("refused", detail)

    def _save_owed(self, volume_ul, *, is_given):
        if volume_ul == self._saved_owed_ul == 0:
            return
        self._saved_owed_ul = volume_ul
        try:
            self._persistent.save_pending_nutrient_b(volume_ul, is_given)
        except OSError as error:
            print("owed nutrient B not saved:", error)

    def _save_learned(self):
        """Save what doses taught when it changed: at most once an hour, but for the watches."""
        now_ms = self._context.clock.now_ms()
        saved_ms = self._learned_saved_ms
        learned = tuple(self._state.learned())
        is_early = saved_ms is not None and now_ms - saved_ms < _SAVE_LEARNED_MS
        if learned == self._saved_learned:
            return
        if is_early and learned[-1] == self._saved_learned[-1]:
            return
        self._learned_saved_ms = now_ms
        try:
            self._persistent.save_learned(learned)
            self._saved_learned = learned
        except OSError as error:
            print("learned dose response not saved:", error)


def _advice(decision):
    """Return the Decision to hold that only states what would have been dosed."""
    if decision.actuator is None:
        return decision
    return hold(Reason(
        "advice", actuator=decision.actuator, volume_ul=decision.volume_ul, why=decision.reason))

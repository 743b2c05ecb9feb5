"""The control cycle: readings in, decisions made, the gate asked, changes of mind told."""

from idro.control import (
    calibration_age,
    circulation,
    dose_verification,
    dosing,
    dosing_state,
    light,
    top_off,
)
from idro.control.plausibility import BY_HAND, DOSED, UNDISTURBED
from idro.control.water_balance import WaterBalance
from idro.protocol.types import hold
from idro.safety.ledger import NO_EFFECT, WRONG_WAY
from idro.safety.limits import IRRIGATION
from idro.safety.outputs import CONTROL, Refused

PH, EC, LEVEL = "reservoir.ph", "reservoir.ec_us_cm", "reservoir.level_mm"
_LATCHES = {dose_verification.NO_EFFECT: NO_EFFECT, dose_verification.WRONG_WAY: WRONG_WAY}
_ADVICE = "advice"
_STALE_MS = 60_000
_TELL_MS = 60_000
_NOTHING_TOLD = ("", ",", -_TELL_MS)
_KEEP_LEARNED_MS = 3_600_000


class ControlCycle:
    """All loops of one node, run once a cycle by the control task."""

    def __init__(self, node):
        """`node` gives clock, settings, sampler, gate, outputs, doses, overrides, record."""
        self._node = node
        self._memory = dosing_state.DosingState()
        self._progress = top_off.FillProgress()
        self._balance = WaterBalance()
        self._lit = light.LightHistory()
        self._fill_ended_ms = None
        self._was_filling = False
        self._held_until_ms = None
        self._climate = self._build_climate()
        self._reasons = {}  # loop: (stable part of the reason it told last, with a comma, when)
        self._kept_owed_ul = 0
        self._learned_kept_ms = None
        self._kept_learned = node.kept.learned()
        if self._kept_learned is None:
            self._kept_learned = tuple(self._memory.learned())
        else:
            self._memory.restore(self._kept_learned)
        self._take_up_owed()
        self.irrigating = None
        if IRRIGATION in node.outputs:
            from idro.app.irrigation_task import IrrigationTask

            self.irrigating = IrrigationTask(node, self._tell, self._switch)

    @property
    def moved_by(self):
        """What may move the water or the probes now: CALM, DOSED or BY_HAND of plausibility."""
        node = self._node
        if self.held_ms or node.correction.is_open:
            return BY_HAND
        return DOSED if self._unmixed_ms() > 0 or node.gate.dosing is not None else UNDISTURBED

    @property
    def held_ms(self):
        """The ms that automatic dosing and filling are still kept off, 0 where they are not."""
        if self._held_until_ms is None:
            return 0
        left_ms = self._held_until_ms - self._node.clock.now_ms()
        if left_ms <= 0:
            self._held_until_ms = None
        return max(0, left_ms)

    @property
    def water_moves(self):
        """True while the level moves by itself: a leak, or a valve that does not shut."""
        return bool(self._balance.state)

    def pause_automation(self, for_ms):
        """Keep automatic dosing and filling off for so long from now, 0: no longer.

        No reset survives it, and it ends by itself.
        """
        self._held_until_ms = self._node.clock.now_ms() + for_ms if for_ms else None

    def cycle(self):
        """Decide and ask the gate, once. Never waits: a dose runs in its own task."""
        node = self._node
        values = node.settings.values
        now_ms = node.clock.now_ms()
        stale_ms = max(_STALE_MS, 3 * values["sample.every_ms"])
        level = node.sampler.reading(LEVEL, stale_ms)
        self._watch_water(level, values, now_ms)
        if circulation.ACTUATOR in node.outputs:
            self._circulate(level, values, now_ms)
        if self.irrigating is not None:
            self.irrigating.cycle(level)
        if light.ACTUATOR in node.outputs:
            self._light(values)
        if top_off.ACTUATOR in node.outputs:
            self._top_off(level, values, now_ms)
        if self._climate is not None:
            self._climate.cycle(values, now_ms, stale_ms)
        self._dose(level, values, now_ms, stale_ms)

    def apply_override(self, name):
        """Do at once what a person wishes of `name`; returns why the gate refused, or None."""
        if self._node.outputs[name].kind == "dimmer":
            return self._light(self._node.settings.values)
        return self._switch(name, hold("by hand"))

    def dosed_by_hand(self, actuation):
        """A person's dose was given: what the loops' own doses did cannot be told any more."""
        self._memory.record_manual_dose(actuation, self._node.settings.values)
        self._keep_owed(self._memory.pending_b_ul, is_given=True)

    def settings_changed(self, changed):
        """Settings changed: after a calibration the same water reads otherwise."""
        if any(key in dosing.CALIBRATIONS for key in changed):
            self._node.sampler.recalibrated()
            self._memory.recalibrated()
            self._balance.clear()
        self._memory.titration_changed(changed)

    def _build_climate(self):
        """Return the Climate, None where the board has no output for it."""
        outputs = self._node.outputs
        if not ("fan" in outputs or "heater" in outputs or "humidifier" in outputs):
            return None
        from idro.app.climate_task import ClimateTask

        return ClimateTask(self._node, self._tell, self._switch)

    def _watch_water(self, level, values, now_ms):
        if self.held_ms:
            self._balance.clear()
            return
        balance = self._balance
        if self._away():
            balance.skip(now_ms)
            return
        outputs_on = (self._is_on(top_off.ACTUATOR), self._is_on(circulation.ACTUATOR))
        if balance.update(level, outputs_on, values, now_ms):
            detail = {"state": balance.state or "steady", "moved_mm": balance.moved_mm}
            self._node.record("water", detail)

    def _away(self):
        """True while irrigation has water of the tank elsewhere."""
        return self.irrigating is not None and self.irrigating.is_water_out

    def _is_on(self, name):
        output = self._node.outputs.get(name)
        return output is not None and output.driver.is_on

    def _circulate(self, level, values, now_ms):
        name = circulation.ACTUATOR
        is_on = self._node.outputs[name].driver.is_on
        decision = circulation.decide(level, values, now_ms, is_on)
        self._tell(name, decision)
        self._switch(name, decision)

    def _top_off(self, level, values, now_ms):
        name = top_off.ACTUATOR
        decision = self._held()
        if decision is None:
            decision = self._balance.filling_hold()
        if decision is not None:
            self._progress.cancel()
        elif self._away():
            self._progress.pause(now_ms)
            decision = hold("held: water is in the beds")
        else:
            decision = top_off.decide(level, values, self._progress, now_ms)
        self._tell(name, decision)
        self._switch(name, decision)
        is_filling = self._node.outputs[name].driver.is_on
        if is_filling or self._was_filling:
            self._fill_ended_ms = now_ms
        self._was_filling = is_filling

    def _switch(self, name, decision):
        """Lease a switch as decided, or as a person wishes, or end its run.

        Returns why the gate refused, or None.
        """
        node = self._node
        for_ms, reason, by = decision.on_ms, decision.reason, CONTROL
        wish = node.overrides.of(name)
        if wish is not None:
            for_ms = wish[0] if wish[1] else None
            reason, by = "by hand", wish[2]
        try:
            if for_ms is None:
                node.gate.end(name, reason)
            else:
                node.gate.run(name, for_ms, reason, by, node.sampler.readings)
        except Refused as refused:
            return refused.reason  # the gate has told, and left the output off
        return None

    def _light(self, values):
        """Lease the light as its program or a person wishes. Returns why refused, or None."""
        node = self._node
        second_of_day = node.clock.second_of_day(values["clock.utc_offset_min"])
        now_ms = node.clock.now_ms()
        self._lit.update(node.outputs[light.ACTUATOR].driver.is_on, now_ms)
        decision = light.limit(light.decide(second_of_day, values), self._lit, values, now_ms)
        self._tell(light.ACTUATOR, decision)
        duty_pct, for_ms = decision.duty_pct, decision.on_ms
        wish = node.overrides.of(light.ACTUATOR)
        if wish is not None:
            # Past its end by two cycles, so that the program takes over without a dark moment.
            for_ms, duty_pct = min(for_ms, wish[0] + 2 * values["sample.every_ms"]), wish[1]
        try:
            node.gate.set_duty(light.ACTUATOR, duty_pct, for_ms, CONTROL)
        except Refused as refused:
            return refused.reason
        return None

    def _dose(self, level, values, now_ms, stale_ms):
        node = self._node
        sampler = node.sampler
        water = dosing.Water(
            sampler.reading(PH, stale_ms), sampler.reading(EC, stale_ms), level,
            self._was_filling, self._unmixed_ms(),
        )
        if node.doses.is_busy:
            return
        held = self._dosing_held()
        if held is not None:
            self._tell("ec", held)
            self._tell("ph", held)
            return
        failed = dosing.verdict(self._memory, water, values, now_ms)
        if failed:
            node.gate.latch(_LATCHES[failed])
            loop = "ph" if self._memory.last_doser.startswith("ph") else "ec"
            self._tell(loop, hold(f"locked: {self._memory.diagnosis}"))
        ec, ph = dosing.decide(water, values, self._memory, now_ms, self._room)
        ph = calibration_age.ph_decision(ph, values["ph.calibrated_day"], node.clock.unix_ms())
        if self._memory.abandoned_b_ul:
            volume_ul = self._memory.abandoned_b_ul
            self._tell_missed(volume_ul, "nutrient B could not follow nutrient A")
            self._keep_owed(0, is_given=True)
        if node.granted_pct == 0:
            ec, ph = _advice(ec), _advice(ph)
        self._tell("ec", ec)
        self._tell("ph", ph)
        decision = ec if ec.actuator else ph
        if decision.actuator is None or node.granted_pct == 0:
            return

        def done(actuation, refusal):
            if actuation is not None:
                self._memory.record_dose(actuation, water, values, node.clock.now_ms())
                self._keep_learned()
            self._keep_owed(self._memory.pending_b_ul, is_given=True)

        told = (decision.reason, CONTROL)
        node.doses.submit(decision.actuator, decision.volume_ul, told, done)
        if decision.actuator == "nutrient_a":
            self._keep_owed(decision.volume_ul, is_given=False)

    def _dosing_held(self):
        """Return why nothing is dosed whatever the water reads, or None."""
        if self._node.correction.is_open:
            return hold("held: a correction is under way")
        held = self._held()
        if held is None:
            held = self._balance.dosing_hold()
            if held is not None:
                self._memory.invalidate()
        if held is None and self._away():
            held = hold("held: water is in the beds")
        return held

    def _held(self):
        """Return why nothing is dosed or filled while a person calibrates, or None."""
        left_ms = self.held_ms
        if not left_ms:
            return None
        self._memory.invalidate()
        return hold(f"held: calibration, {-(-left_ms // 60_000)} min left")

    def _take_up_owed(self):
        """Go on with a pair of nutrients that a reset has parted, or tell what is missing.

        After a power cut it is only told: how long it was, and whether this is still the same
        water, is not known.
        """
        node = self._node
        owed = node.kept.owed_b()
        if owed is None:
            return
        volume_ul, since_ms, is_given = owed
        self._kept_owed_ul = volume_ul
        if is_given and node.kept.had_rtc:
            self._memory.pending_b_ul = volume_ul
            self._memory.a_ended_ms = node.clock.now_ms() - since_ms
            return
        if is_given:
            self._tell_missed(volume_ul, "the power went between nutrient A and nutrient B")
        else:
            self._tell_missed(volume_ul, "the board was reset while nutrient A was given")
        self._keep_owed(0, is_given=True)

    def _keep_learned(self):
        """Keep what was learned over resets: at most once an hour, and only what changed."""
        node = self._node
        now_ms = node.clock.now_ms()
        kept_ms = self._learned_kept_ms
        learned = tuple(self._memory.learned())
        is_early = kept_ms is not None and now_ms - kept_ms < _KEEP_LEARNED_MS
        if is_early or learned == self._kept_learned:
            return
        self._kept_learned, self._learned_kept_ms = learned, now_ms
        try:
            node.kept.keep_learned(learned)
        except OSError as error:
            print("what was learned cannot be kept:", error)

    def _tell_missed(self, volume_ul, why):
        reason = f"{why}: up to {volume_ul / 1_000:.1f} ml of B are missing"
        detail = {"actuator": "nutrient_b", "reason": reason, "by": CONTROL}
        self._node.record("refused", detail)

    def _keep_owed(self, volume_ul, *, is_given):
        """Keep what is owed over resets, when it changes."""
        if volume_ul == self._kept_owed_ul == 0:
            return
        self._kept_owed_ul = volume_ul
        try:
            self._node.kept.save_pending_nutrient_b(volume_ul, is_given)
        except OSError as error:
            print("nutrient B that is owed cannot be kept:", error)

    def _room(self, actuator):
        node = self._node
        by = CONTROL if node.granted_pct else _ADVICE
        return node.gate.headroom(actuator, node.sampler.readings, by)

    def _unmixed_ms(self):
        """Return the ms until the last dose and the last fill have mixed."""
        node = self._node
        wait_ms = node.settings.values["mixing.wait_ms"]
        mixing_left_ms = node.gate.mixing_left_ms()
        if self._fill_ended_ms is not None:
            since_ms = node.clock.now_ms() - self._fill_ended_ms
            mixing_left_ms = max(mixing_left_ms, wait_ms - since_ms)
        return max(0, mixing_left_ms)

    def _tell(self, loop, decision):
        """Record a change of mind: what differs up to the first comma of the reason.

        A loop that wavers is told once a minute; what it does is always told.
        """
        reason = decision.reason
        told, told_before, told_ms = self._reasons.get(loop, _NOTHING_TOLD)
        if reason == told or reason.startswith(told_before):
            return
        now_ms = self._node.clock.now_ms()
        if decision.actuator is None and now_ms - told_ms < _TELL_MS:
            return
        stable = reason.split(",", 1)[0]
        self._reasons[loop] = (stable, stable + ",", now_ms)
        self._node.record("decided", {"loop": loop, "reason": reason[:200]})


def _advice(decision):
    """Return the Decision that only says what would have been given."""
    if decision.actuator is None:
        return decision
    volume_ml = decision.volume_ul / 1_000
    return hold(f"advice: give {volume_ml:.1f} ml of {decision.actuator}, {decision.reason}")

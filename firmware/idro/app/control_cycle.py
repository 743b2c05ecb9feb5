"""The control cycle: evaluates the readings once per sampling cycle and asks the safety gate."""

from collections import namedtuple

from idro.control import circulation, dosing, light, top_off
from idro.control.plausibility import BY_HAND, CALIBRATING, DOSED, UNDISTURBED
from idro.control.water_balance import WaterBalance
from idro.protocol.reason import Reason
from idro.protocol.types import hold
from idro.safety.limits import IRRIGATION
from idro.safety.outputs import CONTROL, Refused

_LEVEL = "reservoir.level_mm"
_STALE_MS = 60_000
_BEDS_WET = hold(Reason("beds_wet"))
_CORRECTION_OPEN = hold(Reason("correction_open"))

# What the parts of the control cycle share. `values` is the dict of the active settings; only
# `gate` switches `outputs` ({name: Output}); `events` is the EventLog.
ControlContext = namedtuple(
    "ControlContext", ("clock", "values", "sampler", "gate", "outputs", "events"))


class ControlCycle:
    """All control loops of the board, run once a cycle by the control task."""

    def __init__(self, context, *, overrides, dosing_cycle, correction, beat):
        """`beat` is the supervisor's: irrigation runs in a task of its own, `irrigation`."""
        self._context = context
        self._overrides = overrides
        self._dosing = dosing_cycle
        self._correction = correction
        self._fill = top_off.FillProgress()
        self._balance = WaterBalance()
        self._light_history = light.LightHistory()
        self._fill_ended_ms = self._wanted_ms = None
        self._was_filling = self._was_unmixed = self._fill_waits = False
        self._paused_until_ms = None
        self._was_paused = False
        self._climate = self.irrigation = None
        outputs = context.outputs
        if "fan" in outputs or "heater" in outputs or "humidifier" in outputs:
            from idro.app.climate_task import ClimateTask

            self._climate = ClimateTask(context, overrides.lease)
        if IRRIGATION in outputs:
            from idro.app.irrigation_task import IrrigationTask

            self.irrigation = IrrigationTask(context, overrides, beat)

    @property
    def moved_by(self):
        """What may move water or probes now: UNDISTURBED to CALIBRATING of plausibility."""
        if self.pause_left_ms:
            return CALIBRATING
        if self._correction.is_open:
            return BY_HAND
        is_dosing = self._context.gate.dosing is not None
        return DOSED if is_dosing or self._unmixed_ms() > 0 else UNDISTURBED

    @property
    def pause_left_ms(self):
        """The ms until automatic dosing and filling resume, 0 if they are not paused."""
        if self._paused_until_ms is None:
            return 0
        left_ms = self._paused_until_ms - self._context.clock.now_ms()
        if left_ms <= 0:
            self._paused_until_ms = None
        return max(0, left_ms)

    def pause_automation(self, for_ms):
        """Pause automatic dosing and filling for for_ms; 0 resumes them. A reset resumes too."""
        self._paused_until_ms = self._context.clock.now_ms() + for_ms if for_ms else None

    def restart_obstacle(self):
        """Return the Reason why the board must not restart now, or None."""
        if self._context.gate.dosing is not None or self._dosing.is_busy:
            return Reason("dose_running")
        if self._correction.is_open:
            return Reason("correction_first")
        if self.pause_left_ms:
            return Reason("calibrating")
        if self._balance.state:
            return Reason("water_unsteady")
        if self._dosing.watch_left_ms:
            return Reason("effect_watched", left_ms=self._dosing.watch_left_ms)
        return None

    def cycle(self):
        """Decide and ask the gate, once. Never waits: a dose runs in its own task."""
        context = self._context
        values, outputs = context.values, context.outputs
        now_ms = context.clock.now_ms()
        if self._was_paused and not self.pause_left_ms:
            context.gate.disarm()
        self._was_paused = self.pause_left_ms > 0
        stale_ms = max(_STALE_MS, 3 * values["sample.every_ms"])
        level = context.sampler.reading(_LEVEL, stale_ms)
        self._watch_water(level, values, now_ms)
        if circulation.ACTUATOR in outputs:
            is_on = outputs[circulation.ACTUATOR].driver.is_on
            self._apply(circulation.ACTUATOR, circulation.decide(level, values, now_ms, is_on))
        if self.irrigation is not None:
            self.irrigation.cycle(level)
        if light.ACTUATOR in outputs:
            self._light(values)
        if top_off.ACTUATOR in outputs:
            self._top_off(level, values, now_ms)
        if self._climate is not None:
            self._climate.cycle(values, now_ms, stale_ms)
        if not self._dosing.is_busy:
            self._dosing.cycle(
                level, held=self._dosing_held(), is_filling=self._was_filling,
                fill_waits=self._fill_waits, unmixed_ms=self._unmixed_ms(), stale_ms=stale_ms)

    def apply_override(self, name):
        """Apply the override of `name` at once; returns the Reason why refused, or None."""
        if self._context.outputs[name].kind == "dimmer":
            return self._light(self._context.values)
        return self._overrides.lease(name, hold(Reason("by_hand")))

    def settings_changed(self, changed):
        """Take in changed settings: after a calibration the same water reads differently."""
        is_recalibrated = any(key in dosing.CALIBRATIONS for key in changed)
        if is_recalibrated:
            self._context.sampler.recalibrated()
            self._context.gate.disarm()
            self._balance.clear()
        self._dosing.settings_changed(changed, is_recalibrated=is_recalibrated)

    def _apply(self, name, decision):
        self._context.events.record_decision(name, decision)
        self._overrides.lease(name, decision)

    def _watch_water(self, level, values, now_ms):
        balance = self._balance
        if self.pause_left_ms:
            balance.clear()
        elif self._is_away():
            balance.skip(now_ms)
        else:
            outputs_on = (self._is_on(top_off.ACTUATOR), self._is_on(circulation.ACTUATOR))
            if balance.update(level, outputs_on, values, now_ms):
                detail = {"state": balance.state or "steady", "moved_mm": balance.moved_mm}
                self._context.events.record("water", detail)

    def _is_away(self):
        """True while irrigation holds water of the tank in the beds."""
        return self.irrigation is not None and self.irrigation.is_water_out

    def _is_on(self, name):
        output = self._context.outputs.get(name)
        return output is not None and output.driver.is_on

    def _top_off(self, level, values, now_ms):
        name, unmixed_ms = top_off.ACTUATOR, self._context.gate.mixing_left_ms()
        was_unmixed, self._was_unmixed = self._was_unmixed, unmixed_ms > 0
        self._fill_waits = False
        decision = self._calibration_hold() or self._balance.filling_hold()
        if decision is None and self._is_shut(level, values):
            decision = _CORRECTION_OPEN
        if decision is not None:
            self._fill.cancel()
        elif self._is_away():
            self._fill.pause(now_ms)
            decision = _BEDS_WET
        else:
            newest = self._context.sampler.readings.get(_LEVEL)
            newest_mm = newest.value if newest else None  # a fault: the median decides
            decision = top_off.decide(level, values, self._fill, now_ms, newest_mm or 0)
            # Until the cycle after it has mixed, in which what the dose did is measured.
            is_wanted = decision.actuator and not self._was_filling
            if not is_wanted or self._wanted_ms is None:
                self._wanted_ms = now_ms if is_wanted else None
            waits = is_wanted and now_ms - self._wanted_ms <= values["mixing.wait_ms"]
            if waits and (unmixed_ms or was_unmixed):
                self._fill.pause(now_ms)
                self._fill_waits = not unmixed_ms
                decision = hold(Reason("mixing", left_ms=unmixed_ms))
        self._apply(name, decision)
        is_filling = self._is_on(name)
        if is_filling or self._was_filling:
            self._fill_ended_ms = now_ms
        self._was_filling = is_filling

    def _is_shut(self, level, values):
        """True while a correction keeps the tap shut, unless a tenth of the water is missing."""
        is_full = level.value is not None and level.value >= 0.9 * values["level.target_mm"]
        return self._correction.is_open and is_full and not self._was_filling

    def _light(self, values):
        """Lease the light by its override or its program. Returns the Reason why refused, or
        None."""
        context = self._context
        second_of_day = context.clock.second_of_day(values["clock.utc_offset_min"])
        now_ms = context.clock.now_ms()
        self._light_history.update(self._is_on(light.ACTUATOR), now_ms)
        decision = light.limit(
            light.decide(second_of_day, values), self._light_history, values, now_ms)
        context.events.record_decision(light.ACTUATOR, decision)
        duty_pct, for_ms = decision.duty_pct, decision.on_ms
        override = self._overrides.of(light.ACTUATOR)
        if override is not None:
            # Two cycles past its end, so that the program takes over without a dark moment.
            for_ms = min(for_ms, override[0] + 2 * values["sample.every_ms"])
            duty_pct = override[1]
        try:
            context.gate.set_duty(light.ACTUATOR, duty_pct, for_ms, CONTROL)
        except Refused as refused:
            return refused.reason
        return None

    def _dosing_held(self):
        """Return the Decision that forbids every dose, or None."""
        if self._correction.is_open:
            return _CORRECTION_OPEN
        held = self._calibration_hold()
        if held is None:
            held = self._balance.dosing_hold()
            if held is not None:
                self._dosing.doubt()
        if held is None and self._is_away():
            held = _BEDS_WET
        return held

    def _calibration_hold(self):
        """Return the Decision to hold while automation is paused for a calibration, or None."""
        left_ms = self.pause_left_ms
        if not left_ms:
            return None
        self._dosing.invalidate()
        return hold(Reason("calibration", left_ms=left_ms))

    def _unmixed_ms(self):
        """Return the ms until the last dose and the last fill have mixed."""
        context = self._context
        unmixed_ms = context.gate.mixing_left_ms()
        if self._fill_ended_ms is not None:
            since_ms = context.clock.now_ms() - self._fill_ended_ms
            unmixed_ms = max(unmixed_ms, context.values["mixing.wait_ms"] - since_ms)
        return max(0, unmixed_ms)

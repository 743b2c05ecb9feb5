"""Runs the verbs of commands that a person sends: dose, run, hold, correct, stop, resume."""

from idro.protocol.reason import Reason
from idro.safety.outputs import Refused


class CommandActions:
    """One method a verb: method(args, by, answer) as CommandHandler calls it. Raises Refused."""

    def __init__(self, context, *, doses, dosing_cycle, control, correction, overrides):
        self._outputs = context.outputs
        self._doses = doses
        self._dosing = dosing_cycle
        self._control = control
        self._correction = correction
        self._overrides = overrides

    def by_verb(self):
        """Return {verb: method}."""
        return {
            "dose": self._dose, "run": self._run, "hold": self._hold, "correct": self._correct,
            "end_correction": self._end_correction}

    def _dose(self, args, by, answer):
        def done(actuation, refusal):
            if refusal is not None:
                answer("refused", refusal)
            else:
                self._dosing.record_manual_dose(actuation)
                answer("done", Reason(
                    "dose_given", actuator=actuation.actuator, volume_ul=actuation.volume_ul))

        origin = (Reason("by_hand"), by)
        self._doses.submit(args["actuator"], args["volume_ul"], origin, done)

    def _run(self, args, by, answer):
        name, for_ms = args["actuator"], args["for_ms"]
        output = self._outputs.get(name)
        if output is None:
            raise Refused(Reason("no_output", actuator=name))
        if output.kind == "doser":
            raise Refused(Reason("not_a_run", actuator=name))
        duty_pct = args.get("duty_pct", 100)
        self._overrides.set(name, for_ms, duty_pct, by)
        refusal = self._control.apply_override(name)
        if refusal is None:
            answer("done", Reason(
                "run_begun", actuator=name, duty_pct=duty_pct, for_ms=for_ms))
        else:
            self._overrides.clear(name)
            answer("refused", refusal)

    def _hold(self, args, by, answer):
        for_ms = args["for_ms"]
        if for_ms and self._correction.is_open:
            raise Refused(Reason("correction_first"))
        self._control.pause_automation(for_ms)
        answer("done", Reason("hold_begun", for_ms=for_ms) if for_ms else Reason("hold_over"))

    def _correct(self, args, by, answer):
        if self._control.pause_left_ms:
            raise Refused(Reason("calibrating"))
        doser = args["actuator"]
        target = args.get("target_us_cm" if doser == "nutrient_a" else "target_milli_ph")
        self._correction.begin(doser, target, args["volume_ul"], by)
        answer("done", Reason("correction_opened"))

    def _end_correction(self, args, by, answer):
        was_open = self._correction.is_open
        self._correction.end(Reason("ended_by", by=by))
        answer("done", Reason("correction_over" if was_open else "no_correction"))

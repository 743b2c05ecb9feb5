"""One open correction of a fresh fill: waits for the button, gives a step, tells how far it is.

Loaded when somebody asks for the first one, and never on a node that nobody refills.
"""

from idro.control.filters import milli
from idro.safety.correction import Correction
from idro.safety.ledger import LATCHES
from idro.safety.limits import CORRECTION_STEP_ON_MS

_PH = "reservoir.ph"
_UL_PER_PH = {"ph_down": "ph.down_ul_per_ph", "ph_up": "ph.up_ul_per_ph"}
_JUDGE_EVERY_LOOKS = 10
_STALE_MS = 60_000


class CorrectionRun:
    """Looks at the button and at the water until it has ended."""

    def __init__(self, node, button, wanted, by):
        """`node` gives clock, settings, sampler, gate, doses, loops, record; `wanted` is (doser,
        target_milli_ph, volume_ul)."""
        self._node = node
        self._button = button
        self._by = by
        self._told = None
        self._looks = 0
        doser, target_milli_ph, volume_ul = wanted
        ul_per_ph = node.settings.values[_UL_PER_PH[doser]]
        self._correction = Correction(
            doser, target_milli_ph, volume_ul, ul_per_ph, node.clock.now_ms()
        )
        self.has_ended = False
        button.forget()
        self._tell("opened", f"at most {volume_ul / 1_000:.1f} ml", 0)

    def end(self, why):
        """Close it; a step under way is ended by whoever stops it."""
        if not self.has_ended:
            self._tell("ended", why, 0)
            self.has_ended = True

    def look(self):
        """Look at the button, and once a second or at a press at everything else."""
        self._looks += 1
        is_pressed = self._button.was_pressed()
        if is_pressed or self._looks % _JUDGE_EVERY_LOOKS == 0:
            self._judge(is_pressed)

    def _judge(self, is_pressed):
        """Look where the correction stands; give the next step when it is ready and released."""
        node = self._node
        now_ms = node.clock.now_ms()
        if node.gate.latch_reason:
            self.end(node.gate.latch_reason)
            return
        if node.doses.is_busy:
            return
        correction = self._correction
        ph = node.sampler.reading(_PH, _STALE_MS)
        milli_ph = None if ph.value is None else milli(ph.value)
        room_ul, why, mixing_ms = self._room(milli_ph)
        step_ul = 0
        if room_ul and milli_ph is not None:
            code = correction.verdict(milli_ph)
            if code:
                node.gate.latch(code)
                self.end(LATCHES[code])
                return
            step_ul = correction.step_ul(milli_ph, room_ul)
            if not step_ul:
                self.end("the target is reached")
                return
        correction.update_wait(step_ul > 0, now_ms)
        ended = correction.end_reason(milli_ph, now_ms)
        if ended:
            self.end(ended)
        elif not step_ul:
            self._tell("held", why or "no pH", 0)
        elif is_pressed:
            self._give(step_ul, mixing_ms, milli_ph)
        else:
            self._tell("ready", "press the button on the board", step_ul)

    def _room(self, milli_ph):
        """Return (room_ul, why, mixing_ms) of the next step."""
        node = self._node
        values = node.settings.values
        mixing_ms = values["mixing.wait_ms"]
        correction = self._correction
        if milli_ph is not None and not correction.is_near(milli_ph):
            mixing_ms = 0  # the gap between two runs of one pump still holds
        room_ul, why = node.gate.correction_headroom(
            correction.doser, node.sampler.readings, mixing_ms
        )
        return room_ul, why, mixing_ms

    def _give(self, volume_ul, mixing_ms, milli_ph):
        node = self._node
        correction = self._correction
        told = ("correction, released at the board", self._by)

        def give():
            return node.gate.correct(
                correction.doser, volume_ul, mixing_ms, told, node.sampler.readings
            )

        def done(actuation, refusal):
            if actuation is None:
                self._tell("held", refusal, 0)
                return
            correction.record_step(milli_ph, actuation.volume_ul)
            node.loops.dosed_by_hand(actuation)
            self._tell("given", f"{actuation.volume_ul / 1_000:.1f} ml", 0)

        node.doses.submit(
            correction.doser, volume_ul, told, done, (give, CORRECTION_STEP_ON_MS)
        )

    def _tell(self, state, reason, next_ul):
        """Record where it stands, once for each change up to the first comma of the reason."""
        stable = (state, reason.split(",", 1)[0])
        if stable == self._told:
            return
        self._told = stable
        correction = self._correction
        self._node.record("correction", {
            "state": state, "actuator": correction.doser, "given_ul": correction.given_ul,
            "left_ul": correction.left_ul, "next_ul": next_ul,
            "target_milli_ph": correction.target_milli_ph, "reason": reason[:200], "by": self._by,
        })

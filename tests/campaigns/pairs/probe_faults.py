"""How one of two pH probes goes wrong: changes of the voltage of its electrode over time.

Sizes and speeds are drawn so that every fault would sooner or later lie by more than the bound of
a pair, if the water moves. The values are the judgement of an engineer, not measurements.
"""

import math

STEP_S = 30.0
MV_PER_PH = 58.2
BROKEN_MV = 450.0  # an input at its rail


class ProbeFault:
    """A fault from its first step on; this one changes nothing."""

    def __init__(self, draw, target_ph):
        """`draw` is a random.Random."""
        self._draw = draw
        self._sign = draw.choice((-1, 1))
        self._shifted_mv = 0.0
        self.since_s = 0.0
        self.prepare(target_ph)

    def prepare(self, target_ph):
        """Draw sizes and speeds."""

    def after(self, mv, probe):
        """Return the voltage of a conversion at which a healthy probe has `mv`."""
        return mv

    def step(self, mv):
        """Advance by STEP_S; a healthy probe has `mv`."""
        self.since_s += STEP_S

    def log_uniform(self, low, high):
        """Return a number whose logarithm is uniform."""
        return math.exp(self._draw.uniform(math.log(low), math.log(high)))


class OffsetDrift(ProbeFault):
    """The potential of the reference drifts by 0.01 to 0.3 pH a day."""

    def prepare(self, target_ph):
        self.ph_per_day = self._sign * self.log_uniform(0.01, 0.3)

    def after(self, mv, probe):
        return mv - MV_PER_PH * self.ph_per_day * self.since_s / 86_400


class SlopeLoss(ProbeFault):
    """The glass wears or cracks within hours or days: the reading shrinks towards 7."""

    def prepare(self, target_ph):
        self._left = max(0.1, 1.0 - self._draw.uniform(0.4, 0.8) / abs(7.0 - target_ph))
        self._lasts_s = 86_400 * self.log_uniform(0.2, 5)

    def after(self, mv, probe):
        return mv * (1.0 - (1.0 - self._left) * min(1.0, self.since_s / self._lasts_s))


class Stuck(ProbeFault):
    """The probe shows its last value with the noise of its electronics."""

    def prepare(self, target_ph):
        self._held_mv = None

    def step(self, mv):
        super().step(mv)
        if self._held_mv is None:
            self._held_mv = mv

    def after(self, mv, probe):
        return self._held_mv + self._draw.gauss(0, 0.25)


class Noise(ProbeFault):
    """A bad contact: noise of 0.14 to 0.7 pH."""

    def prepare(self, target_ph):
        self._noise_mv = self._draw.uniform(8, 40)

    def after(self, mv, probe):
        return mv + self._draw.gauss(0, self._noise_mv)


class Bubble(ProbeFault):
    """Air at the glass comes and goes: off by 0.5 to 1.5 pH for 15 to 90 minutes."""

    def prepare(self, target_ph):
        self._is_on = False
        self._left_s = self._aim_mv = 0.0

    def step(self, mv):
        super().step(mv)
        if self._left_s <= 0:
            self._is_on = not self._is_on
            self._left_s = self._draw.uniform(*((900, 5_400) if self._is_on else (300, 3_600)))
            off_ph = self._draw.choice((-1, 1)) * self._draw.uniform(0.5, 1.5)
            self._aim_mv = MV_PER_PH * off_ph if self._is_on else 0.0
        self._left_s -= STEP_S
        self._shifted_mv += (self._aim_mv - self._shifted_mv) * (1 - math.exp(-STEP_S / 60))

    def after(self, mv, probe):
        return mv + self._shifted_mv + self._draw.gauss(0, 1.5 if self._is_on else 0.0)


class DryOut(ProbeFault):
    """The probe hangs in air: the film on it dries and concentrates, and the reading creeps."""

    def prepare(self, target_ph):
        self._tau_s = 300 * self.log_uniform(3, 48)
        self._aim_mv = -MV_PER_PH * self._sign * self._draw.uniform(1.0, 3.0)
        self._film_mv = None

    def step(self, mv):
        super().step(mv)
        if self._film_mv is None:
            self._film_mv = mv
        self._shifted_mv += (self._aim_mv - self._shifted_mv) * (
            1 - math.exp(-STEP_S / self._tau_s)) + self._draw.gauss(0, 0.3)

    def after(self, mv, probe):
        wet = math.exp(-self.since_s / self._tau_s)
        return self._film_mv + wet * (mv - self._film_mv) + self._shifted_mv


class CableBreak(ProbeFault):
    """The cable is open, with the input at its rail or floating, or wet: a short reads 7."""

    def prepare(self, target_ph):
        self._kind = self._draw.choice(("rail", "rail", "short", "floats"))

    def step(self, mv):
        super().step(mv)
        floats_mv = self._shifted_mv + self._draw.gauss(0, 20)
        self._shifted_mv = max(-400.0, min(400.0, floats_mv))

    def after(self, mv, probe):
        if self._kind == "rail":
            return 700.0
        if self._kind == "short":
            return self._draw.gauss(0, 0.05)
        return self._shifted_mv + self._draw.gauss(0, 2)


class SwappedBuffers(ProbeFault):
    """A calibration with buffers 4.01 and 7.00 swapped, with one of them for the other, or with a
    spoilt one."""

    def prepare(self, target_ph):
        self._kind = self._draw.choice(("both", "one", "spoilt"))
        self._off_ph = self._sign * self._draw.uniform(0.35, 0.6)

    def after(self, mv, probe):
        if self._kind == "both":
            ph = 11.01 - (7.0 - mv / MV_PER_PH)
            return MV_PER_PH * (7.0 - ph)
        off_ph = self._off_ph if self._kind == "spoilt" else 2.99 * self._sign
        return mv - MV_PER_PH * off_ph


class PoisonedReference(ProbeFault):
    """The reference is poisoned or runs dry: off by 0.5 to 1.5 pH within hours to days."""

    def prepare(self, target_ph):
        self._off_ph = self._sign * self._draw.uniform(0.5, 1.5)
        self._tau_s = 3_600 * self.log_uniform(3, 48)

    def after(self, mv, probe):
        share = 1.0 - math.exp(-self.since_s / self._tau_s)
        return mv - MV_PER_PH * self._off_ph * share + self._draw.gauss(0, 0.6)


class SlowResponse(ProbeFault):
    """Grown over: it takes 20 minutes to 2 hours to follow the water."""

    def prepare(self, target_ph):
        self._tau_s = self._draw.uniform(1_200, 7_200)

    def after(self, mv, probe):
        probe.params["tau_s"] = self._tau_s
        return mv


KINDS = {
    "offset-drift": OffsetDrift, "slope-loss": SlopeLoss, "stuck": Stuck, "noise": Noise,
    "air-bubble": Bubble, "dry-out": DryOut, "cable-break": CableBreak,
    "swapped-buffers": SwappedBuffers, "poisoned-reference": PoisonedReference,
    "slow-response": SlowResponse,
}

"""Water with two pH probes, of which a test makes one wrong."""

import math
import random

from idro.control.plausibility import DOSED, UNDISTURBED
from idro.control.probe_pair import CODES, ProbePair
from idro.protocol.types import Sample

EVERY_MS = 10_000
HOUR_MS = 3_600_000
DOSE_MS = 900_000
NOISE_PH = 0.004


class Tank:
    """Water at `ph` that drifts, with two probes; a test moves the water or changes a reading."""

    def __init__(self, drift_ph_h=0.01):
        self.pair = ProbePair()
        self.ph, self.drift_ph_h = 5.8, drift_ph_h
        self.off_ph = [0.0, 0.03]
        self.fault = [None, None]
        self.now_ms = 0
        self._noise = random.Random(1)
        self._dosed_ms = -DOSE_MS

    def cycle(self, moved_by=None, predicted=0.0):
        self.now_ms += EVERY_MS
        self.ph += predicted + self.drift_ph_h * EVERY_MS / HOUR_MS
        if moved_by is None:
            moved_by = DOSED if self.now_ms - self._dosed_ms < DOSE_MS else UNDISTURBED
        self.pair.update(self.sample(0), self.sample(1), moved_by, predicted, self.now_ms)

    def sample(self, index):
        if self.fault[index]:
            return Sample("ph", None, self.fault[index], self.now_ms)
        return Sample("ph", self.reads(index) + self._noise.gauss(0, NOISE_PH), None, self.now_ms)

    def reads(self, index):
        return self.ph + self.off_ph[index]

    def rest(self, hours):
        """Keep the water in a band of 0.2 pH with doses, as control does."""
        for _ in range(round(hours * HOUR_MS / EVERY_MS)):
            if self.reads(0) > 5.9 and self.now_ms - self._dosed_ms > DOSE_MS:
                self._dosed_ms = self.now_ms
                self.cycle(predicted=-0.1)
            else:
                self.cycle()
            if self.pair.suspect is not None:
                return


class LivingTank(Tank):
    """Water that light, night and fills move by some 0.03 pH; one probe may stick."""

    def __init__(self, moves_ph=0.03):
        super().__init__(0.0)
        self.moves_ph = moves_ph
        self.held = [None, None]

    def cycle(self, moved_by=None, predicted=0.0):
        self.ph += self.moves_ph * (self.day(self.now_ms + EVERY_MS) - self.day(self.now_ms))
        super().cycle(moved_by, predicted)

    @staticmethod
    def day(now_ms):
        return math.sin(2 * math.pi * now_ms / (12 * HOUR_MS))

    def reads(self, index):
        return super().reads(index) if self.held[index] is None else self.held[index]

    def stick(self, index):
        self.held[index] = self.reads(index)

    def run(self, hours):
        for _ in range(round(hours * HOUR_MS / EVERY_MS)):
            self.cycle()


def odds_of(tank, code):
    return dict((CODES[place], odds) for odds, place in tank.pair.signs)[code]

"""Proves that the doses of one loop have their effect, which earns a node its dosing authority.

One reading counts for each dose, the first of mixed water, without the drift of the water. From
the last proof on, the products of predicted and observed effect are summed over single doses of
either direction, however small: noise cancels out, an effect adds up.
"""

_MIN_SHARE = 3  # the least part of its predicted effect that a dose must have: 1/3
# Doses count for as long as a node needs to earn its authority.
_OLDEST_MS = 259_200_000
_HOUR_MS = 3_600_000


class DoseProof:
    """Doses of one loop since the last proof. `noise`: see dose_verification.Thresholds."""

    def __init__(self, noise):
        self._noise = noise
        self.worked_ms = None  # when doses had last been proven to work
        self.clear()

    def clear(self):
        """Discard all doses."""
        self._began_ms = None
        self._squares = 0.0  # sum of the squares of the predicted effects
        self._products = 0.0  # sum of predicted times observed effect
        self.drop()

    def drop(self):
        """Discard the last dose: its effect can no longer be measured."""
        self._dose = None

    def add(self, value, predicted, now_ms):
        """Add a dose at `value`, predicted to move it by `predicted` (signed)."""
        self._dose = (value, predicted, now_ms)

    def measure(self, value, drift_per_h, now_ms):
        """Measure the last dose by the mixed `value`, unless that is done."""
        if self._dose is None:
            return
        before, predicted, dosed_ms = self._dose
        self._dose = None
        if self._began_ms is None or now_ms - self._began_ms > _OLDEST_MS:
            self.clear()
            self._began_ms = now_ms
        moved = value - before - drift_per_h * (now_ms - dosed_ms) / _HOUR_MS
        self._squares += predicted * predicted
        self._products += predicted * moved
        # The sum of the products of a dead pump stays below the first with any such noise.
        if self._products >= max(self._noise * self._squares ** 0.5, self._squares / _MIN_SHARE):
            self.worked_ms = now_ms
            self.clear()

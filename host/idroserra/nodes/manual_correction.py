"""Calculates a pH correction that a person pours by hand. Pure.

Its steps are those of the node's own correction (docs/adr/0011): at most half of the remaining
volume, and half of what the titration predicts between the current pH and the target, a quarter
in a small first step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

SMALLEST_ML = 0.2
REACHED_PH = 0.05
TITRATION_SETTINGS = {"ph_down": "ph.down_ul_per_ph", "ph_up": "ph.up_ul_per_ph"}
# Three steps predicted to move it by _PREDICTED_PH have no effect if it moves less than _SEEN_PH.
_JUDGED = 3
_PREDICTED_PH = 0.2
_SEEN_PH = 0.03
_OPPOSITE_PH = 0.15
_SMALL_PH = 0.5  # half of `near` in idro.safety.correction
# A single step predicted to move the pH by this much without effect gives a warning.
_WARNED_PH = 0.1


@dataclass
class ManualCorrection:
    """Brings the pH to `target_ph` with at most `left_ml` from the bottle of `doser`.

    `ml_per_ph` moves the reservoir by one pH near its target. After each step the water mixes;
    then warning(), verdict(), is_reached() and step_ml() use the new pH."""

    doser: str
    target_ph: float
    left_ml: float
    ml_per_ph: float
    given_ml: float = 0.0
    steps: list[tuple[float, float]] = field(default_factory=list)  # (pH before it, ml)

    def __post_init__(self) -> None:
        self._sign = 1.0 if self.doser == "ph_down" else -1.0
        self._last_ml = max(2 * SMALLEST_ML, self.left_ml / 20)

    def distance_ph(self, ph: float) -> float:
        """Return the distance to the target; 0 or less at or beyond it."""
        return round(self._sign * (ph - self.target_ph), 6)  # 5.95 is 0.05 from 5.9, no more

    def is_reached(self, ph: float) -> bool:
        """Return True if no more steps are needed."""
        return self.distance_ph(ph) <= REACHED_PH

    def step_ml(self, ph: float) -> float:
        """Return the next step, rounded down to a measurable volume; 0 for none."""
        if self.is_reached(ph):
            return 0.0
        half_ml = self.left_ml if self.left_ml <= self._last_ml else self.left_ml / 2
        distance_ph = self.distance_ph(ph)
        # A small first step: the buffer may be gone since the titration, as on the board.
        share = 4 if not self.steps and distance_ph < _SMALL_PH else 2
        step = min(half_ml, distance_ph * self.ml_per_ph / share)
        step = float(int(step)) if step >= 10 else int(step * 10) / 10
        return step if step >= SMALLEST_ML else 0.0

    def poured(self, ph: float, volume_ml: float) -> None:
        """Record a step poured at `ph`."""
        self.left_ml = max(0.0, self.left_ml - volume_ml)
        self.given_ml += volume_ml
        self.steps = [*self.steps, (ph, volume_ml)][-_JUDGED:]

    def warning(self, ph: float) -> str | None:
        """Return the problem seen after the last step, or None."""
        before_ph, volume_ml = self.steps[-1]
        moved = self.distance_ph(before_ph) - self.distance_ph(ph)
        predicted = volume_ml / self.ml_per_ph
        if moved < -_SEEN_PH:
            return (f"The pH moved the wrong way, from {before_ph:.2f} to {ph:.2f}: "
                    "check the bottle")
        if predicted >= _WARNED_PH and moved < _SEEN_PH:
            return f"No response: expected {predicted:.2f} pH, measured {moved:.2f}"
        return None

    def verdict(self, ph: float) -> str | None:
        """Return why the correction must end before its target, or None."""
        moved = self._sign * (self.steps[0][0] - ph) if self.steps else 0.0
        if len(self.steps) >= 2 and moved < -_OPPOSITE_PH:
            return (f"the pH moves the wrong way, by {abs(moved):.2f}: "
                    "is the right stock in the bottle?")
        predicted = sum(step[1] for step in self.steps) / self.ml_per_ph
        if len(self.steps) == _JUDGED and predicted >= _PREDICTED_PH and moved < _SEEN_PH:
            return (f"three steps that should have moved the pH by {predicted:.2f} did not: check "
                    "the bottle, the probe and the circulation")
        if not self.is_reached(ph) and not self.step_ml(ph):
            return f"the whole volume is used, and the pH is {ph:.2f}"
        return None

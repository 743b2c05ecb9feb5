"""Model of an irrigated bed and its roots: NFT channels, ebb and flow, or a spray chamber.

The pump lifts water from the tank into the bed, which drains as a linear store: a fixed share of
its volume per second, and at once what is above its rim. That covers a film in NFT channels
(small, fast), a flood with its drain (large, slow) and a spray (tiny, at once). Roots are moist
while they are watered and for some time after; their uptake is charged to the tank.
"""

import math

_STILL_ML = 1.0
_PACE_S = 10.0
_FOREVER_S = 1e9


class Bed:
    """One bed. `params` are the plant's, keys `bed.*` and `irrigation.*`."""

    def __init__(self, params):
        self.volume_ml = 0.0
        self.moles = [0.0] * 10
        self.irrigated_ml = 0.0  # total lifted by the pump
        self.dry_s = 0.0  # since the roots were last watered
        self._flow_ml_s = self._lifts_ml_s = 0.0  # nominal, and actual in the last step
        self.configure(params)

    def configure(self, params):
        """Set sizes and times from `params`."""
        self._holds_ml = params["bed.holds_ml"]
        self._drain_s = params["bed.drain_s"]
        self._wet_ml = params["bed.wet_ml"]
        self._moist_s = 60.0 * params["bed.moist_min"]
        self._lost_ratio = params["bed.lost_ratio"]
        self._intake_ml = 0.1 * params["irrigation.intake_mm"] * params["reservoir.area_cm2"]
        self._full_flow_ml_s = params["irrigation.flow_ml_per_s"]

    def turn(self, level, tank):
        """Run the pump at `level` of its full flow."""
        self._flow_ml_s = level * self._full_flow_ml_s
        self._lifts_ml_s = self._flow_ml_s if tank.volume_ml > self._intake_ml else 0.0

    def pace_s(self):
        """Return how long the water may wait before it moves, s."""
        if abs(self.volume_ml - self._aim_ml()) < _STILL_ML and not self._lost_ratio:
            return _FOREVER_S
        return _PACE_S

    def lifted_ml(self, owed_s):
        """Return the total lifted by the pump, ml, `owed_s` after the last move."""
        return self.irrigated_ml + self._lifts_ml_s * owed_s

    def moisture_pct(self):
        """Return the moisture of the roots: 100 while they are watered, 0 when they wilt."""
        return 100.0 * max(0.0, 1.0 - self.dry_s / self._moist_s)

    def move(self, dt_s, tank):
        """Lift and drain water for `dt_s`."""
        before_ml = self.volume_ml
        lifted_ml = min(self._flow_ml_s * dt_s, max(tank.volume_ml - self._intake_ml, 0.0))
        self._lifts_ml_s = lifted_ml / dt_s
        aim_ml = lifted_ml / dt_s * self._drain_s
        after_ml = aim_ml + (before_ml - aim_ml) * math.exp(-dt_s / self._drain_s)
        after_ml = min(after_ml, self._holds_ml, before_ml + lifted_ml)
        if lifted_ml <= 0.0 and after_ml < _STILL_ML:
            after_ml = 0.0
        self._count_dry(dt_s, before_ml, lifted_ml)
        if before_ml + lifted_ml <= 0.0:
            return
        moles = self.moles
        drawn = tank.draw(lifted_ml)
        share = 1.0 - after_ml / (before_ml + lifted_ml)
        back = [0.0] * 10
        for index in range(10):
            moles[index] += drawn[index]
            back[index] = moles[index] * share
            moles[index] -= back[index]
        returned_ml = before_ml + lifted_ml - after_ml
        tank.add(returned_ml, back, tank.temp_c)
        if self._lost_ratio > 0.0:
            tank.spill(returned_ml * self._lost_ratio)
        self.volume_ml = after_ml
        self.irrigated_ml += lifted_ml

    def _aim_ml(self):
        return min(self._flow_ml_s * self._drain_s, self._holds_ml)

    def _count_dry(self, dt_s, before_ml, lifted_ml):
        if lifted_ml > 0.0:
            self.dry_s = 0.0
            return
        wet_s = 0.0
        if before_ml > self._wet_ml:
            wet_s = self._drain_s * math.log(before_ml / self._wet_ml)
            self.dry_s = 0.0
        self.dry_s += max(dt_s - wet_s, 0.0)

    def state(self):
        """Return the floats that `restore` takes back."""
        return [self.volume_ml, self.irrigated_ml, self.dry_s] + self.moles

    def restore(self, state):
        """Restore what `state` returned."""
        self.volume_ml, self.irrigated_ml, self.dry_s = state[:3]
        self.moles = list(state[3:])

"""Measures of one policy in one cell, computed from the true pH and EC of every step.

docs/score.md tells how each is judged. CPython only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from idrosim.benchmark.cases import BAND_PH, TARGET_PH, Cell
from idrosim.benchmark.disturbances import Disturbance
from idrosim.benchmark.peer_policies import Doses, Readings

AFTER_S = 3_600.0  # overshoot within this time is attributed to a dose
# Below this there is no reagent ratio: a third of a pH in reverse-osmosis water.
LEAST_MEQ_L = 0.06
_NO_REASONS: Mapping[str, str] = {}
_SIDES = {"ph_down": "acid", "ph_up": "base", "nutrient_a": "feed", "nutrient_b": "feed"}


@dataclass
class Measures:
    """Measures of one policy in one cell. None if there is nothing to measure."""

    cell: str
    policy: str
    target_ph: float = TARGET_PH
    to_band_h: float | None = None  # until pH and EC were both in band
    in_band_ratio: float | None = None  # share of the time since then with both in band
    ph_in_band_ratio: float | None = None  # since pH was first in band
    ec_in_band_ratio: float | None = None
    over_ph: float = 0.0  # beyond the target within an hour of a dose in that direction
    over_ms_cm: float = 0.0
    acid_meq: float = 0.0
    base_meq: float = 0.0
    reagent_ratio: float | None = None  # acid and base relative to the minimum
    doses: int = 0
    worst_ph: float = TARGET_PH  # furthest from the target since it was within half the band
    lowest_ph: float = 14.0  # of the whole run
    worst_ms_cm: float = 0.0
    locked: str = ""  # code of the reason
    # When the overshoot was worst, after which dose, and reading less true value then.
    over_ph_h: float | None = None
    over_ph_by: str = ""  # acid or base
    over_ph_error: float = 0.0
    over_ec_h: float | None = None
    over_ec_error_ms_cm: float = 0.0
    # Hours out of band since the first entry (before, if there was none) by quantity, side and
    # the firmware's last reason, such as "ph high day_spent"; a peer gives no reason.
    out_h: dict[str, float] = field(default_factory=dict)
    out_ratio_by_h: list[float] = field(default_factory=list)  # in each hour from the fill on

    def in_band_ratio_since(self, from_h: float) -> float:
        """Return the share of the whole hours since then with both in band; 0 without one."""
        hours = self.out_ratio_by_h[math.ceil(from_h):]
        return 1.0 - sum(hours) / len(hours) if hours else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the measures as plain data."""
        return asdict(self)


class Scorer:
    """Computes the measures of a run."""

    def __init__(self, cell: Cell, policy: str) -> None:
        self.found = Measures(cell.name, policy, cell.target_ph, worst_ph=cell.target_ph)
        self._cell = cell
        self._steps = {"ph": [0, 0], "ec": [0, 0], "both": [0, 0]}  # inside, since
        self._has_arrived = False
        self._at_s = self._step_s = 0.0
        self._until_s = dict.fromkeys(_SIDES.values(), -1.0)  # a dose is blamed until then
        self._excused_until_s: dict[str, float] = {}  # by quantity: people moved it
        self._is_ec_raised = False  # by people, and neither fell to the target nor was fed since
        self._unknown: set[str] = set()  # dosers whose bottle was changed and not used since

    def disturb(self, event: Disturbance, at_s: float) -> None:
        """Excuse what no policy can help."""
        if event.kind == "bottle":
            self._unknown.add(event.what)
            return
        for quantity in ("ph", "ec"):
            self._excused_until_s[quantity] = max(
                at_s + 3_600.0 * event.excused_h, self._excused_until_s.get(quantity, 0.0))
        self._is_ec_raised |= event.what != "water"
        self._until_s = dict.fromkeys(self._until_s, -1.0)

    def count_doses(self, doses: Doses, at_s: float) -> None:
        """Count the doses that a policy started."""
        for name, ml in doses.items():
            if ml <= 0.0:
                continue
            self.found.doses += 1
            self._is_ec_raised &= name != "nutrient_a"  # B only completes what A began
            self._until_s[_SIDES[name]] = at_s + AFTER_S
            if name in self._unknown:  # nor is an earlier dose blamed for what it does
                self._unknown.remove(name)
                self._until_s[_SIDES[name]] = -1.0

    def count_fill(self, at_s: float) -> None:
        """Blame a dose that has mixed no longer: the tap is open, and its water moves pH."""
        mixed_s = AFTER_S - self._cell.mixing_s
        for side, until_s in self._until_s.items():
            if until_s - at_s < mixed_s:
                self._until_s[side] = -1.0

    def observe(self, ph: float, ec_us_cm: float, readings: Readings,
                reasons: Mapping[str, str] = _NO_REASONS) -> None:
        """Process the true pH and EC of one step. `reasons` are the firmware's, by loop."""
        found, cell = self.found, self._cell
        self._step_s, self._at_s = readings.at_s - self._at_s, readings.at_s
        off = {"ph": ph - found.target_ph, "ec": ec_us_cm - cell.target_us_cm}
        inside = {"ph": abs(off["ph"]) <= BAND_PH, "ec": abs(off["ec"]) <= cell.band_us_cm}
        self._is_ec_raised &= off["ec"] > 0.0
        counted = {
            quantity: not self._is_excused(quantity, is_in=inside[quantity], off=off[quantity])
            for quantity in off}
        found.lowest_ph = min(found.lowest_ph, ph)
        for quantity in off:
            if counted[quantity]:
                self._count(quantity, is_in=inside[quantity])
                if not inside[quantity]:
                    self._blame(quantity, off[quantity], reasons)
        is_out = all(counted.values()) and not all(inside.values())
        self._count_hour(is_out=is_out)
        if all(counted.values()):
            self._count("both", is_in=not is_out)
            if found.to_band_h is None and all(inside.values()):
                found.to_band_h = self._at_s / 3_600.0
        if counted["ph"]:
            self._judge_ph(ph, readings.ph - ph)
        if counted["ec"]:
            self._judge_ec(1e-3 * off["ec"], 1e-3 * (readings.ec_us_cm - ec_us_cm))

    def _is_excused(self, quantity: str, *, is_in: bool, off: float) -> bool:
        """Return True while `quantity` is out of band where people moved it.

        A policy can correct pH and a low EC; an EC raised by people only falls by itself.
        """
        if is_in:
            self._excused_until_s.pop(quantity, None)
            return False
        if quantity == "ec" and off > 0.0 and self._is_ec_raised:
            return True
        return self._at_s < self._excused_until_s.get(quantity, 0.0)

    def _count(self, quantity: str, *, is_in: bool) -> None:
        steps = self._steps[quantity]
        if is_in and not steps[1]:  # the first entry
            for key in [key for key in self.found.out_h if key.startswith(quantity)]:
                del self.found.out_h[key]
        if is_in or steps[1]:
            steps[0] += is_in
            steps[1] += 1

    def _count_hour(self, *, is_out: bool) -> None:
        hours, hour = self.found.out_ratio_by_h, int((self._at_s - 0.5 * self._step_s) // 3_600.0)
        hours += [0.0] * (hour + 1 - len(hours))
        if is_out:
            hours[hour] += self._step_s / 3_600.0

    def _blame(self, quantity: str, off: float, reasons: Mapping[str, str]) -> None:
        side = "high" if off > 0.0 else "low"
        key = " ".join((quantity, side, reasons.get(quantity, ""))).rstrip()
        out_h = self.found.out_h
        out_h[key] = out_h.get(key, 0.0) + self._step_s / 3_600.0

    def _judge_ph(self, ph: float, error: float) -> None:
        found, off = self.found, ph - self.found.target_ph
        self._has_arrived |= abs(off) <= 0.5 * BAND_PH
        if self._has_arrived and abs(off) > abs(found.worst_ph - found.target_ph):
            found.worst_ph = ph
        side = "acid" if off < 0.0 else "base"
        if self._at_s < self._until_s[side] and abs(off) > found.over_ph:
            found.over_ph, found.over_ph_error = abs(off), error
            found.over_ph_h, found.over_ph_by = self._at_s / 3_600.0, side

    def _judge_ec(self, off_ms_cm: float, error_ms_cm: float) -> None:
        found = self.found
        if self._steps["ec"][1] and abs(off_ms_cm) > abs(found.worst_ms_cm):
            found.worst_ms_cm = off_ms_cm
        is_fed = self._at_s < self._until_s["feed"] and not self._is_ec_raised
        if is_fed and off_ms_cm > found.over_ms_cm:
            found.over_ms_cm, found.over_ec_error_ms_cm = off_ms_cm, error_ms_cm
            found.over_ec_h = self._at_s / 3_600.0

    def result(self, acid_meq: float, base_meq: float, least_meq: float | None) -> Measures:
        """Return the measures of the whole run."""
        found = self.found
        found.ph_in_band_ratio = self.ratio("ph")
        found.ec_in_band_ratio = self.ratio("ec")
        found.in_band_ratio = self.ratio("both")
        found.acid_meq, found.base_meq = acid_meq, base_meq
        found.out_h = {key: round(hours, 2) for key, hours in found.out_h.items()}
        found.out_ratio_by_h = [round(ratio, 4) for ratio in found.out_ratio_by_h]
        if least_meq is not None and least_meq >= LEAST_MEQ_L * self._cell.volume_l:
            found.reagent_ratio = (acid_meq + base_meq) / least_meq
        return found

    def ratio(self, quantity: str) -> float | None:
        """Return the share of the time in band since the first entry: of ph, ec or both."""
        inside, since = self._steps[quantity]
        return inside / since if since else None

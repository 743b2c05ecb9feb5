"""The water of the tank: moles, volume and temperature, an inlet pocket, gas, chemistry.

Mass is conserved by construction: every change is moles in or moles out, booked in `taken`. What
a doser brings sits in the inlet pocket and mixes into the bulk exponentially; the probes hang in
the bulk. A litre is taken as a kilogram.
"""

import math

from idrosim import conductivity
from idrosim.chemistry import CA, Solution
from idrosim.chemistry import C as CARBON
from idrosim.chemistry import P as PHOSPHATE
from idrosim.equilibria import EquilibriaTable
from idrosim.exact import pack_floats, unpack_floats
from idrosim.water import RECIPES, WATERS, amounts

SOLVE_DRIFT = 1e-5  # relative change of any total after which fluxes are computed anew
_MIN_ML = 50.0
_HEAT_J_ML_K = 4.186
_MIXED_MOL = 1e-12
_BRUSHITE_SI = 0.3  # supersaturation below this lasts for weeks


class Reservoir:
    """The tank. `params` are the plant's, keys `reservoir.*`."""

    def __init__(self, params):
        litres = params["reservoir.volume_ml"] / 1000.0
        raw = amounts(WATERS, params["reservoir.water"], litres * 1e-3)
        salts = amounts(RECIPES, params["reservoir.recipe"],
                        litres * 1e-3 * params["reservoir.strength"])
        self.moles = [raw[i] + salts[i] for i in range(10)]
        self.pocket = [0.0] * 10
        self.taken = [0.0] * 10  # by roots, overflow, leak, precipitate, less CO2 dissolved
        self.volume_ml = litres * 1000.0
        self.temp_c = params["reservoir.temp_c"]
        self.spilled_ml = 0.0
        self._has_pocket = False
        self._solved = [-1.0] * 11
        table = EquilibriaTable()
        self._si = 0.0
        self._flux = Solution(table)
        self._view = Solution(table)
        self._solve_if_moved()

    def molar(self):
        """Return the ten concentrations of the bulk, mol/L."""
        per_litre = 1000.0 / self.volume_ml
        return [amount * per_litre for amount in self.moles]

    def add(self, volume_ml, moles, temp_c):
        """Pour water of `temp_c` with `moles` straight into the bulk."""
        total = self.volume_ml + volume_ml
        self.temp_c += (temp_c - self.temp_c) * volume_ml / total
        self.volume_ml = total
        for index in range(10):
            self.moles[index] += moles[index]

    def inject(self, volume_ml, moles_per_ml, dt_s, tau_s):
        """Dose `volume_ml` evenly over `dt_s` into the pocket that mixes with `tau_s`.

        The pocket itself is mixed by `mix`; here the part that has already left it is added.
        """
        kept = tau_s / dt_s * (1.0 - math.exp(-dt_s / tau_s))
        self.volume_ml += volume_ml
        self._has_pocket = True
        for index in range(10):
            amount = moles_per_ml[index] * volume_ml
            self.pocket[index] += amount * kept
            self.moles[index] += amount * (1.0 - kept)

    def mix(self, dt_s, tau_s):
        """Let the pocket flow into the bulk for `dt_s`."""
        if not self._has_pocket:
            return
        share = 1.0 - math.exp(-dt_s / tau_s)
        if sum(self.pocket) < _MIXED_MOL:
            share = 1.0
            self._has_pocket = False
        for index in range(10):
            moved = self.pocket[index] * share
            self.moles[index] += moved
            self.pocket[index] -= moved

    def evaporate(self, volume_ml):
        """Remove pure water; return what there was to remove, ml."""
        gone = min(volume_ml, max(self.volume_ml - _MIN_ML, 0.0))
        self.volume_ml -= gone
        return gone

    def take(self, moles):
        """Remove moles of ions, as far as they are there."""
        for index in range(9):
            wanted = moles[index]
            if wanted > 0.0:
                if wanted > self.moles[index]:
                    wanted = self.moles[index]
                self.moles[index] -= wanted
                self.taken[index] += wanted

    def spill(self, volume_ml):
        """Lose solution with all it holds: overflow and leaks."""
        gone = min(volume_ml, max(self.volume_ml - _MIN_ML, 0.0))
        if gone <= 0.0:
            return
        share = gone / self.volume_ml
        for index in range(10):
            moved = self.moles[index] * share
            self.moles[index] -= moved
            self.taken[index] += moved
        self.volume_ml -= gone
        self.spilled_ml += gone

    def heat(self, dt_s, air_temp_c, ua_w_k, power_w):
        """Exchange heat with the air and take up `power_w` for `dt_s`."""
        capacity = _HEAT_J_ML_K * self.volume_ml
        if ua_w_k <= 0.0:
            self.temp_c += power_w * dt_s / capacity
            return
        aim = air_temp_c + power_w / ua_w_k
        self.temp_c = aim + (self.temp_c - aim) * math.exp(-dt_s * ua_w_k / capacity)

    def react(self, dt_s, kla_per_s, co2_atm, brushite_per_s):
        """Exchange CO2 with the air and drop brushite for `dt_s`."""
        flux = self._flux
        self._solve_if_moved()
        carbon = self.moles[CARBON]
        if flux.co2 > 0.0 and carbon > 0.0:
            share = flux.co2 / flux.carbon
            aim = flux.henry() * co2_atm / share * self.volume_ml * 1e-3
            change = (aim - carbon) * (1.0 - math.exp(-dt_s * kla_per_s * share))
        else:
            change = flux.henry() * co2_atm * self.volume_ml * 1e-3 * kla_per_s * dt_s
        self.moles[CARBON] = carbon + change
        self.taken[CARBON] -= change
        if self._si > _BRUSHITE_SI:
            limit = min(self.moles[CA], self.moles[PHOSPHATE])
            excess = 1.0 - math.exp((_BRUSHITE_SI - self._si) * 1.1513)
            gone = limit * excess * (1.0 - math.exp(-dt_s * brushite_per_s))
            for index in (CA, PHOSPHATE):
                self.moles[index] -= gone
                self.taken[index] += gone

    def _solve_if_moved(self):
        molar = self.molar()
        solved = self._solved
        moved = abs(self.temp_c - solved[10]) > 0.01
        for index in range(10):
            if moved:
                break
            moved = abs(molar[index] - solved[index]) > SOLVE_DRIFT * solved[index]
        if moved:
            self._flux.set(molar, self.temp_c)
            self._flux.solve()
            self._solved = molar + [self.temp_c]
            self._si = self._flux.si_brushite()

    def measure(self):
        """Return (pH, EC at 25 C, conductivity at the water's temperature, both uS/cm)."""
        view = self._view
        view.set(self.molar(), self.temp_c)
        view.rewarm(self._flux.warm())
        ph = view.solve()
        return ph, conductivity.kappa_us_cm(view, True), conductivity.kappa_us_cm(view)

    def state(self):
        """Return all of it, JSON-able, to the last bit."""
        floats = (self.moles + self.pocket + self.taken + self._solved + self._flux.warm()
                  + [self.volume_ml, self.temp_c, self.spilled_ml, self._si])
        return {"floats": pack_floats(floats), "has_pocket": self._has_pocket}

    def restore(self, state):
        """Take back what `state` returned."""
        floats = unpack_floats(state["floats"])
        self.moles, self.pocket, self.taken = floats[:10], floats[10:20], floats[20:30]
        self._solved = floats[30:41]
        self.volume_ml, self.temp_c, self.spilled_ml, self._si = floats[-4:]
        self._flux.set(self._solved[:10], self._solved[10])
        self._flux.rewarm(floats[41:-4])
        self._flux.carbon = self._solved[CARBON]
        self._has_pocket = state["has_pocket"]

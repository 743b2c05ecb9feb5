"""The water of the tank: moles, volume and temperature, an inlet pocket, gas, chemistry.

Mass is conserved by construction: every change is moles in or moles out, booked in `taken`. What
a doser brings sits in the inlet pocket and mixes into the bulk exponentially; the probes hang in
the bulk. A litre is taken as a kilogram. The chemistry behind the CO2 flux is solved whenever
water or salts were added and at each `refresh`; `measure` solves for the instant.
"""

import math

from idrosim.chemistry import CA, Solution
from idrosim.chemistry import C as CARBON
from idrosim.chemistry import P as PHOSPHATE
from idrosim.conductivity import conductivities
from idrosim.equilibria import EquilibriaTable
from idrosim.exact import pack_floats, unpack_floats
from idrosim.water import RECIPES, STOCKS, WATERS, amounts

_MIN_ML = 50.0
_HEAT_J_ML_K = 4.186
_MIXED_MOL = 1e-7  # what is left of a dose then is poured in: below 1e-8 mol/L in any tank
_BRUSHITE_SI = 0.3  # supersaturation below this lasts for weeks


class Reservoir:
    """The tank. `params` are the plant's, keys `reservoir.*`."""

    def __init__(self, params):
        litres = params["reservoir.volume_ml"] / 1000.0
        raw = amounts(WATERS, params["reservoir.water"], litres * 1e-3)
        salts = amounts(RECIPES, params["reservoir.recipe"],
                        litres * 1e-3 * params["reservoir.strength"])
        acid = amounts(STOCKS, "h3po4_10pct", params["reservoir.acid_ml"] * 1e-3)
        self.moles = [raw[i] + salts[i] + acid[i] for i in range(10)]
        self.pocket = [0.0] * 10
        self.taken = [0.0] * 10  # by roots, overflow, leak, precipitate, less CO2 dissolved
        self.volume_ml = litres * 1000.0
        self.temp_c = params["reservoir.temp_c"]
        self.spilled_ml = self.evaporated_ml = 0.0
        self._has_pocket = False
        self._solved = [0.0] * 11
        table = EquilibriaTable()
        self._si = 0.0
        self._conductivities = None
        self._flux = Solution(table)
        self._view = Solution(table)
        self._solve()

    def molar(self):
        """Return the ten concentrations of the bulk, mol/L."""
        per_litre = 1000.0 / self.volume_ml
        return [amount * per_litre for amount in self.moles]

    def add(self, volume_ml, moles, temp_c):
        """Pour water of `temp_c` with `moles` straight into the bulk."""
        total = self.volume_ml + volume_ml
        self.temp_c += (temp_c - self.temp_c) * volume_ml / total
        self.volume_ml = total
        self._is_stale = True
        for index in range(10):
            self.moles[index] += moles[index]

    def inject(self, volume_ml, moles_per_ml, dt_s, tau_s):
        """Dose `volume_ml` evenly over `dt_s` into the pocket that mixes with `tau_s`.

        The pocket itself is mixed by `mix`; here the part that has already left it is added.
        """
        kept = tau_s / dt_s * (1.0 - math.exp(-dt_s / tau_s))
        self.volume_ml += volume_ml
        self._has_pocket = self._is_stale = True
        for index in range(10):
            amount = moles_per_ml[index] * volume_ml
            self.pocket[index] += amount * kept
            self.moles[index] += amount * (1.0 - kept)

    def mix(self, dt_s, tau_s):
        """Let the pocket flow into the bulk for `dt_s`."""
        if not self._has_pocket:
            return
        self._is_stale = True
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
        self.evaporated_ml += gone
        return gone

    def take(self, rates, dt_s):
        """Remove ions for `dt_s` at `rates`, pairs (index, mol/s), as far as they are there."""
        moles, taken = self.moles, self.taken
        for index, rate in rates:
            wanted = min(rate * dt_s, moles[index])
            moles[index] -= wanted
            taken[index] += wanted

    def spill(self, volume_ml):
        """Lose solution with all it holds: overflow and leaks."""
        gone = min(volume_ml, max(self.volume_ml - _MIN_ML, 0.0))
        if gone <= 0.0:
            return
        self._is_stale = True
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
        if self._is_stale:
            self._solve()
        flux = self._flux
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

    def refresh(self):
        """Have the next `react` solve the chemistry, though nothing was poured or dosed."""
        self._is_stale = True

    def _solve(self):
        molar = self.molar()
        self._flux.set(molar, self.temp_c)
        self._flux.solve()
        self._solved = molar + [self.temp_c]
        self._si = self._flux.si_brushite()
        self._conductivities = None
        self._is_stale = False

    def measure(self):
        """Return (pH, conductivity at the water's temperature, EC at 25 C, both uS/cm).

        Always of this instant, and without a trace: who measures does not change what follows.
        """
        view = self._view
        view.set(self.molar(), self.temp_c)
        view.rewarm(self._flux.warm())
        ph = view.solve()
        kappa_us_cm, ec_us_cm = conductivities(view)
        return ph, kappa_us_cm, ec_us_cm

    def glance(self):
        """Return what `measure` does, of when the chemistry was last solved: cheap.

        That is this step where water or salts moved, else at most a slow step ago. Meanwhile the
        water changes by less than any probe resolves.
        """
        found = self._conductivities
        if found is None:
            found = self._conductivities = conductivities(self._flux)
        return self._flux.ph, found[0], found[1]

    def state(self):
        """Return all of it, JSON-able, to the last bit."""
        floats = (self.moles + self.pocket + self.taken + self._solved + self._flux.warm()
                  + [self.volume_ml, self.temp_c, self.spilled_ml, self.evaporated_ml, self._si])
        return {"floats": pack_floats(floats), "has_pocket": self._has_pocket,
                "is_stale": self._is_stale}

    def restore(self, state):
        """Take back what `state` returned."""
        floats = unpack_floats(state["floats"])
        self.moles, self.pocket, self.taken = floats[:10], floats[10:20], floats[20:30]
        self._solved = floats[30:41]
        (self.volume_ml, self.temp_c, self.spilled_ml, self.evaporated_ml,
         self._si) = floats[-5:]
        self._flux.set(self._solved[:10], self._solved[10])
        self._flux.rewarm(floats[41:-5])
        self._flux.carbon = self._solved[CARBON]
        self._conductivities = None
        self._has_pocket = state["has_pocket"]
        self._is_stale = state["is_stale"]

"""Model of the water in the tank: moles, volume, temperature, inlet pocket, gas and chemistry.

Mass is conserved by construction: every change is moles in or moles out, recorded in `taken`.
Doses enter the inlet pocket and mix into the bulk exponentially; a probe hangs in the bulk or
near the pocket. A litre counts as a kilogram. `solve` computes the present chemistry; the exchange
of CO2 uses the last result.
"""

import math

from idrosim.greenhouse.chemistry import CA, Solution
from idrosim.greenhouse.chemistry import C as CARBON
from idrosim.greenhouse.chemistry import P as PHOSPHATE
from idrosim.greenhouse.conductivity import conductivities
from idrosim.greenhouse.equilibria import EquilibriaTable
from idrosim.greenhouse.float_codec import pack_floats, unpack_floats
from idrosim.greenhouse.water import RECIPES, STOCKS, WATERS, amounts

_MIN_ML = 50.0
_HEAT_J_ML_K = 4.186
_MIXED_MOL = 1e-7  # below this the rest of a dose counts as mixed: 1e-8 mol/L in any tank
_MIXED_RATIO = 1e-3  # or below this share of the dose
_BRUSHITE_SI = 0.3  # supersaturation below this lasts for weeks
_STRONGEST_MOL_L = 0.3  # upper limit of the dose in the pocket: the chemistry is valid there
_FOREVER_S = 1e9
_MIXING_STEPS = 20.0  # per time constant, while all of a dose is in the pocket


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
        self.spilled_ml = self.evaporated_ml = self.overflowed_ml = 0.0
        self._poured_mol = self._left_mol = 0.0  # in the pocket: maximum, and remainder
        self._pocket_ratio = params["reservoir.pocket_ratio"]
        table = EquilibriaTable()
        self._si = 0.0
        self._conductivities = self._inlet = None
        self._bulk = Solution(table)
        self._near = Solution(table)
        self.solve()

    def configure(self, params):
        """Set the size of the pocket from `params`; the rest are starting values."""
        self._pocket_ratio = params["reservoir.pocket_ratio"]

    def molar(self):
        """Return the ten concentrations of the bulk, mol/L."""
        per_litre = 1000.0 / self.volume_ml
        return [amount * per_litre for amount in self.moles]

    def add(self, volume_ml, moles, temp_c):
        """Add water of `temp_c` with `moles` directly to the bulk."""
        total = self.volume_ml + volume_ml
        self.temp_c += (temp_c - self.temp_c) * volume_ml / total
        self.volume_ml = total
        for index in range(10):
            self.moles[index] += moles[index]

    def draw(self, volume_ml):
        """Remove `volume_ml` from the bulk, which must hold more; return its moles."""
        share = volume_ml / self.volume_ml
        drawn = [amount * share for amount in self.moles]
        self.volume_ml -= volume_ml
        for index in range(10):
            self.moles[index] -= drawn[index]
        return drawn

    def inject(self, volume_ml, moles_per_ml, dt_s, tau_s):
        """Dose `volume_ml` evenly over `dt_s` into the pocket that mixes with `tau_s`.

        The part of the dose that leaves the pocket within `dt_s` goes straight to the bulk.
        """
        kept = tau_s / dt_s * (1.0 - math.exp(-dt_s / tau_s))
        self.volume_ml += volume_ml
        for index in range(10):
            amount = moles_per_ml[index] * volume_ml
            self.pocket[index] += amount * kept
            self.moles[index] += amount * (1.0 - kept)
        self._left_mol = sum(self.pocket)
        self._poured_mol = max(self._poured_mol, self._left_mol)

    def mix(self, dt_s, tau_s):
        """Mix the pocket into the bulk for `dt_s`."""
        if self._left_mol <= 0.0:
            return
        share = 1.0 - math.exp(-dt_s / tau_s)
        if self._left_mol < _MIXED_MOL or self._left_mol < _MIXED_RATIO * self._poured_mol:
            share = 1.0
            self._poured_mol = 0.0
        moles, pocket = self.moles, self.pocket
        for index in range(10):
            moved = pocket[index] * share
            moles[index] += moved
            pocket[index] -= moved
        self._left_mol = sum(pocket)

    def pace_s(self, tau_s):
        """Return how long the water may wait while the pocket mixes with `tau_s`, s."""
        if self._left_mol <= 0.0:
            return _FOREVER_S
        return tau_s / _MIXING_STEPS * self._poured_mol / self._left_mol

    def evaporate(self, volume_ml):
        """Remove up to `volume_ml` of pure water; return the removed volume, ml."""
        gone = min(volume_ml, max(self.volume_ml - _MIN_ML, 0.0))
        self.volume_ml -= gone
        self.evaporated_ml += gone
        return gone

    def take(self, rates, dt_s):
        """Remove available ions for `dt_s` at `rates`, pairs (index, mol/s)."""
        moles, taken = self.moles, self.taken
        for index, rate in rates:
            wanted = min(rate * dt_s, moles[index])
            moles[index] -= wanted
            taken[index] += wanted

    def spill(self, volume_ml):
        """Remove up to `volume_ml` of solution; return the removed volume, ml."""
        gone = min(volume_ml, max(self.volume_ml - _MIN_ML, 0.0))
        share = gone / self.volume_ml
        for index in range(10):
            moved = self.moles[index] * share
            self.moles[index] -= moved
            self.taken[index] += moved
        self.volume_ml -= gone
        self.spilled_ml += gone
        return gone

    def overflow(self, capacity_ml):
        """Remove the volume above `capacity_ml`."""
        self.overflowed_ml += self.spill(self.volume_ml - capacity_ml)

    def heat(self, dt_s, air_temp_c, ua_w_k, power_w):
        """Exchange heat with the air and absorb `power_w` for `dt_s`."""
        capacity = _HEAT_J_ML_K * self.volume_ml
        if ua_w_k <= 0.0:
            self.temp_c += power_w * dt_s / capacity
            return
        aim = air_temp_c + power_w / ua_w_k
        self.temp_c = aim + (self.temp_c - aim) * math.exp(-dt_s * ua_w_k / capacity)

    def react(self, dt_s, kla_per_s, co2_atm, brushite_per_s):
        """Exchange CO2 and precipitate brushite for `dt_s`, by the chemistry last solved."""
        bulk = self._bulk
        carbon = self.moles[CARBON]
        litres = self.volume_ml * 1e-3
        if bulk.co2 > 0.0 and carbon > 0.0:
            share = bulk.co2 / bulk.carbon
            aim = bulk.henry() * co2_atm / share * litres
            change = (aim - carbon) * (1.0 - math.exp(-dt_s * kla_per_s * share))
        else:
            change = bulk.henry() * co2_atm * litres * kla_per_s * dt_s
        self.moles[CARBON] = carbon + change
        self.taken[CARBON] -= change
        if self._si > _BRUSHITE_SI:
            limit = min(self.moles[CA], self.moles[PHOSPHATE])
            excess = 1.0 - math.exp((_BRUSHITE_SI - self._si) * 1.1513)
            gone = limit * excess * (1.0 - math.exp(-dt_s * brushite_per_s))
            for index in (CA, PHOSPHATE):
                self.moles[index] -= gone
                self.taken[index] += gone

    def solve(self):
        """Solve the present chemistry of the bulk."""
        bulk = self._bulk
        bulk.set(self.molar(), self.temp_c)
        try:
            bulk.solve()
        except ValueError:  # too far from the last result, above pH 11.5: start cold
            bulk.chill()
            bulk.solve()
        self._si = bulk.si_brushite()
        self._conductivities = self._inlet = None

    def measure(self):
        """Return (pH, conductivity at the water's temperature, EC at 25 C, both uS/cm).

        Values are of the last `solve`. Measuring does not change later results.
        """
        found = self._conductivities
        if found is None:
            kappa_us_cm, ec_us_cm = conductivities(self._bulk)
            found = self._conductivities = (self._bulk.ph, kappa_us_cm, ec_us_cm)
        return found

    def measure_inlet(self):
        """Return the values of `measure` for the water in the inlet pocket."""
        if self._left_mol <= 0.0:
            return self.measure()
        if self._inlet is None:
            near = self._near
            per_litre = min(1000.0 / (self._pocket_ratio * self.volume_ml),
                            _STRONGEST_MOL_L / self._left_mol)
            molar, pocket = self.molar(), self.pocket
            near.set([molar[i] + pocket[i] * per_litre for i in range(10)], self.temp_c)
            near.chill()  # far from the bulk, and measuring must not change later results
            near.solve()
            kappa_us_cm, ec_us_cm = conductivities(near)
            self._inlet = (near.ph, kappa_us_cm, ec_us_cm)
        return self._inlet

    def state(self):
        """Return the exact state, JSON-able."""
        return pack_floats(
            self.moles + self.pocket + self.taken + self._bulk.totals + self._bulk.warm()
            + [self._bulk.temp_c, self.volume_ml, self.temp_c, self.spilled_ml,
               self.evaporated_ml, self.overflowed_ml, self._si, self._poured_mol,
               self._left_mol])

    def restore(self, state):
        """Restore what `state` returned."""
        floats = unpack_floats(state)
        self.moles, self.pocket, self.taken = floats[:10], floats[10:20], floats[20:30]
        (solved_c, self.volume_ml, self.temp_c, self.spilled_ml, self.evaporated_ml,
         self.overflowed_ml, self._si, self._poured_mol, self._left_mol) = floats[-9:]
        self._bulk.set(floats[30:40], solved_c)
        self._bulk.rewarm(floats[40:-9])
        self._bulk.carbon = self._bulk.totals[CARBON]
        self._conductivities = self._inlet = None

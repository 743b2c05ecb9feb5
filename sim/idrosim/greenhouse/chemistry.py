"""Computes the pH and the charged species of a nutrient solution from its dissolved totals.

The state is moles; pH follows from charge balance. Ion pairs of calcium, magnesium, potassium and
sodium with phosphate, sulfate and carbonate, and Davies activity coefficients, are needed:
without the pairs the pH of a diluted recipe is off by 0.37. One iteration is a Newton step on pH
and a fixed-point step on ionic strength and free cations; a warm start needs two. A step has no
branches, so benchmark/fleet/chemistry.py runs the same code over arrays. Checked against
IPHREEQC 3.8.6 in tests/sim/greenhouse/test_chemistry.py.
"""

import math

from idrosim.greenhouse.equilibria import BRUSHITE_LOG_K, LN10, EquilibriaTable

IONS = ("K", "Na", "NH4", "Ca", "Mg", "NO3", "Cl", "SO4", "P", "C")
K, NA, NH4, CA, MG, NO3, CL, SO4, P, C = range(10)

AIR_CO2_ATM = 420e-6

# The charged species of `Solution.charged` and their charges; pairs are summed by charge.
SPECIES = ("K", "Na", "NH4", "Ca", "Mg", "NO3", "Cl", "SO4", "H", "OH", "HCO3", "CO3",
           "H2PO4", "HPO4", "PO4", "HCO3 pairs+", "other pairs+", "PO4 pairs-", "SO4 pairs-")
CHARGES = (1, 1, 1, 2, 2, -1, -1, -2, 1, -1, -1, -2, -1, -2, -3, 1, 1, -1, -1)

_MAX_ITERATIONS = 500  # about 12 in a tank, several tens near pH 11
_MAX_STEP = 0.5
_TINY = 1e-30


def _phosphate(constants, total, act, cations):
    """Return (alkalinity, slope, charge^2 sum, bound per free Ca, Mg, K, Na, HPO4 activity)."""
    b1, b2, b3, ca3, mg3, ca2, mg2, k2, na2, ca1, mg1 = constants
    h, i1, i2, i3, g1, g2 = act
    ca, mg, k, na = cations
    paired3 = (ca3 * ca + mg3 * mg) * i1
    w3 = i3 + paired3
    free2 = h * b1 * i2
    pair2 = h * (k2 * k + na2 * na) * i1
    w2 = free2 + pair2 + h * (ca2 * ca + mg2 * mg)
    w1 = h * h * i1 * (b2 + ca1 * ca + mg1 * mg)
    whole = w3 + w2 + w1 + b3 * h * h * h
    x = total / whole
    weight = w1 + 2.0 * w2 + 3.0 * w3
    alkalinity = x * weight
    slope = x * (w1 + 4.0 * w2 + 9.0 * w3) - alkalinity * weight / whole
    squares = x * (9.0 * i3 + paired3 + 4.0 * free2 + pair2 + w1)
    bound_ca = x * g2 * (ca3 * i1 + h * (ca2 + h * ca1 * i1))
    bound_mg = x * g2 * (mg3 * i1 + h * (mg2 + h * mg1 * i1))
    return (alkalinity, slope, squares, bound_ca, bound_mg, x * h * k2, x * h * na2, x * h * b1)


def _carbonate(constants, total, gas, act, cations):
    """Return (alkalinity, slope, charge^2 sum, bound per free Ca, Mg, CO2, C); `gas` fixes CO2."""
    b1, b2, ca0, mg0, ca1, mg1 = constants
    h, i1, i2, _, _, g2 = act
    ca, mg = cations[0], cations[1]
    pair1 = h * i1 * (ca1 * ca + mg1 * mg)
    w2 = i2 + ca0 * ca + mg0 * mg
    # A pair of HCO3 with Ca counts as one proton deficit, like HCO3 itself.
    w1 = h * b1 * i1 + pair1
    w0 = b2 * h * h
    whole = w2 + w1 + w0
    weight = w1 + 2.0 * w2
    x = total / whole if gas is None else gas / w0
    alkalinity = x * weight
    slope = x * (w1 + 4.0 * w2)
    if gas is None:
        slope -= alkalinity * weight / whole
    squares = x * (4.0 * i2 + w1)
    bound_ca = x * g2 * (ca0 + h * i1 * ca1)
    bound_mg = x * g2 * (mg0 + h * i1 * mg1)
    return alkalinity, slope, squares, bound_ca, bound_mg, x * w0, x * whole


class Solution:
    """Water with its dissolved totals, in mol per kg of water, in the order of IONS.

    With `gas_atm` None the inorganic carbon is given; a number holds CO2 in equilibrium with that
    pressure and makes the C total a result. `solve` sets `ph`, `co2` (mol/kg dissolved), `carbon`
    (mol/kg) and `si_brushite`.
    """

    def __init__(self, table=None):
        self._table = table or EquilibriaTable()
        self.totals = [0.0] * 10
        self.temp_c = 25.0
        self.gas_atm = None
        self._at_25_c = self._equilibria = self._table.at(25.0)
        self.chill()

    def chill(self):
        """Discard the last result: the next solve starts cold."""
        self.ph = 7.0
        self.co2 = self.carbon = self.hpo4 = self.sulfate = 0.0
        self._ca = self._mg = self._k = self._na = 0.0
        self._ionic = -1.0

    def warm(self):
        """Return the nine floats of a warm start, for `rewarm`."""
        return [self.ph, self._ionic, self._ca, self._mg, self._k, self._na, self.sulfate,
                self.co2, self.hpo4]

    def rewarm(self, values):
        """Restore the floats that `warm` returned."""
        (self.ph, self._ionic, self._ca, self._mg, self._k, self._na, self.sulfate, self.co2,
         self.hpo4) = values

    def set(self, totals, temp_c):
        """Set totals (mol/kg, by reference) and temperature.

        Raises ValueError for negative totals and for temperatures outside -1..60 C.
        """
        if min(totals) < 0.0:
            raise ValueError("totals: negative " + IONS[totals.index(min(totals))])
        self.put(totals, temp_c)

    def put(self, totals, temp_c):
        """Set totals and temperature without the checks of `set`."""
        self.totals = totals
        self.temp_c = temp_c
        self._equilibria = self._table.at(temp_c)

    def solve(self, tolerance=1e-6):
        """Return the pH; iterate until its step is below `tolerance`.

        The default balances charges within 1e-8 eq/kg, 1e-9 within 1e-11. Raises ValueError if
        the iteration does not converge.
        """
        if self._ionic < 0.0:
            self.start()
        for _ in range(_MAX_ITERATIONS):
            step, drift = self.iterate()
            if -tolerance < step < tolerance and drift < 100.0 * tolerance:
                return self.ph
        raise ValueError(f"no charge balance: {self.totals} at {self.temp_c} C")

    def start(self):
        """Guess free cations and ionic strength from the totals, for a cold solve."""
        totals = self.totals
        self._ca, self._mg = totals[CA], totals[MG]
        self._k, self._na = totals[K], totals[NA]
        self._ionic = 0.5 * (
            totals[K] + totals[NA] + totals[NH4] + totals[NO3] + totals[CL] + totals[P]
            + 4.0 * (totals[CA] + totals[MG] + totals[SO4]))

    def henry(self):
        """Return the solubility of CO2, mol/kg/atm."""
        return self._equilibria.henry

    def ionic_strength(self):
        """Return the ionic strength, mol/kg."""
        return self._ionic

    def equilibria(self, at_25_c):
        """Return the constants at the solution's temperature, or those at 25 C."""
        return self._at_25_c if at_25_c else self._equilibria

    def _activities(self):
        root = math.sqrt(self._ionic)
        log_g1 = -self._equilibria.davies * (root / (1.0 + root) - 0.3 * self._ionic)
        g1 = math.exp(log_g1)
        g2 = g1 * g1
        g2 *= g2
        g3 = g2 * g2 * g1
        return math.exp(-LN10 * self.ph), 1.0 / g1, 1.0 / g2, 1.0 / g3, g1, g2

    def _sulfate_groups(self, act):
        """Return (acid, slope, charge^2 sum, bound per free Ca, Mg, K, Na); NH3 counts as base."""
        hso4, ca, mg, kk, na, nh4 = self._equilibria.sulfate
        totals = self.totals
        h, i1, i2, _, g1, g2 = act
        y = self.sulfate
        ratio = self._equilibria.ammonia * g1 / h
        others = 1.0 + nh4 * y
        free_nh4 = totals[NH4] / (others + ratio)
        ones = kk * self._k + na * self._na + nh4 * free_nh4
        proton = hso4 * h * i1
        whole = i2 + ones + proton + g2 * (ca * self._ca + mg * self._mg)
        self.sulfate = y = totals[SO4] / whole
        acid, base = y * proton, ratio * free_nh4
        slope = acid * (1.0 - proton / whole) + base * (others / (others + ratio))
        squares = y * (4.0 * i2 + ones + proton) + free_nh4
        return acid - base, slope, squares, y * g2 * ca, y * g2 * mg, y * kk, y * na

    def iterate(self):
        """Do one step of `solve`; return (change of pH, relative change of slower unknowns)."""
        equilibria, totals = self._equilibria, self.totals
        act = self._activities()
        h, i1, _, _, g1, g2 = act
        cations = (self._ca * g2, self._mg * g2, self._k * g1, self._na * g1)
        s_acid, slope, squares, s_ca, s_mg, s_k, s_na = self._sulfate_groups(act)
        gas = None if self.gas_atm is None else self.gas_atm * equilibria.henry
        c_alk, c_slope, c_sq, c_ca, c_mg, self.co2, self.carbon = _carbonate(
            equilibria.carbonate, totals[C], gas, act, cations)
        p_alk, p_slope, p_sq, p_ca, p_mg, p_k, p_na, self.hpo4 = _phosphate(
            equilibria.phosphate, totals[P], act, cations)
        acid, base = h * i1, equilibria.water / h * i1
        oh_ca, oh_mg = equilibria.hydroxide
        oh_ca, oh_mg = oh_ca * g2 * i1 / h, oh_mg * g2 * i1 / h
        paired = oh_ca * self._ca + oh_mg * self._mg
        balance = (
            totals[K] + totals[NA] + totals[NH4] + 2.0 * (totals[CA] + totals[MG] - totals[SO4])
            - totals[NO3] - totals[CL] + acid - base - paired + s_acid - c_alk - p_alk)
        slope += acid + base + paired + c_slope + p_slope
        squares += c_sq + p_sq + acid + base + paired + totals[NO3] + totals[CL]
        # Ca and Mg compete for phosphate: without the second term of each, convergence is slow
        # when both are mostly paired.
        phosphate = totals[P] + _TINY
        drift = self._update(
            squares, (c_ca + p_ca + s_ca + oh_ca, p_ca * p_ca / phosphate),
            (c_mg + p_mg + s_mg + oh_mg, p_mg * p_mg / phosphate), s_k + p_k, s_na + p_na)
        step = self._limited(balance / (LN10 * slope))
        self.ph = self.ph + step
        return step, drift

    def _limited(self, step):
        return min(max(step, -_MAX_STEP), _MAX_STEP)

    def _update(self, squares, bound_ca, bound_mg, bound_k, bound_na):
        """Set free cations and ionic strength; return the largest relative change."""
        totals = self.totals
        whole_ca, whole_mg = 1.0 + bound_ca[0], 1.0 + bound_mg[0]
        d_ca = (totals[CA] / whole_ca - self._ca) / (1.0 - self._ca * bound_ca[1] / whole_ca)
        d_mg = (totals[MG] / whole_mg - self._mg) / (1.0 - self._mg * bound_mg[1] / whole_mg)
        self._ca = self._ca + d_ca
        self._mg = self._mg + d_mg
        self._k = totals[K] / (1.0 + bound_k)
        self._na = totals[NA] / (1.0 + bound_na)
        ionic = 0.5 * (squares + self._k + self._na + 4.0 * (self._ca + self._mg))
        drift = (abs(d_ca) + abs(d_mg) + abs(ionic - self._ionic)) / ionic
        self._ionic = ionic
        return drift

    def si_brushite(self):
        """Return the saturation index of CaHPO4.2H2O, -99.99 without calcium or phosphate."""
        product = self.brushite_product()
        if product < _TINY:
            return -99.99
        return math.log(product) / LN10 - BRUSHITE_LOG_K

    def brushite_product(self):
        """Return the product of the activities of Ca and HPO4."""
        _, _, _, _, _, g2 = self._activities()
        return self._ca * g2 * self.hpo4

    def activities(self):
        """Return the activities of H, K, NH4, Ca, Mg, SO4, CO3, HPO4 and PO4, by name."""
        species = self.charged()
        h, _, _, i3, g1, g2 = self._activities()
        return {"H": h, "K": species[0] * g1, "NH4": species[2] * g1, "Ca": species[3] * g2,
                "Mg": species[4] * g2, "SO4": species[7] * g2, "CO3": species[11] * g2,
                "HPO4": species[13] * g2, "PO4": species[14] / i3}

    def charged(self):
        """Return the molality of every charged species, mol/kg, in the order of SPECIES."""
        equilibria, totals = self._equilibria, self.totals
        h, i1, i2, i3, g1, g2 = self._activities()
        ca, mg, y = self._ca * g2, self._mg * g2, self.sulfate
        hso4, _, _, k_so4, na_so4, nh4_so4 = equilibria.sulfate
        nh4 = totals[NH4] / (1.0 + equilibria.ammonia * g1 / h + nh4_so4 * y)
        b1, b2, _, _, ca1, mg1 = equilibria.carbonate
        x = self.co2 / (b2 * h * h)
        p1, p2, _, ca3, mg3, _, _, k_po4, na_po4, ca_po4, mg_po4 = equilibria.phosphate
        z = self.hpo4 / (h * p1)
        oh_ca, oh_mg = equilibria.hydroxide
        bicarbonates = i1 * h * x * (ca1 * ca + mg1 * mg)
        others = i1 * (h * h * z * (ca_po4 * ca + mg_po4 * mg) + (oh_ca * ca + oh_mg * mg) / h)
        phosphates = z * i1 * (
            h * g1 * (k_po4 * self._k + na_po4 * self._na) + ca3 * ca + mg3 * mg)
        sulfates = y * (hso4 * h * i1 + k_so4 * self._k + na_so4 * self._na + nh4_so4 * nh4)
        return (
            self._k, self._na, nh4, self._ca, self._mg, totals[NO3], totals[CL], y * i2,
            h * i1, equilibria.water / h * i1, x * h * b1 * i1, x * i2,
            z * h * h * p2 * i1, self.hpo4 * i2, z * i3, bicarbonates, others, phosphates,
            sulfates,
        )

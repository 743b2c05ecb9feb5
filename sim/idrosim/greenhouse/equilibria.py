"""Equilibrium constants of water, acids and ion pairs, and ion mobilities, by temperature.

log K(T) and diffusion coefficients are from USGS phreeqc.dat and Amm.dat (public domain):
analytic expressions for water, the carbonate system, ammonia and sulfate; van't Hoff with the
listed enthalpy elsewhere. Two are corrected towards measurements in the cold: the second
dissociation of phosphoric acid, and the mobilities of K and Cl. Valid 0 to 50 C.
Permittivity: Malmberg and Maryott 1956. Viscosity: IAPWS R12-08. Constants are computed on a grid
of 1/64 C, so they depend on the temperature only, not on earlier calls.
"""

import math

GRID_PER_C = 64
LN10 = math.log(10.0)
_GAS_J = 8.31446262
_FARADAY = 96485.332
_CHARGE_C = 1.602176634e-19
_BOLTZMANN_J_K = 1.380649e-23
_AVOGADRO = 6.02214076e23
_VACUUM_F_M = 8.8541878e-12
_KCAL_J = 4184.0

# name: (A1, A2, A3, A4, A5) of log K = A1 + A2 T + A3/T + A4 log10 T + A5/T^2, T in kelvin.
_ANALYTIC = {
    "hco3": (107.8871, 0.03252849, -5151.79, -38.92561, 563713.9),
    "co2": (464.1965, 0.09344813, -26986.16, -165.75951, 2248628.9),
    "co2_gas": (108.3865, 0.01985076, -6919.53, -40.45154, 669365.0),
    "hso4": (-56.889, 0.006473, 2307.9, 19.8858, 0.0),
    "nh3": (0.6322, -0.001225, -2835.76, 0.0, 0.0),
    "mgso4": (0.0, 9.64e-3, -136.0, 0.0, 0.0),
    "kso4": (-3.0246, 9.986e-3, 0.0, 0.0, 1.093e5),
    "naso4": (255.903, 0.10057, 0.0, -111.138, -8.5983e5),
    "cahco3": (-6.009, 3.377e-2, 2044.0, 0.0, 0.0),  # from CO3, as in the database
    "mghco3": (48.6721, 0.03252849, -2614.335, -18.00263, 563713.9),
    "caco3": (-1228.732, -0.299440, 35512.75, 485.818, 0.0),
    "mgco3": (0.9910, 0.00667, 0.0, 0.0, 0.0),
}

# name: (log K at 25 C, enthalpy J/mol)
_VANT_HOFF = {
    "hpo4": (12.346, -3.53 * _KCAL_J),
    "h2po4": (19.553, -4.52 * _KCAL_J),
    "h3po4": (21.721, -10100.0),
    "cahpo4": (2.739, 3.3 * _KCAL_J),
    "mghpo4": (2.87, 3.3 * _KCAL_J),
    "cah2po4": (1.408, 3.4 * _KCAL_J),
    "mgh2po4": (1.513, 3.4 * _KCAL_J),
    "capo4": (6.459, 3.1 * _KCAL_J),
    "mgpo4": (6.589, 3.1 * _KCAL_J),
    "khpo4": (0.29, 0.0),
    "caso4": (2.25, 1.325 * _KCAL_J),
    "nh4so4": (1.211, 8560.0),
    "nahpo4": (0.29, 0.0),
    "caoh": (-12.78, 0.0),  # Ca + H2O = CaOH + H
    "mgoh": (-11.44, 15.952 * _KCAL_J),
}

BRUSHITE_LOG_K = -6.59

# Heat capacity of the uptake of the second proton, J/mol/K. Measured: 230 (Goldberg et al. 2002).
# Half of that lies between their curve and the databases' line, and within 0.03 pH of the NIST
# phosphate buffer from 0 to 40 C.
_HEAT_CAPACITY = {"h2po4": 115.0, "h3po4": 115.0}

# Ion: (diffusion at 25 C in 1e-9 m2/s, temperature coefficient b in kelvin, charge number,
# distance of closest approach in 1e-10 m for the conductance). Pairs of phosphate and hydroxide
# have no measured mobility and count as 0, as in the database. K and Cl follow Robinson and Stokes
# 1959 with a second coefficient, in kelvin^2: in the database KCl is 2 % too slow at 0 C.
_MOBILE = (
    ("K", 1.96, 307.0, 1, 3.48), ("Na", 1.33, 75.0, 1, 3.63), ("NH4", 1.98, 203.0, 1, 1.9),
    ("Ca", 0.792, 34.0, 2, 5.41), ("Mg", 0.705, -4.0, 2, 5.57), ("NO3", 1.90, 104.0, 1, 1.11),
    ("Cl", 2.033, 232.0, 1, 3.16), ("SO4", 1.07, -114.0, 2, 17.0), ("H", 9.31, 838.0, 1, 6.7),
    ("OH", 5.27, 478.0, 1, 0.87), ("HCO3", 1.18, -190.0, 1, 11.4),
    ("CO3", 0.955, -103.0, 2, 2.25), ("H2PO4", 0.846, 0.0, 1, 3.5), ("HPO4", 0.69, 0.0, 2, 3.5),
    ("PO4", 0.612, 0.0, 3, 3.5), ("HCO3 pairs+", 0.5, 0.0, 1, 3.5),
    ("other pairs+", 0.0, 0.0, 1, 3.5), ("PO4 pairs-", 0.0, 0.0, 1, 3.5),
    ("SO4 pairs-", 0.95, 50.0, 1, 8.5),
)
_CURVATURE = {"K": 1.24e5, "Cl": 6.4e4}
APPROACH = tuple(row[4] for row in _MOBILE)
IS_MOBILE = tuple(row[1] > 0.0 for row in _MOBILE)

_CACHE_SIZE = 8


def permittivity(temp_c):
    """Return the relative permittivity of water (Malmberg and Maryott 1956)."""
    return 87.740 - temp_c * (0.40008 - temp_c * (9.398e-4 - temp_c * 1.410e-6))


def viscosity_pa_s(temp_c):
    """Return the viscosity of water at 0.1 MPa (IAPWS R12-08, section 3)."""
    ratio = (temp_c + 273.15) / 300.0
    return 1e-6 * (
        280.68 * ratio**-1.9 + 511.45 * ratio**-7.7 + 61.131 * ratio**-19.6 + 0.45903 * ratio**-40)


def density_kg_l(temp_c):
    """Return the density of air-free water at 1 atm (Kell 1975)."""
    t = temp_c
    above = 999.83952 + t * (16.945176 + t * (-7.9870401e-3 + t * (
        -4.6170461e-5 + t * (1.0556302e-7 - t * 2.8054253e-10))))
    return 1e-3 * above / (1.0 + 1.687985e-2 * t)


def _power(log_k):
    return math.exp(LN10 * log_k)


def _log_k(name, kelvin):
    if name in _ANALYTIC:
        a1, a2, a3, a4, a5 = _ANALYTIC[name]
        log_t = math.log(kelvin) / LN10
        return a1 + a2 * kelvin + a3 / kelvin + a4 * log_t + a5 / (kelvin * kelvin)
    log_k, enthalpy = _VANT_HOFF[name]
    bent = _HEAT_CAPACITY.get(name, 0.0) * (298.15 / kelvin - 1.0 + math.log(kelvin / 298.15))
    return log_k - (enthalpy * (1.0 / kelvin - 1.0 / 298.15) - bent) / (LN10 * _GAS_J)


def _water_log_k(kelvin):
    log_t = math.log(kelvin) / LN10
    return (293.29227 + 0.1360833 * kelvin - 10576.913 / kelvin - 123.73158 * log_t
            - 6.996455e-5 * kelvin * kelvin)


class Equilibria:
    """Constants at one temperature, multiplied out for the solver."""

    def __init__(self, temp_c):
        kelvin = temp_c + 273.15
        value = {}
        for table in (_ANALYTIC, _VANT_HOFF):
            for name in table:
                value[name] = _power(_log_k(name, kelvin))
        self.water = _power(_water_log_k(kelvin))
        self.davies = 1.8246e6 / (permittivity(temp_c) * kelvin) ** 1.5 * LN10
        self.henry = value["co2_gas"]
        self.ammonia = value["nh3"]
        hpo4, h2po4 = value["hpo4"], value["h2po4"]
        self.phosphate = (
            hpo4, h2po4, value["h3po4"], value["capo4"], value["mgpo4"],
            hpo4 * value["cahpo4"], hpo4 * value["mghpo4"], hpo4 * value["khpo4"],
            hpo4 * value["nahpo4"], h2po4 * value["cah2po4"], h2po4 * value["mgh2po4"],
        )
        self.hydroxide = (value["caoh"], value["mgoh"])
        self.carbonate = (
            value["hco3"], value["co2"], value["caco3"], value["mgco3"],
            value["cahco3"], value["mghco3"])
        self.sulfate = (
            value["hso4"], value["caso4"], value["mgso4"], value["kso4"], value["naso4"],
            value["nh4so4"])
        self.conductance = _conductance(temp_c)
        self.onsager = _onsager(temp_c)


def _conductance(temp_c):
    """Return the limiting conductance of each row of _MOBILE, S cm2/mol per unit charge."""
    cold = 1.0 / (temp_c + 273.15) - 1.0 / 298.15
    common = 1e-5 * _FARADAY * _FARADAY / (_GAS_J * 298.15)
    common *= viscosity_pa_s(25.0) / viscosity_pa_s(temp_c)
    return tuple(
        common * charge * diffusion * math.exp(cold * (b + _CURVATURE.get(name, 0.0) * cold))
        for name, diffusion, b, charge, _ in _MOBILE)


def _onsager(temp_c):
    """Return coefficients of the square root of ionic strength (mol/kg).

    (1 / Debye length in 1/1e-10 m, relaxation of a symmetric salt without its q factor,
    electrophoresis in S cm2/mol per charge, uS/cm per S cm2/mol and mol/kg).
    """
    kelvin, density = temp_c + 273.15, density_kg_l(temp_c)
    farad_m = _VACUUM_F_M * permittivity(temp_c)
    debye = _CHARGE_C * math.sqrt(
        2000.0 * _AVOGADRO * density / (farad_m * _BOLTZMANN_J_K * kelvin))
    common = _CHARGE_C * _CHARGE_C / (6.0 * math.pi) * debye
    relaxation = common / (2.0 * farad_m * _BOLTZMANN_J_K * kelvin)
    electrophoresis = 1e4 * common * _AVOGADRO / viscosity_pa_s(temp_c)
    return debye * 1e-10, relaxation, electrophoresis, 1000.0 * density * density


class EquilibriaTable:
    """Caches the last `size` temperatures; a tank changes by less than a grid step per minute."""

    def __init__(self, size=_CACHE_SIZE):
        self._cache = {}
        self._size = size

    def at(self, temp_c):
        """Return Equilibria at `temp_c`, rounded to the grid. Raises ValueError outside -1..60."""
        if not -1.0 <= temp_c <= 60.0:
            raise ValueError(f"temp_c {temp_c}: outside -1..60")
        slot = int(temp_c * GRID_PER_C + 64.5)
        found = self._cache.get(slot)
        if found is None:
            if len(self._cache) >= self._size:
                self._cache.clear()
            found = self._cache[slot] = Equilibria((slot - 64) / GRID_PER_C)
        return found

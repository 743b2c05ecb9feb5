"""Model of dissolved oxygen: exchange with air, and demand of roots and microbes.

Saturation is Benson and Krause 1984, with the salinity and pressure terms of Standard Methods
4500-O. Roots respire with a Q10 of 2, less as oxygen runs out. Crop damage is not modelled.
"""

import math

# Of ln mg/L = A0 + A1/T + A2/T^2 + A3/T^3 + A4/T^4, T in kelvin, in fresh water.
_LN_MG_L = (-139.34411, 1.575701e5, -6.642308e7, 1.243800e10, -8.621949e11)
_SEA_HPA = 1013.25
_G_KG_PER_US_CM = 5.5e-4  # dissolved salts of a nutrient solution per EC at 25 C
_KM_MG_L = 0.5
_LN_2 = math.log(2.0)
KLA_RATIO = 1.05  # to that of CO2: the square root of the ratio of diffusion coefficients


def saturation_mg_l(temp_c, ec_us_cm=0.0, pressure_hpa=_SEA_HPA):
    """Return the O2 saturation under moist air, mg/L, 0 to 40 C. Default: fresh, sea level."""
    inverse = 1.0 / (temp_c + 273.15)
    total = 0.0
    for factor in reversed(_LN_MG_L):
        total = total * inverse + factor
    salts = _G_KG_PER_US_CM * ec_us_cm
    total -= salts * (0.017674 + inverse * (-10.754 + 2140.7 * inverse))
    if pressure_hpa == _SEA_HPA:
        return math.exp(total)
    high = pressure_hpa / _SEA_HPA
    vapour = math.exp(11.8571 + inverse * (-3840.7 - 216961.0 * inverse))
    theta = 0.000975 + temp_c * (-1.426e-5 + temp_c * 6.436e-8)
    damped = (1.0 - vapour / high) * (1.0 - theta * high) / ((1.0 - vapour) * (1.0 - theta))
    return math.exp(total) * high * damped


class Oxygen:
    """`mg_l` dissolved in the tank. `params` are the plant's, `reservoir.*` and `crop.*`."""

    def __init__(self, params, temp_c):
        self.mg_l = params["reservoir.oxygen_ratio"] * saturation_mg_l(
            temp_c, 0.0, params["air.pressure_hpa"])
        self._aim_mg_l = self.mg_l
        self._microbes_mg_l_s = self._roots_mg_s = 0.0

    def drive(self, params, temp_c, ec_us_cm, root_g):
        """Set the conditions of the next steps: temperature, EC and the dry mass of roots, g."""
        self._aim_mg_l = saturation_mg_l(temp_c, ec_us_cm, params["air.pressure_hpa"])
        warmer = math.exp(_LN_2 * 0.1 * (temp_c - 20.0)) / 3600.0
        self._microbes_mg_l_s = warmer * params["reservoir.microbe_o2_mg_l_h"]
        self._roots_mg_s = warmer * params["crop.root_o2_mg_g_h"] * root_g

    def step(self, dt_s, kla_per_s, volume_ml):
        """Advance by `dt_s`; `kla_per_s` is that of CO2."""
        gain = KLA_RATIO * kla_per_s
        demand = self._microbes_mg_l_s + 1e3 * self._roots_mg_s / volume_ml
        rate = gain + demand / (self.mg_l + _KM_MG_L)
        if rate <= 0.0:
            return
        aim = gain * self._aim_mg_l / rate
        self.mg_l = aim + (self.mg_l - aim) * math.exp(-dt_s * rate)

    def pour(self, volume_ml, temp_c, total_ml, pressure_hpa):
        """Mix in `volume_ml` of air-saturated tap water; `total_ml` is the new total."""
        brought = saturation_mg_l(temp_c, 0.0, pressure_hpa)
        self.mg_l += (brought - self.mg_l) * volume_ml / total_ml

    def state(self):
        """Return the floats that `restore` takes back."""
        return [self.mg_l, self._aim_mg_l, self._microbes_mg_l_s, self._roots_mg_s]

    def restore(self, floats):
        """Restore what `state` returned."""
        self.mg_l, self._aim_mg_l, self._microbes_mg_l_s, self._roots_mg_s = floats

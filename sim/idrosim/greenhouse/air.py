"""Air around the crop: one well-mixed volume with lamps, leaves, leaks, fan, heater and mist.

Saturation pressure is the WMO Magnus form (within 0.31 % of IAPWS from 0 to 40 C). Both states,
temperature and water vapour, relax exponentially, so any step is stable.
"""

import math

GAMMA_PA_K = 66.5  # psychrometric constant at sea level

_VAPOUR_J_KG_K = 461.5
_AIR_HEAT_J_M3_K = 1.2 * 1005.0


def saturation_pa(temp_c):
    """Return the saturation vapour pressure over water, Pa (WMO Magnus)."""
    return 611.2 * math.exp(17.62 * temp_c / (243.12 + temp_c))


def saturation_slope_pa_k(temp_c):
    """Return the derivative of the saturation pressure, Pa/K."""
    return saturation_pa(temp_c) * 17.62 * 243.12 / (243.12 + temp_c) ** 2


def vapour_kg_m3(temp_c, rh_pct):
    """Return the density of water vapour, kg/m3."""
    return 0.01 * rh_pct * saturation_pa(temp_c) / (_VAPOUR_J_KG_K * (temp_c + 273.15))


class Air:
    """`temp_c` and `vapour` (kg/m3) of the room; `params` are the plant's, keys `air.*`."""

    def __init__(self, params, outside_temp_c):
        self.temp_c = outside_temp_c
        self.vapour = vapour_kg_m3(outside_temp_c, params["outside.rh_pct"])
        self.configure(params, 0.0)
        self.drive(outside_temp_c, 0.0, 0.0)

    def configure(self, params, fan_per_h):
        """Set size, walls and leaks from `params`; the fan adds `fan_per_h` air changes."""
        self._volume_m3 = params["air.volume_m3"]
        per_s = (params["air.exchanges_per_h"] + fan_per_h) / 3600.0
        self._loss_w_k = params["air.ua_w_k"] + per_s * self._volume_m3 * _AIR_HEAT_J_M3_K
        self._heat_rate = self._loss_w_k / params["air.heat_capacity_j_k"]
        self._vapour_rate = max(per_s, 1e-6)
        self._outside_rh_pct = params["outside.rh_pct"]

    def drive(self, outside_temp_c, heat_w, evaporated_kg_s):
        """Set the equilibrium of the next steps: weather, heat input and evaporated water."""
        self._aim_c = outside_temp_c + heat_w / self._loss_w_k
        self._aim_vapour = vapour_kg_m3(outside_temp_c, self._outside_rh_pct) + (
            evaporated_kg_s / (self._vapour_rate * self._volume_m3))
        self.vapour = min(self.vapour, vapour_kg_m3(self.temp_c, 100.0))

    def step(self, dt_s):
        """Advance by `dt_s`."""
        aim = self._aim_c
        self.temp_c = aim + (self.temp_c - aim) * math.exp(-dt_s * self._heat_rate)
        aim = self._aim_vapour
        self.vapour = aim + (self.vapour - aim) * math.exp(-dt_s * self._vapour_rate)

    def state(self):
        """Return the four floats that `restore` takes back."""
        return [self.temp_c, self.vapour, self._aim_c, self._aim_vapour]

    def restore(self, floats):
        """Restore what `state` returned."""
        self.temp_c, self.vapour, self._aim_c, self._aim_vapour = floats

    def pressure_pa(self):
        """Return the vapour pressure, Pa."""
        return self.vapour * _VAPOUR_J_KG_K * (self.temp_c + 273.15)

    def rh_pct(self):
        """Return the relative humidity, 0..100."""
        return min(100.0, 100.0 * self.pressure_pa() / saturation_pa(self.temp_c))

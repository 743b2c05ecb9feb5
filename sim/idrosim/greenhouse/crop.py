"""Model of a lettuce canopy: growth, transpiration and nutrient uptake, as pure functions.

Growth is van Henten's two-state model (1994: structural and non-structural dry weight, g/m2).
Transpiration is Stanghellini's big leaf as Graamans et al. 2017 use it for lettuce. Uptake is the
mass balance of Langenfeld et al. 2022: tissue concentration times growth, limited by
Michaelis-Menten at low concentrations; calcium follows the water.
"""

import math

from idrosim.greenhouse.air import GAMMA_PA_K, saturation_pa, saturation_slope_pa_k
from idrosim.greenhouse.chemistry import CA, MG, NH4, NO3, SO4, K, P

# Van Henten 1994.
_CO2_TO_SUGAR = 0.68
_YIELD = 0.8
_GROWTH_MAX = 5e-6
_ROOT_SHARE = 0.07
_EXTINCTION = 0.9
_LEAF_AREA_M2_G = 75e-3
_LIGHT_USE_G_J = 17e-6
_COMPENSATION_PPM = 40.0
_BOUNDARY_M_S = 0.004
_STOMATAL_M_S = 0.007
_CO2_G_M3_PPM = 1.83e-3
_LN_2 = math.log(2.0)
_LN_1_6 = math.log(1.6)

LATENT_J_KG = 2.45e6
_AIR_HEAT_J_M3_K = 1.2 * 1005.0
_BOUNDARY_S_M = 100.0
_NIGHT_S_M = 450.0
_REFLECTED = 0.05
_LAI_ACTIVE = 4.0  # leaves below this depth are shaded and do not transpire

PAR_UMOL_J = 4.9  # of white LED light

# Tissue, mol per g of dry matter (fraction of dry matter / molar mass).
_N_MOL_G = 0.045 / 14.007
_TISSUE = ((K, 0.065 / 39.098, 20e-6), (MG, 0.004 / 24.305, 20e-6), (P, 0.0055 / 30.974, 5e-6),
           (SO4, 0.003 / 32.06, 20e-6))
_CA_MOL_L = 0.012 / 40.078 * 4.0  # at 4 g of dry matter per litre transpired
_TINY = 1e-30
_KM_NO3, _KM_NH4, _KM_CA = 9.5e-6, 30e-6, 20e-6


def leaf_area_index(structural_g_m2):
    """Return the leaf area per table area, m2/m2."""
    return _LEAF_AREA_M2_G * (1.0 - _ROOT_SHARE) * structural_g_m2


def _photosynthesis(par_w_m2, co2_ppm, temp_c):
    """Return gross CO2 uptake of a closed canopy, g/m2/s."""
    compensation = _COMPENSATION_PPM * math.exp(_LN_2 * 0.1 * (temp_c - 20.0))
    if par_w_m2 <= 0.0 or co2_ppm <= compensation:
        return 0.0
    carboxylation = -1.32e-5 * temp_c * temp_c + 5.94e-4 * temp_c - 2.64e-3
    if carboxylation <= 0.0:
        return 0.0
    path = 1.0 / (1.0 / _BOUNDARY_M_S + 1.0 / _STOMATAL_M_S + 1.0 / carboxylation)
    free = co2_ppm - compensation
    light = _LIGHT_USE_G_J * free / (co2_ppm + 2.0 * compensation) * par_w_m2
    dark = path * _CO2_G_M3_PPM * free
    return light * dark / (light + dark)


def root_g_m2(structural):
    """Return the dry mass of the roots for `structural` dry matter, both g/m2."""
    return _ROOT_SHARE * structural


def growth(nonstructural, structural, par_w_m2, co2_ppm, temp_c):
    """Return (d non-structural, d structural) in g/m2/s for the two dry weights in g/m2."""
    rate = _GROWTH_MAX * nonstructural / (structural + nonstructural)
    rate *= math.exp(_LN_1_6 * 0.1 * (temp_c - 20.0))
    respiration = (3.47e-7 * (1.0 - _ROOT_SHARE) + 1.16e-7 * _ROOT_SHARE) * structural
    respiration *= math.exp(_LN_2 * 0.1 * (temp_c - 25.0))
    cover = 1.0 - math.exp(-_EXTINCTION * leaf_area_index(structural))
    gain = _CO2_TO_SUGAR * cover * _photosynthesis(par_w_m2, co2_ppm, temp_c)
    made = rate * structural
    return gain - made - respiration - (1.0 - _YIELD) / _YIELD * made, made


def transpiration_kg_m2_s(leaf_area, ppfd_umol_m2_s, temp_c, vapour_pa):
    """Return the transpiration of the canopy, kg/m2/s."""
    lai = min(leaf_area, _LAI_ACTIVE)
    if lai <= 0.0:
        return 0.0
    stomata = _NIGHT_S_M
    if ppfd_umol_m2_s > 1.0:
        stomata = 60.0 * (1500.0 + ppfd_umol_m2_s) / (200.0 + ppfd_umol_m2_s)
    net = (1.0 - _REFLECTED) * (1.0 - math.exp(-_EXTINCTION * lai))
    net *= ppfd_umol_m2_s / PAR_UMOL_J
    slope = saturation_slope_pa_k(temp_c)
    deficit = max(saturation_pa(temp_c) - vapour_pa, 0.0)
    heat = slope * net + 2.0 * lai * _AIR_HEAT_J_M3_K * deficit / _BOUNDARY_S_M
    return heat / (slope + GAMMA_PA_K * (1.0 + stomata / _BOUNDARY_S_M)) / LATENT_J_KG


def uptake_mol_s(grown_g_s, transpired_l_s, molar):
    """Return the root uptake from a solution of `molar` mol/L: pairs (index of the ion, mol/s)."""
    nitrogen = _N_MOL_G * grown_g_s
    nh4, no3 = molar[NH4], molar[NO3]
    preferred = 3.0 * nh4 / (3.0 * nh4 + no3 + _TINY)
    reduced = nitrogen * preferred * nh4 / (nh4 + _KM_NH4)
    taken = [(NH4, reduced), (NO3, (nitrogen - reduced) * no3 / (no3 + _KM_NO3))]
    for ion, tissue, half in _TISSUE:
        taken.append((ion, tissue * grown_g_s * molar[ion] / (molar[ion] + half)))
    taken.append((CA, _CA_MOL_L * transpired_l_s * molar[CA] / (molar[CA] + _KM_CA)))
    return taken

"""Tests of every row of the oracle tables of air, oxygen and growth, within its tolerance."""

import math

from idrosim.greenhouse.air import GAMMA_PA_K, saturation_pa, vapour_kg_m3
from idrosim.greenhouse.crop import growth
from idrosim.greenhouse.oxygen import saturation_mg_l
from support.lettuce_growth import growth_curve
from support.oracle_tables import number, rows

SATURATION = 0.005
_PRESSURE_PA = 101_325.0


def close(found, expected, relative, absolute=0.0):
    return abs(found - expected) <= relative * abs(expected) + absolute


def test_saturation_pressure():
    count = 0
    for row in rows("sat_vapour_pressure.csv"):
        found = saturation_pa(number(row["temp_C"]))
        assert close(found, number(row["IAPWS_IF97_Pa"]), SATURATION), row
        assert close(found, number(row["psychrolib_ASHRAE_Pa"]), SATURATION), row
        assert close(found, number(row["Magnus_WMO_Pa"]), 0.0, 0.0051), row
        count += 1
    assert count == 51


def test_moist_air():
    """Deficit, dew point, wet bulb and humidity ratio, each through the saturation pressure."""
    count = 0
    for row in rows("psychrometrics.csv"):
        temp_c, rh_pct = number(row["temp_C"]), number(row["RH_pct"])
        whole = saturation_pa(temp_c)
        vapour = 0.01 * rh_pct * whole
        assert close(whole - vapour, number(row["VPD_Pa"]), SATURATION), row
        dew_c = number(row["dewpoint_C"])
        if dew_c > 0.0:  # skips two rows with frost, over ice
            assert close(saturation_pa(dew_c), vapour, SATURATION), row
        wet_c = number(row["wetbulb_C"])
        by_bulb = saturation_pa(wet_c) - GAMMA_PA_K * (temp_c - wet_c)
        assert close(by_bulb, vapour, SATURATION, 10.0), (by_bulb, vapour, row)
        density = vapour_kg_m3(temp_c, rh_pct)
        dry = (_PRESSURE_PA - vapour) / (287.042 * (temp_c + 273.15))
        assert close(density / dry, number(row["humidity_ratio_kg_kg"]), SATURATION), row
        count += 1
    assert count == 54


def test_oxygen():
    count = 0
    for row in rows("do_saturation.csv"):
        found = saturation_mg_l(number(row["temp_C"]))
        assert close(found, number(row["BensonKrause1984_mg_L_1atm"]), 0.0, 0.00051), row
        assert close(found, number(row["GarciaGordon1992_gsw_mg_L"]), 0.0, 0.0025), row
        count += 1
    assert count == 41


def test_growth():
    found = growth_curve()
    table = list(rows("vanhenten1994_two_state.csv"))
    assert len(table) == len(found) == 9
    for index, row in enumerate(table):
        day, sugar, leaf = found[index]
        assert number(row["day"]) == day
        assert close(sugar, number(row["NSDW_g_m2"]), 0.005), (row, sugar)
        assert close(leaf, number(row["SDW_g_m2"]), 0.005), (row, leaf)
        assert close(sugar + leaf, number(row["DW_g_m2"]), 0.005), (row, sugar + leaf)


def test_growth_needs_light():
    assert growth(10.0, 10.0, 0.0, 400.0, 20.0)[0] < 0.0
    assert math.isfinite(growth(0.001, 0.001, 50.0, 400.0, 20.0)[0])

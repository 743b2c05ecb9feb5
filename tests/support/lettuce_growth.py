"""Growth of lettuce by the two-state model of van Henten (1994), integrated by Runge-Kutta."""

from idrosim.greenhouse.crop import growth
from support.oracle_tables import number, rows

_STEP_S = 1_200.0


def growth_curve():
    """Return [(day, non-structural, structural)] of van Henten's lettuce, g/m2."""
    first = next(rows("vanhenten1994_two_state.csv"))
    climate = [number(first[name]) for name in ("PAR_W_m2", "CO2_ppm", "T_C")]
    sugar, leaf = number(first["NSDW_g_m2"]), number(first["SDW_g_m2"])
    found = [(0, sugar, leaf)]
    for day in range(5, 41, 5):
        for _ in range(int(5 * 86_400 / _STEP_S)):
            a = growth(sugar, leaf, *climate)
            half = 0.5 * _STEP_S
            b = growth(sugar + half * a[0], leaf + half * a[1], *climate)
            c = growth(sugar + half * b[0], leaf + half * b[1], *climate)
            d = growth(sugar + _STEP_S * c[0], leaf + _STEP_S * c[1], *climate)
            sugar += _STEP_S / 6.0 * (a[0] + 2.0 * (b[0] + c[0]) + d[0])
            leaf += _STEP_S / 6.0 * (a[1] + 2.0 * (b[1] + c[1]) + d[1])
        found.append((day, sugar, leaf))
    return found

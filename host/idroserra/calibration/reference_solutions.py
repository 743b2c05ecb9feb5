"""Reference values of pH buffers and EC standards by temperature.

Buffers 7.00 and 10.01: US technical buffers; 4.01, 6.86 and 9.18: NIST, JIS Z 8802. Standards 1413
and 12880: Mettler-Toledo and Hanna, which agree within 0.1 %; 2760 is KCl 0.02 mol/l after
Kohlrausch. Values between two temperatures are interpolated linearly.
"""

from __future__ import annotations

from collections.abc import Mapping

from idroserra.calibration.errors import BadPoint

# Buffer: {temperature in C: pH}.
BUFFERS: Mapping[str, Mapping[int, float]] = {
    "4.01": {5: 4.01, 10: 4.00, 15: 4.00, 20: 4.00, 25: 4.01, 30: 4.01, 35: 4.02, 40: 4.03},
    "6.86": {5: 6.95, 10: 6.92, 15: 6.90, 20: 6.88, 25: 6.86, 30: 6.85, 35: 6.84, 40: 6.84},
    "7.00": {5: 7.09, 10: 7.06, 15: 7.04, 20: 7.02, 25: 7.00, 30: 6.99, 35: 6.99, 40: 6.98},
    "9.18": {5: 9.39, 10: 9.33, 15: 9.27, 20: 9.22, 25: 9.18, 30: 9.14, 35: 9.10, 40: 9.07},
    "10.01": {5: 10.25, 10: 10.18, 15: 10.12, 20: 10.06, 25: 10.01, 30: 9.97, 35: 9.93, 40: 9.89},
}
# Standard: {temperature in C: conductivity at that temperature, uS/cm}.
STANDARDS: Mapping[str, Mapping[int, float]] = {
    "1413": {5: 896, 10: 1_020, 15: 1_147, 20: 1_278, 25: 1_413, 30: 1_552, 35: 1_667},
    "2760": {5: 1_752, 10: 1_994, 15: 2_243, 20: 2_501, 25: 2_765, 30: 3_036, 35: 3_312},
    "12880": {5: 8_220, 10: 9_330, 15: 10_480, 20: 11_670, 25: 12_880, 30: 14_120, 35: 15_390},
}


def buffer_ph(name: str, temp_c: float) -> float:
    """Return the pH of a buffer at `temp_c`. Raises BadPoint."""
    return _at(BUFFERS, name, temp_c)


def standard_us_cm(name: str, temp_c: float) -> float:
    """Return the conductivity of a standard at `temp_c` in uS/cm, not referred to 25 C. Raises
    BadPoint."""
    return _at(STANDARDS, name, temp_c)


def _at(tables: Mapping[str, Mapping[int, float]], name: str, temp_c: float) -> float:
    table = tables.get(name)
    if table is None:
        known = ", ".join(tables)
        raise (BadPoint("buffer_unknown", buffer=name[:20], known=known) if tables is BUFFERS
               else BadPoint("standard_unknown", standard=name[:20], known=known))
    temps = sorted(table)
    if not temps[0] <= temp_c <= temps[-1]:
        values = {"deci_c": round(temp_c * 10), "low_deci_c": temps[0] * 10,
                  "high_deci_c": temps[-1] * 10}
        raise (BadPoint("buffer_temperature", **values) if tables is BUFFERS
               else BadPoint("standard_temperature", **values))
    above = next(temp for temp in temps[1:] if temp_c <= temp)
    below = temps[temps.index(above) - 1]
    part = (temp_c - below) / (above - below)
    return table[below] + part * (table[above] - table[below])

"""Recovers the raw signal of a probe from reported values, by inverting the drivers' arithmetic.

A node reports pH in 1/1000, EC in uS/cm and level in mm, calculated from the signal with the
active settings, so the signal is known to half a step. A step of 0.001 pH is 0.18 mV at the front
end (0.06 mV of the electrode), 1 uS/cm is 0.16 mV, 1 mm is `level.uv_per_mm`; a mean over a window
is finer, because noise dithers the reading. Clamped values are lost: a level of 0 may be any
signal at or below the zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The SEN0161-V2 outputs 1500 mV plus 3 times the electrode's voltage.
PH_NEUTRAL_UV = 1_500_000
PH_SLOPE_UV_PER_PH = -177_480
PH_GAIN = 3
_ZERO_CENTI_K = 27_315
_CALIBRATION_CENTI_K = 29_815

Settings = Mapping[str, Any]


def kelvin_ratio(temp_c: float) -> float:
    """Return the absolute temperature relative to 25 C, by which an electrode's slope scales."""
    return (temp_c * 100 + _ZERO_CENTI_K) / _CALIBRATION_CENTI_K


def ph_signal_uv(ph: float, temp_c: float, settings: Settings) -> float:
    """Return the front end's signal behind a reported pH, in uV.

    `temp_c` is the water temperature of the same record.
    """
    slope_uv: float = settings["ph.slope_uv_per_ph"] * kelvin_ratio(temp_c)
    return float(settings["ph.neutral_uv"] + (ph - 7.0) * slope_uv)


def conductivity_us_cm(ec_us_cm: float, temp_c: float, settings: Settings) -> float:
    """Return the conductivity measured by the node at the water's temperature, in uS/cm."""
    alpha_per_c = settings["ec.alpha_ppm_c"] / 1e6
    return float(ec_us_cm * (1.0 + alpha_per_c * (temp_c - 25.0)))


def level_signal_uv(level_mm: float, settings: Settings) -> float:
    """Return the signal behind a reported level above 0, in uV."""
    return float(settings["level.zero_uv"] + level_mm * settings["level.uv_per_mm"])

"""Calculates the stock volume that brings plain water to a target pH."""

from __future__ import annotations

from idroserra.core.errors import ConfigError
from idrosim.water_solver import nutrient_batch
from idrosim.water_solver.solve import DOSING_STOCKS, Mixture, ProblemError, dose_ml_per_l

_HCO3_MG_MEQ = 61.017
_CA_MG_MEQ = 20.039


def fill_ml(
    alkalinity_meq_l: float, ph: float, target_ph: float, stock: str, litres: float
) -> float:
    """Return the ml of `stock` that bring `litres` of water from `ph` to `target_ph`.

    Models calcium bicarbonate water of that alkalinity, closed to the air, at 25 °C. Returns 0 if
    the stock moves the pH the other way. Raises ConfigError for invalid water or stock.
    """
    if stock not in DOSING_STOCKS:
        raise ConfigError("command line", "--stock",
                          f"{stock!r}: not one of {', '.join(DOSING_STOCKS)}")
    report = (f"HCO3={alkalinity_meq_l * _HCO3_MG_MEQ:.3f} Ca={alkalinity_meq_l * _CA_MG_MEQ:.3f}"
              f" pH={ph:.2f}")
    try:
        water, _ = nutrient_batch.read_water(report)
        mixture = Mixture({"water": water})
        is_acid = mixture.ph(stock, 1.0) < mixture.ph()
        if is_acid != (target_ph < ph):
            return 0.0
        return dose_ml_per_l(mixture, stock, target_ph) * litres
    except ProblemError as error:
        raise ConfigError("command line", "--alkalinity-meq-l", error.why) from None

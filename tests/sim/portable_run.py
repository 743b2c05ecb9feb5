"""A small run of plant and probes that prints bits: run by both interpreters and compared."""

import json

from idrosim import probes
from idrosim.exact import pack_floats
from idrosim.plant import Plant
from idrosim.rng import Rng


def main():
    """Print the truth and the probes' signals of two eventful hours, exact."""
    plant = Plant({"reservoir.water": "medium", "start.hour": 5.0}, 42)
    kinds = (probes.PhProbe, probes.EcProbe, probes.TempProbe, probes.LevelProbe, probes.AirProbe)
    hung = [kind({}, Rng(7)) for kind in kinds]
    for minute in range(120):
        plant.set_output("circulation", 1.0 if minute % 20 else 0.0)
        plant.set_output("light", min(minute / 60, 1.0))
        plant.set_output("ph_down", 1.0 if minute in (30, 31) else 0.0)
        plant.set_output("nutrient_a", 1.0 if minute == 60 else 0.0)
        plant.set_output("top_off", 1.0 if minute == 90 else 0.0)
        if minute == 70:
            plant = rebuilt(plant)
        for _ in range(6):
            plant.step(10.0)
            truth = plant.truth()
            for probe in hung:
                probe.step(10.0, truth)
        signals = [hung[0].electrode_mv, hung[1].kappa_us_cm, hung[2].temp_c, hung[3].level_mm,
                   hung[4].temp_c, hung[4].rh_pct]
        print(pack_floats([truth[key] for key in sorted(truth)] + signals))


def rebuilt(plant):
    """Return a new plant with the state of `plant`, through JSON."""
    other = Plant({"reservoir.water": "medium", "start.hour": 5.0}, 42)
    other.restore(json.loads(json.dumps(plant.state())))
    return other


main()

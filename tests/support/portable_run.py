"""Prints two days of plant and probes with many events, exactly: `portable_run.py SEED`.

Events are doses, top-offs, light, and faults of probes, pumps and water; halfway the plant is
rebuilt from its state. Prints a line every ten minutes, and the hash of every step at the end.
"""

import binascii
import hashlib
import json
import sys

from idrosim.greenhouse.float_codec import pack_floats
from idrosim.greenhouse.greenhouse import Plant
from idrosim.greenhouse.rng import Rng
from idrosim.probes import water_probes

PARAMS = {
    "reservoir.water": "medium", "start.hour": 5.0, "reservoir.volume_ml": 40_000,
    "ph_down.drip_ml": 0.05, "ph_down.worn_l": 40.0, "nutrient_a.air_ml": 1.5,
    "nutrient_b.drain_ml_per_h": 0.5, "ph_up.bottle_ml": 90.0,
}
PROBES = {
    "probe.ph.inlet_ratio": 0.4, "probe.ph.dead_time_s": 25, "probe.ph.ground_loop_mv": 18,
    "probe.ph.ec_coupling_mv_per_ms_cm": 2, "probe.ph.hum_mv": 0.5,
    "probe.ec.bubbles_per_day": 20, "probe.ec.ground_loop_ratio": 0.04,
}
MINUTES = 2 * 24 * 60
STEP_S = 20.0
KINDS = (
    water_probes.PhProbe,
    water_probes.EcProbe,
    water_probes.TempProbe,
    water_probes.LevelProbe,
    water_probes.AirProbe,
)
# minute: what is set from then on: (parameter, value) of the plant or (probe's place, fault)
EVENTS = {
    200: ("ph_down.flow_ml_per_s", 0.4), 400: (0, "drift"), 520: (0, None),
    600: ("reservoir.leak_ml_per_h", 900.0), 760: ("reservoir.leak_ml_per_h", 0.0),
    900: (1, "noisy"), 1_000: (1, None), 1_100: ("nutrient_a.stock", "khco3_1M"),
    1_260: ("nutrient_a.stock", "nutrient_a"), 1_500: (2, "drift"), 1_560: (2, None),
    1_700: ("circulation.stuck", "off"), 1_800: ("circulation.stuck", ""),
    1_900: ("outside.temp_c", 31.0), 2_000: (3, "noisy"), 2_040: (3, None),
    2_100: ("ph_down.stuck", "on"), 2_104: ("ph_down.stuck", ""),
    2_200: ("ph_up.tube", "nutrient_b"), 2_280: (2, "slow"), 2_300: ("air.co2_ppm", 900.0),
    2_320: ("reservoir.air_stone_per_h", 2.0), 2_340: (2, None), 2_400: (0, "slow"),
    2_450: (0, None), 2_500: (4, "stuck"), 2_600: (4, None),
}


def main():
    """Run the two days; print."""
    seed = int(sys.argv[1])
    plant = Plant(PARAMS, seed)
    hung = [kind(PROBES, Rng(seed + place)) for place, kind in enumerate(KINDS)]
    whole = hashlib.sha256()
    for minute in range(MINUTES):
        drive(plant, minute)
        if minute in EVENTS:
            happen(plant, hung, EVENTS[minute])
        if minute == MINUTES // 2:
            plant = rebuilt(plant, seed)
        for _ in range(int(60 / STEP_S)):
            plant.step(STEP_S)
            around = plant.around()
            for probe in hung:
                probe.step(STEP_S, around)
            truth = plant.truth()
            bits = pack_floats([truth[key] for key in sorted(truth)] + signals(hung))
            whole.update(bits.encode())
        if minute % 10 == 9:
            print(bits)
    print(binascii.hexlify(whole.digest()).decode())


def drive(plant, minute):
    """Set outputs like a node."""
    plant.set_output("circulation", 1.0 if minute % 20 else 0.0)
    plant.set_output("light", 1.0 if 60 <= minute % 1_440 < 1_020 else 0.0)
    plant.set_output("ph_down", 1.0 if minute % 180 in (30, 31) else 0.0)
    plant.set_output("ph_up", 1.0 if minute % 700 == 333 else 0.0)
    plant.set_output("nutrient_a", 1.0 if minute % 240 == 60 else 0.0)
    plant.set_output("nutrient_b", 1.0 if minute % 240 == 65 else 0.0)
    plant.set_output("top_off", 1.0 if minute % 360 == 90 else 0.0)


def happen(plant, hung, event):
    """Set a parameter of the plant, or a probe's fault."""
    what, value = event
    if isinstance(what, int):
        hung[what].fault = value
    else:
        plant.set_param(what, value)


def signals(hung):
    """Return the readings of the probes."""
    ph, ec, water, level, air = hung
    return [ph.electrode_mv, ec.kappa_us_cm, water.temp_c, level.level_mm, air.temp_c, air.rh_pct]


def rebuilt(plant, seed):
    """Return a new plant with the state of `plant`, through JSON."""
    other = Plant(PARAMS, seed)
    for minute in sorted(EVENTS):  # parameters are the scenario's, not the state's
        what, value = EVENTS[minute]
        if minute <= MINUTES // 2 and not isinstance(what, int):
            other.set_param(what, value)
    other.restore(json.loads(json.dumps(plant.state())))
    return other


main()

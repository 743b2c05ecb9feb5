"""Parameters of the simulated plant: default, range or choices, unit in the key.

docs/scenarios.md describes each. A scenario sets them by key at the start or in its timeline.
An unknown key or a value out of range raises a ValueError that names the key. None means "drawn
from the seed".
"""

from idrosim.greenhouse.chemistry import IONS
from idrosim.greenhouse.water import RECIPES, STOCKS, WATERS

DOSERS = ("ph_down", "ph_up", "nutrient_a", "nutrient_b")
SWITCHES = ("circulation", "top_off", "irrigation")
OF_THE_AIR = ("fan", "heater", "humidifier")
OUTPUTS = DOSERS + SWITCHES + ("light",) + OF_THE_AIR

_STUCK = ("", "on", "off")

# key: (default, low, high); None is drawn from the seed.
_NUMBERS: dict[str, tuple] = {
    "start.hour": (0.0, 0.0, 24.0),  # local hour of the day at the first step
    "reservoir.volume_ml": (60_000.0, 100.0, 20e6),
    "reservoir.area_cm2": (3_000.0, 50.0, 1e6),
    "reservoir.height_mm": (300.0, 20.0, 5_000.0),
    "reservoir.temp_c": (20.0, 1.0, 45.0),
    "reservoir.strength": (1.0, 0.0, 4.0),
    "reservoir.acid_ml": (0.0, 0.0, 1e5),  # h3po4_10pct added when it was filled
    "reservoir.ua_w_k": (6.0, 0.0, 1_000.0),
    "reservoir.heater_w": (0.0, -2_000.0, 2_000.0),
    "reservoir.open_ratio": (0.05, 0.0, 1.0),  # 1: no lid
    "reservoir.leak_ml_per_h": (0.0, 0.0, 1e6),
    "reservoir.kla_per_h": (0.5, 0.0, 20.0),
    "reservoir.kla_still_per_h": (0.1, 0.0, 20.0),
    "reservoir.air_stone_per_h": (0.0, 0.0, 20.0),  # added to both of the above
    "reservoir.pocket_ratio": (0.03, 0.001, 1.0),  # of the volume: where doses enter
    "reservoir.oxygen_ratio": (1.0, 0.0, 2.0),  # of saturation, at the start
    "reservoir.microbe_o2_mg_l_h": (0.02, 0.0, 50.0),  # at 20 C
    "reservoir.turnovers_to_mix": (0.5, 0.05, 10.0),
    "reservoir.still_mixing_s": (5_400.0, 60.0, 86_400.0),
    "reservoir.brushite_tau_h": (6.0, 0.1, 1e6),
    "circulation.flow_l_per_h": (600.0, 1.0, 1e5),
    "circulation.power_w": (8.0, 0.0, 1_000.0),
    "top_off.flow_ml_per_s": (10.0, 0.0, 1_000.0),
    "top_off.temp_c": (16.0, 1.0, 40.0),
    "irrigation.flow_ml_per_s": (60.0, 0.0, 2_000.0),
    "irrigation.intake_mm": (20.0, 0.0, 5_000.0),  # below it the pump draws air
    "bed.holds_ml": (0.0, 0.0, 1e6),  # up to its rim; 0: no bed, the roots hang in the tank
    "bed.drain_s": (45.0, 1.0, 86_400.0),  # time constant of running back
    "bed.wet_ml": (100.0, 1.0, 1e6),  # above this the roots are watered
    "bed.moist_min": (60.0, 0.1, 10_000.0),  # from watering until they wilt
    "bed.lost_ratio": (0.0, 0.0, 1.0),  # of the return flow: onto the floor
    "fan.exchanges_per_h": (60.0, 0.0, 300.0),  # of the air, on top of air.exchanges_per_h
    "heater.power_w": (300.0, 0.0, 1e5),
    "humidifier.g_per_h": (200.0, 0.0, 1e5),  # its mist evaporates in the air and cools it
    "light.ppfd_umol_m2_s": (250.0, 0.0, 2_500.0),
    "light.efficacy_umol_j": (2.7, 0.1, 5.0),
    "air.volume_m3": (4.0, 0.1, 1e5),
    "air.exchanges_per_h": (20.0, 0.0, 300.0),
    "air.ua_w_k": (12.0, 0.1, 1e5),
    "air.heat_capacity_j_k": (40_000.0, 100.0, 1e9),
    "air.co2_ppm": (420.0, 0.0, 5_000.0),
    "air.pressure_hpa": (1013.25, 500.0, 1_100.0),
    "outside.temp_c": (19.0, -30.0, 50.0),
    "outside.swing_c": (2.5, 0.0, 25.0),  # half the difference of day and night
    "outside.warmest_hour": (15.0, 0.0, 24.0),
    "outside.noise_c": (0.3, 0.0, 5.0),
    "outside.rh_pct": (55.0, 1.0, 100.0),
    "outside.ppfd_umol_m2_s": (0.0, 0.0, 2_000.0),  # sun at noon, from 06:00 to 18:00
    "crop.area_m2": (0.4, 0.0, 1e4),
    "crop.nonstructural_g_m2": (8.0, 0.01, 500.0),
    "crop.structural_g_m2": (32.0, 0.01, 500.0),
    "crop.harvest_g_m2": (180.0, 1.0, 1e6),  # then it is replanted
    "crop.uptake_ratio": (1.0, 0.0, 10.0),
    "crop.root_o2_mg_g_h": (5.0, 0.0, 100.0),  # per gram of dry root at 20 C
}

# key: (default, choices); for a dict of waters, a dict of ions is also accepted.
_NAMES: dict = {
    "reservoir.water": ("soft", WATERS),
    "reservoir.recipe": ("lettuce", RECIPES),
    "top_off.water": ("soft", WATERS),
}

for _name in OUTPUTS:
    _NAMES[_name + ".stuck"] = ("", _STUCK)
    _NUMBERS[_name + ".effect_ratio"] = (1.0, 0.0, 5.0)  # 0.5: weak; 0: blocked, dead

_DOSER_STOCK = {"ph_down": "h3po4_10pct", "ph_up": "khco3_1M"}
_DOSER_BOTTLE_ML = {"ph_down": 500.0, "ph_up": 500.0}

for _name in DOSERS:
    _NAMES[_name + ".stock"] = (_DOSER_STOCK.get(_name, _name), STOCKS)
    _NAMES[_name + ".tube"] = ("", ("",) + DOSERS)  # the bottle it draws from; "": its own
    _NUMBERS[_name + ".flow_ml_per_s"] = (1.0, 0.0, 20.0)
    _NUMBERS[_name + ".error_pct"] = (None, -90.0, 300.0)
    _NUMBERS[_name + ".wear_pct_per_l"] = (0.014, 0.0, 100.0)  # 0.5 % in ten hours
    _NUMBERS[_name + ".worn_l"] = (0.0, 0.0, 1e5)  # pumped by the tube before
    _NUMBERS[_name + ".bottle_ml"] = (_DOSER_BOTTLE_ML.get(_name, 1_000.0), 0.0, 1e6)
    _NUMBERS[_name + ".line_ml"] = (2.0, 0.0, 100.0)
    _NUMBERS[_name + ".air_ml"] = (0.0, 0.0, 100.0)  # enters the line when set
    _NUMBERS[_name + ".drip_ml"] = (0.0, 0.0, 10.0)  # after a stop
    _NUMBERS[_name + ".drain_ml_per_h"] = (0.0, 0.0, 100.0)  # back into the bottle, idle
    _NUMBERS[_name + ".siphon_ml_per_h"] = (0.0, 0.0, 3_600.0)  # into the tank, idle


def known():
    """Return every key, sorted."""
    return sorted(list(_NUMBERS) + list(_NAMES))


def default(key):
    """Return the default of `key`; None means "drawn from the seed"."""
    return _NAMES[key][0] if key in _NAMES else _NUMBERS[key][0]


def check(key, value):
    """Return `value` in the type of the parameter. Raises ValueError that names the key."""
    if key in _NAMES:
        choices = _NAMES[key][1]
        if isinstance(value, dict) and isinstance(choices, dict):
            return _ions(key, value)
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"{key}: {value!r} is not one of {sorted(choices)}")
        return value
    if key not in _NUMBERS:
        raise ValueError(f"unknown plant parameter {key!r}")
    start, low, high = _NUMBERS[key]
    if value is None and start is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{key}: expected a number, got {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{key}: {value!r} is outside {low}..{high}")
    return float(value)


def _ions(key, row):
    for ion in row:
        if ion not in IONS:
            raise ValueError(f"{key}: {ion!r} is not one of {sorted(IONS)}")
        amount = row[ion]
        if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not amount >= 0.0:
            raise ValueError(f"{key}: {ion}: expected a number of at least 0, got {amount!r}")
    return dict(row)


def complete(params):
    """Return a dict of all parameters: the defaults overridden by `params`."""
    merged = {key: default(key) for key in known()}
    for key in params:
        merged[key] = check(key, params[key])
    return merged

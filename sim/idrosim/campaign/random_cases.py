"""Random cases: a greenhouse and a day of faults, drawn from a seed.

Water from reverse osmosis to hard, 20 to 300 litres, aged probes, settings within their ranges;
then sensor faults one after the other, failing pumps and bottles, a bad network, resets, power
cuts in doses and in flash operations, hangs, failed tasks, clock jumps, a damaged ledger, in some
a correction with the button, and in one seed of four a hostile host with the key. Each fault
declares the doses that it forbids.
"""

import math
import random
from collections.abc import Callable
from dataclasses import replace

from idrosim.campaign.case import (
    DOSERS,
    HOUR_MS,
    MINUTE_MS,
    Case,
    CasePlan,
    Event,
    add_hostile_host,
    greenhouse,
)
from idrosim.campaign.invariants import ExpectedSilence
from idrosim.probes.parameters import DEFAULTS
from idrosim.probes.signal_chain import NOISY_TIMES
from idrosim.probes.water_probes import glass_ratio

_DAY_MS = 24 * HOUR_MS
_PH, _EC, _LEVEL = "reservoir.ph", "reservoir.ec_us_cm", "reservoir.level_mm"
_PH_PUMPS, _EC_PUMPS = ("ph_down", "ph_up"), ("nutrient_a", "nutrient_b")
_FLAT_MS = 13 * MINUTE_MS
# fault, target, forbidden pumps (None: only budgets apply), detected within ms, doses before.
_SENSOR_FAULTS: tuple[tuple[str, str, tuple[str, ...] | None, int, int], ...] = (
    ("unplugged", _PH, _PH_PUMPS, 15_000, 0), ("shorted", _PH, _PH_PUMPS, _FLAT_MS, 1),
    ("stuck", _PH, _PH_PUMPS, _FLAT_MS, 1), ("drift", _PH, None, 0, 0),
    ("noisy", _PH, None, 0, 0), ("unplugged", _EC, DOSERS, 15_000, 0),
    ("shorted", _EC, _EC_PUMPS, 15_000, 0), ("stuck", _EC, None, 0, 0),
    ("drift", _EC, None, 0, 0), ("unplugged", _LEVEL, DOSERS, 15_000, 0),
    ("shorted", _LEVEL, DOSERS, 15_000, 0), ("stuck", _LEVEL, None, 0, 0),
    ("drift", _LEVEL, None, 0, 0), ("unplugged", "adc.main", DOSERS, 15_000, 0),
    ("unplugged", "reservoir.temp_c", DOSERS, 15_000, 0),
    ("stuck", "reservoir.temp_c", None, 0, 0), ("noisy", _LEVEL, None, 0, 0),
    ("unplugged", "air.temp_c", None, 0, 0),
)
_LEVEL_TARGETS = (_LEVEL, "adc.main")
# H11 detects a noisy pH from 0.15 pH of standard deviation; less noise forbids nothing. Slightly
# more noise needs many samples: (minimum standard deviation, samples until all but one in 100,000
# such probes are detected). Checked by tests/sim/campaign/test_campaign.py.
NOISY_SAMPLES = ((0.30, 24), (0.15, 140))
_MV_PER_PH = 59.16
_TASK_FAILURES = 12.0  # a day, at most
# A hostile host may set these: sample.every_ms and mixing.wait_ms.
_SLOWEST_SAMPLE_MS, _SHORTEST_MIXING_MS = 60_000, 120_000


def case(seed: int, hours: float = 24.0) -> Case:
    """Return the case of `seed`."""
    rng = random.Random(f"campaign {seed}")
    plan = CasePlan(int(hours * HOUR_MS))
    greenhouse(plan, rng)
    _water_and_age(plan, rng)
    _settings(plan, rng)
    noises = _sensor_faults(plan, rng)
    scale = plan.duration_ms / _DAY_MS
    for trouble, most in _TROUBLES:
        for _ in range(round(rng.uniform(0, most) * scale + 0.3)):
            trouble(plan, rng, int(rng.uniform(0.02, 0.93) * plan.duration_ms))
    hostile_ms = plan.duration_ms
    if rng.random() < 0.25:
        hostile_ms = plan.at(rng.uniform(0.02, 0.5))
        commands = rng.randrange(200, 2_000)
        add_hostile_host(plan, seed, hostile_ms, plan.at(0.95), commands)
    for at_ms, until_ms in noises:
        noise_silences(plan, at_ms, until_ms, hostile_ms)
    apart = random.Random(f"correction {seed}")
    if apart.random() < 0.3:
        plan.correction(plan.at(apart.uniform(0.02, 0.8)), apart)
        plan.texts.append("a correction by hand")
    _task_failures(plan, random.Random(f"failures {seed}"))
    plan.add(plan.at(0.96), network="up")  # so that stored records are sent
    start_unix_ms = 1_767_225_600_000 + rng.randrange(0, _DAY_MS)
    made = plan.case(
        f"seed-{seed}", f"--seeds 1 --first-seed {seed} --hours {hours:g}", seed,
        start_unix_ms=start_unix_ms, ticks_start_ms=rng.choice((0, 0, 2**30 - 3 * HOUR_MS)))
    return replace(made, text=f"{len(made.timeline)} events: {made.text}")


def _water_and_age(plan: CasePlan, rng: random.Random) -> None:
    litres = 20.0 * 15.0 ** rng.random()
    water = rng.choice(("ro", "soft", "soft", "medium", "hard"))
    buffer = {"ro": 0.3, "soft": 1.0, "medium": 1.8, "hard": 3.0}[water]
    plan.plant |= {
        "reservoir.volume_ml": round(litres * 1_000), "reservoir.area_cm2": round(litres * 50),
        "circulation.flow_l_per_h": round(litres * 10),
        "reservoir.water": water, "top_off.water": water,
        "reservoir.strength": round(rng.uniform(0.6, 1.05), 3),
        "crop.area_m2": round(litres / rng.uniform(80.0, 300.0), 3),
        "probe.ph.offset_mv": round(rng.gauss(0.0, 6.0), 2),
        "probe.ph.slope_ratio": round(rng.uniform(0.91, 1.0), 3),
        "probe.ph.noise_mv": round(rng.uniform(0.1, 0.6), 2),
        "probe.ec.cell_ratio": round(rng.uniform(0.92, 1.08), 3),
        "probe.level.offset_mm": round(rng.uniform(-2.0, 2.0), 1),
    }
    for pump in DOSERS:
        plan.plant[f"{pump}.error_pct"] = round(rng.gauss(0.0, 5.0), 1)
    ul_per_ph = round(litres * 667 * buffer * rng.uniform(0.7, 1.3))
    plan.settings |= {
        "reservoir.area_cm2": round(litres * 50), "ph.down_ul_per_ph": max(500, ul_per_ph),
        "ph.up_ul_per_ph": max(500, ul_per_ph), "ec.ul_per_100_us_cm": round(litres * 333)}
    plan.texts.append(f"{litres:.0f} l of {water} water")


def _settings(plan: CasePlan, rng: random.Random) -> None:
    plan.settings |= {
        "ph.target": round(rng.uniform(5.2, 6.5), 2),
        "ph.deadband": round(rng.uniform(0.1, 0.4), 2),
        "ec.target_us_cm": rng.randrange(1_000, 2_200),
        "mixing.wait_ms": rng.randrange(300_000, 1_800_000),
        "light.on_minute": rng.randrange(0, 1_440), "light.on_minutes": rng.randrange(480, 1_080),
        "circulation.off_ms": rng.choice((0, 0, 300_000)),
        "sample.every_ms": rng.choice((5_000, 10_000, 10_000, 20_000)),
    }


def _sensor_faults(plan: CasePlan, rng: random.Random) -> list[tuple[int, int]]:
    """Add sensor faults one after the other; each ends before the next. Return the (start, end) of
    each in which pH is noisy."""
    noises = []
    at_ms = rng.randrange(10 * MINUTE_MS, 2 * HOUR_MS)
    late_ms = plan.settings["sample.every_ms"] * 2
    while at_ms < plan.at(0.9):
        kind, target, pumps, detect_ms, most = rng.choice(_SENSOR_FAULTS)
        until_ms = min(at_ms + rng.randrange(10 * MINUTE_MS, 90 * MINUTE_MS), plan.at(0.94))
        plan.add(at_ms, fault=kind, args={"target": target})
        plan.add(until_ms, fault="none", args={"target": target})
        plan.texts.append(f"{target} {kind}")
        if target in _LEVEL_TARGETS:
            plan.declare("lost_level_ms", (at_ms, until_ms))
        if (kind, target) == ("noisy", _PH):
            noises.append((at_ms, until_ms))
        elif pumps is not None:
            invariant = "I9" if target == _EC else "I10"
            text = f"{target} is {kind}"
            if most:  # one dose per mixing time
                most = 1 + detect_ms // plan.settings["mixing.wait_ms"]
            plan.declare("silences", ExpectedSilence(
                invariant, text, pumps, at_ms, until_ms, detect_ms + late_ms, most))
        at_ms = until_ms + rng.randrange(20 * MINUTE_MS, 4 * HOUR_MS)
    return noises


def noise_silences(plan: CasePlan, at_ms: int, until_ms: int, hostile_ms: int) -> None:
    """Declare what a noisy pH forbids: less in warm water, in which the probe is less noisy, and
    later from `hostile_ms` on, when a hostile host may sample rarely."""
    is_hostile = until_ms > hostile_ms
    every_ms = _SLOWEST_SAMPLE_MS if is_hostile else plan.settings["sample.every_ms"]
    mixing_ms = _SHORTEST_MIXING_MS if is_hostile else plan.settings["mixing.wait_ms"]
    noise_mv = NOISY_TIMES * plan.plant.get("probe.ph.noise_mv", DEFAULTS["ph"]["noise_mv"])
    for least_ph, samples in NOISY_SAMPLES:
        detect_ms = samples * every_ms
        # The signal decides, in mV, whatever the slope of this electrode and its calibration.
        warmest_c = warmest_noise_c(noise_mv, least_ph)
        plan.declare("silences", ExpectedSilence(
            "I10", f"{_PH} is noisy", _PH_PUMPS, at_ms, until_ms, detect_ms + 2 * every_ms,
            1 + detect_ms // mixing_ms, warmest_c))


def warmest_noise_c(noise_mv: float, least_ph: float) -> float:
    """Return up to which water temperature, in C, a probe with `noise_mv` at 25 C has noise of
    `least_ph` at least."""
    return 25.0 + 25.0 * math.log(noise_mv / (least_ph * _MV_PER_PH)) / math.log(glass_ratio(0.0))


def _pump(plan: CasePlan, rng: random.Random, at_ms: int) -> None:
    pump = rng.choice(DOSERS)
    change, normal = rng.choice((
        ({"stuck": "off"}, {"stuck": ""}), ({"error_pct": -60.0}, {"error_pct": 0.0}),
        ({"error_pct": 120.0}, {"error_pct": 0.0}), ({"siphon_ml_per_h": 30.0},
                                                    {"siphon_ml_per_h": 0.0}),
        ({"air_ml": 2.0}, {"drip_ml": 0.0}),
    ))
    until_ms = at_ms + rng.randrange(20 * MINUTE_MS, 6 * HOUR_MS)
    plan.add(at_ms, set={f"plant.{pump}.{key}": value for key, value in change.items()})
    if until_ms < plan.duration_ms:
        plan.add(until_ms, set={f"plant.{pump}.{key}": value for key, value in normal.items()})
    plan.texts.append(f"{pump} {change}")


def _bottles(plan: CasePlan, rng: random.Random, at_ms: int) -> None:
    stocks = ("koh_10pct", "h3po4_10pct", "water")
    plan.add(at_ms, set={
        "plant.ph_down.stock": rng.choice(stocks), "plant.ph_up.stock": rng.choice(stocks)})
    plan.add(
        at_ms + rng.randrange(HOUR_MS, 4 * HOUR_MS),
        set={"plant.ph_down.stock": "h3po4_10pct", "plant.ph_up.stock": "khco3_1M"})
    plan.texts.append("bottles changed")


def _water(plan: CasePlan, rng: random.Random, at_ms: int) -> None:
    key, value, normal = rng.choice((
        ("reservoir.leak_ml_per_h", rng.uniform(500.0, 6_000.0), 0.0),
        ("top_off.flow_ml_per_s", 0.0, 10.0), ("reservoir.heater_w", 300.0, 0.0),
    ))
    plan.add(at_ms, set={f"plant.{key}": round(value, 1)})
    plan.add(at_ms + rng.randrange(HOUR_MS, 5 * HOUR_MS), set={f"plant.{key}": normal})
    plan.texts.append(key)


def _network(plan: CasePlan, rng: random.Random, at_ms: int) -> None:
    state = rng.choice((
        "down", "down", "broker_down", "host_down", "half_open", "captive", "dns_dead",
        "refused", "duplicate", "slow"))
    event: Event = {"network": state}
    if state == "slow":
        event["args"] = {
            "delay_ms": rng.randrange(0, 3_000), "bytes_per_s": rng.choice((0, 1_000, 10_000)),
            "loss": rng.choice((0.0, 0.05, 0.2))}
    elif state == "down":
        event["args"] = {"unnoticed_ms": rng.choice((0, 30_000))}
    plan.add(at_ms, **event)
    plan.add(at_ms + rng.randrange(MINUTE_MS, 3 * HOUR_MS), network="up")
    plan.texts.append(f"network {state}")


def _power(plan: CasePlan, rng: random.Random, at_ms: int) -> None:
    kind, cause = rng.choice((
        ("power_cut", "power"), ("power_cut", "power"), ("brown_out", "brown_out")))
    args: Event = {"for_ms": rng.choice((300, 3_000, 60_000, 900_000))}
    where = rng.random()
    if where < 0.5:
        args["after_dose_ms"] = rng.randrange(0, 3_000)
    elif where < 0.8:
        args |= {
            "operation": rng.randrange(1, 30), "written": rng.choice((0.0, 0.5, 0.75, 1.0)),
            "target": rng.choice(("", "/data/ledger", "/data/settings"))}
    plan.add(at_ms, fault=kind, args=args)
    plan.declare_resets(cause, 1)
    plan.texts.append(kind)


def _hang(plan: CasePlan, rng: random.Random, at_ms: int) -> None:
    """Add a hang, possibly in a dose."""
    kind = rng.choice(("hang", "busy"))
    for_ms = rng.randrange(500, 20_000)
    plan.add(at_ms, fault=kind, args={"for_ms": for_ms})
    plan.declare("stalls_ms", at_ms)
    if kind == "hang":
        plan.declare("hangs_ms", at_ms)
    plan.declare_resets("wdt", 1)
    plan.texts.append(f"{kind} for {for_ms} ms")


def _reset(plan: CasePlan, rng: random.Random, at_ms: int) -> None:
    plan.add(at_ms, fault="reset")
    plan.declare_resets("reset", 1)
    plan.texts.append("reset")


def _clock(plan: CasePlan, rng: random.Random, at_ms: int) -> None:
    step_ms = rng.choice((1_000, 60_000, HOUR_MS, 7 * HOUR_MS, 10 * 365 * _DAY_MS))
    step_ms *= rng.choice((-1, 1))
    plan.add(at_ms, clock=step_ms)
    plan.texts.append(f"clock {step_ms / 1e3:+.0f} s")


def _commands(plan: CasePlan, rng: random.Random, at_ms: int) -> None:
    """Add commands of doses, some of which the node must refuse."""
    for number in range(rng.randrange(1, 6)):
        wrong = rng.choice((
            {}, {}, {"copies": 3}, {"is_forged": True}, {"is_retained": True},
            {"late_ms": rng.randrange(1, 60_000)},
        ))
        is_bad = bool(wrong) and "copies" not in wrong
        command = {
            "verb": "dose", "by": f"{'bad' if is_bad else 'once'}-{at_ms}-{number}", **wrong,
            "args": {"actuator": rng.choice(DOSERS), "volume_ul": rng.randrange(100, 20_000)}}
        asked_ms = at_ms + number * rng.randrange(1_000, 400_000)
        plan.add(asked_ms, command=command)
        plan.declare("requests_ms", asked_ms)


def _flash(plan: CasePlan, rng: random.Random, at_ms: int) -> None:
    if rng.random() < 0.5:
        plan.add(at_ms, fault="flash_full", args={"free_blocks": rng.randrange(0, 3)})
        until_ms = at_ms + rng.randrange(10 * MINUTE_MS, 4 * HOUR_MS)
        plan.add(until_ms, fault="none", args={"target": "flash"})
        plan.declare("full_flash_ms", (at_ms, until_ms))
        plan.texts.append("flash full")
    else:
        copy = rng.choice(("/data/ledger.a", "/data/ledger.b"))
        plan.add(at_ms, fault="flash_corrupt", args={"target": copy})
        plan.texts.append(f"{copy} damaged")


def _task_failures(plan: CasePlan, rng: random.Random) -> None:
    """Add failures of tasks at any await: in a dose, in a fill, or at any time.

    The supervisor may be the one that fails: then the node resets.
    """
    for _ in range(round(rng.uniform(0, _TASK_FAILURES) * plan.duration_ms / _DAY_MS)):
        error = rng.choice(("MemoryError", "OSError", "RuntimeError"))
        args: Event = {
            "error": error, "skips": rng.choice((0, 0, rng.randrange(0, 200))),
            "coroutine": rng.choice(("", "_supervise", "_supervise"))}
        args |= rng.choice((
            {}, {"after_dose_ms": rng.randrange(0, 3_000)},
            {"after_fill_ms": rng.randrange(0, 60_000)}))
        plan.add(int(rng.uniform(0.02, 0.93) * plan.duration_ms), fault="task_fails", args=args)
        plan.declare_resets("wdt", 1)
        plan.declare_resets("reset", 1)
        plan.texts.append(f"a task fails: {error}")


# Fault and its maximum number per day.
_TROUBLES: tuple[tuple[Callable[[CasePlan, random.Random, int], None], float], ...] = (
    (_pump, 3.0), (_bottles, 0.7), (_water, 1.5), (_network, 4.0), (_power, 4.0), (_hang, 1.5),
    (_reset, 1.5), (_clock, 2.0), (_commands, 4.0), (_flash, 0.8),
)

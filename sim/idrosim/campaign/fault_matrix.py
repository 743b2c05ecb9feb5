"""The fault matrix: every sensor fault with every actuator, network and reset of the hazard page.

15 x 7 x 6 x 5 = 3,150 cases of six virtual hours. The index of a case identifies it: reset varies
fastest, then network, actuator and sensor. Faults are placed at shares of the run, so that a
shorter run has them too. Each fault declares the doses that it forbids.
"""

import random
from collections.abc import Callable
from dataclasses import replace

from idrosim.campaign.case import (
    DOSERS,
    HOUR_MS,
    MINUTE_MS,
    Case,
    CasePlan,
    add_hostile_host,
    greenhouse,
)
from idrosim.campaign.invariants import DoseQuota, ExpectedEvent, ExpectedSilence

PH, EC, LEVEL, TEMP = (
    "reservoir.ph", "reservoir.ec_us_cm", "reservoir.level_mm", "reservoir.temp_c",
)
PH_PUMPS, EC_PUMPS = ("ph_down", "ph_up"), ("nutrient_a", "nutrient_b")
# A constant signal is detected after ten minutes.
_FLAT_MS = 13 * MINUTE_MS
# Start and end of sensor faults, as shares of the run; actuator faults start before.
_SENSOR_FROM, _SENSOR_TO = 1 / 6, 4 / 6
_NETWORK_TO = 0.92

Part = Callable[[CasePlan, random.Random], None]


def _sensor(plan: CasePlan, kind: str, target: str) -> None:
    plan.add(plan.at(_SENSOR_FROM), fault=kind, args={"target": target})
    plan.add(plan.at(_SENSOR_TO), fault="none", args={"target": target})


def _silent(
    plan: CasePlan, invariant: str, text: str, pumps: tuple[str, ...], detect_ms: int = 15_000,
    most: int = 0,
) -> None:
    silence = ExpectedSilence(
        invariant, text, pumps, plan.at(_SENSOR_FROM), plan.at(_SENSOR_TO), detect_ms, most)
    plan.declare("silences", silence)


def _set_for_a_while(plan: CasePlan, key: str, value: float, normal: float) -> None:
    plan.add(plan.at(_SENSOR_FROM), set={key: value})
    plan.add(plan.at(_SENSOR_TO), set={key: normal})


def _faulty(
    kind: str, target: str, invariant: str, text: str, pumps: tuple[str, ...],
    detect_ms: int = 15_000, most: int = 0,
) -> Part:
    """Return a sensor fault that silences pumps."""
    def part(plan: CasePlan, rng: random.Random) -> None:
        _sensor(plan, kind, target)
        _silent(plan, invariant, text, pumps, detect_ms, most)

    return part


def _nothing(plan: CasePlan, rng: random.Random) -> None:
    """Nothing is broken, the network is available, or there is no reset."""


def _sensor_ok(plan: CasePlan, rng: random.Random) -> None:
    plan.terms["is_direction_checked"] = True


def _open_ramp(plan: CasePlan, rng: random.Random) -> None:
    # 1 pH in 3 s is 59 mV in 3 s; the electrode does not return.
    plan.plant["probe.ph.drift_mv_per_h"] = 71_000.0
    plan.add(plan.at(_SENSOR_FROM), fault="drift", args={"target": PH})
    silence = ExpectedSilence(
        "I11", "pH ramps by 1 pH in 3 s", PH_PUMPS, plan.at(_SENSOR_FROM), plan.duration_ms,
        15_000, 0)
    plan.declare("silences", silence)


def _no_ack(plan: CasePlan, rng: random.Random) -> None:
    _sensor(plan, "unplugged", "adc.main")
    plan.declare("lost_level_ms", (plan.at(_SENSOR_FROM), plan.at(_SENSOR_TO)))
    _silent(plan, "I10", "the converter does not answer", DOSERS)


def _spikes(plan: CasePlan, rng: random.Random) -> None:
    # One sample in five is 2 pH off.
    for at_ms in range(plan.at(_SENSOR_FROM), plan.at(_SENSOR_TO), 50_000):
        spike_mv = rng.choice((-118.0, 118.0))
        plan.add(at_ms, set={"probe.ph.ground_loop_mv": spike_mv})
        plan.add(at_ms + 10_000, set={"probe.ph.ground_loop_mv": 0.0})
    plan.terms["is_direction_checked"] = True


def _noise(plan: CasePlan, rng: random.Random) -> None:
    _set_for_a_while(plan, "probe.ph.noise_mv", 2.0, 0.2)
    plan.terms["is_direction_checked"] = True


def _offset(plan: CasePlan, rng: random.Random) -> None:
    offset_mv = plan.plant["probe.ph.offset_mv"]
    _set_for_a_while(plan, "probe.ph.offset_mv", offset_mv - 58.0, offset_mv)


def _half_gain(plan: CasePlan, rng: random.Random) -> None:
    slope_ratio = plan.plant["probe.ph.slope_ratio"]
    _set_for_a_while(plan, "probe.ph.slope_ratio", slope_ratio / 2, slope_ratio)
    plan.texts.append("half the gain")


def _stale(plan: CasePlan, rng: random.Random) -> None:
    _sensor(plan, "stuck", "adc.main")
    plan.declare("lost_level_ms", (plan.at(_SENSOR_FROM), plan.at(_SENSOR_TO)))
    _silent(plan, "I10", "the converter repeats its last code", PH_PUMPS, _FLAT_MS, 1)
    _ec_quota(plan, "the converter repeats its last code")


def _ec_quota(plan: CasePlan, text: str) -> None:
    # Six doses of each of A and B.
    plan.declare("quotas", DoseQuota(
        "I13", text, EC_PUMPS, plan.at(_SENSOR_FROM), plan.at(_SENSOR_TO), 12))


def _swapped_probes(plan: CasePlan, rng: random.Random) -> None:
    _sensor(plan, "swapped", "adc.main")
    text = "the cables of pH and EC are swapped"
    plan.declare("quotas", DoseQuota(
        "I13", text, PH_PUMPS, plan.at(_SENSOR_FROM), plan.at(_SENSOR_TO), 6))
    _ec_quota(plan, text)


def _quotas(plan: CasePlan, invariant: str, text: str, pumps: tuple[str, ...], most: int) -> None:
    """Limit the doses of control before, during and after the sensor fault. With half the gain,
    detection needs twice as many."""
    is_half = "half the gain" in plan.texts
    for from_share, to_share in ((0.0, _SENSOR_FROM), (_SENSOR_FROM, _SENSOR_TO), (_SENSOR_TO, 1)):
        times = 2 if is_half and from_share == _SENSOR_FROM else 1
        plan.declare("quotas", DoseQuota(
            invariant, text, pumps, plan.at(from_share), plan.at(to_share), most * times))


def _stuck_on(plan: CasePlan, rng: random.Random) -> None:
    plan.add(plan.at(2 / 6), set={"plant.ph_down.stuck": "on"})
    plan.add(plan.at(2 / 6) + 5 * MINUTE_MS, set={"plant.ph_down.stuck": ""})


def _dead(plan: CasePlan, rng: random.Random) -> None:
    plan.plant["ph_down.stuck"] = "off"
    _quotas(plan, "I13", "the acid pump is dead", ("ph_down",), 6)


def _flow(error_pct: float) -> Part:
    def part(plan: CasePlan, rng: random.Random) -> None:
        plan.plant["ph_down.error_pct"] = error_pct
        plan.terms["flow_ratios"] = {"ph_down": 1.0 + error_pct / 100.0}

    return part


def _swapped_bottles(plan: CasePlan, rng: random.Random) -> None:
    plan.plant |= {"ph_down.stock": "koh_10pct", "ph_up.stock": "h3po4_10pct"}
    _quotas(plan, "I14", "acid and base are swapped", PH_PUMPS, 2)


def _siphon(plan: CasePlan, rng: random.Random) -> None:
    # The bottle drains through the idle pump: 100 ml in 1.5 h.
    plan.add(plan.at(2 / 6), set={"plant.ph_down.siphon_ml_per_h": 60.0})


def _down(plan: CasePlan, rng: random.Random) -> None:
    plan.add(2 * MINUTE_MS, network="down")
    plan.add(plan.at(_NETWORK_TO), network="up")


def _flapping(plan: CasePlan, rng: random.Random) -> None:
    for at_ms in range(3 * MINUTE_MS, plan.at(_NETWORK_TO), 4 * MINUTE_MS):
        plan.add(at_ms, network="down")
        plan.add(at_ms + rng.randrange(5_000, 120_000), network="up")


def _slow(plan: CasePlan, rng: random.Random) -> None:
    slow = {"delay_ms": 1_500, "bytes_per_s": 2_000, "loss": 0.02}
    for number, at_ms in enumerate(range(3 * MINUTE_MS, plan.at(_NETWORK_TO), 20 * MINUTE_MS), 1):
        if number % 2:
            plan.add(at_ms, network="slow", args=slow)
        else:
            plan.add(at_ms, network="duplicate")
        plan.dose(at_ms + 6 * MINUTE_MS, number, rng.choice(DOSERS), 1_000, copies=3)
    plan.add(plan.at(_NETWORK_TO), network="up")


def _partition(plan: CasePlan, rng: random.Random) -> None:
    """The network fails while a command is in flight; the host sends it again later."""
    for number, at_ms in enumerate(range(8 * MINUTE_MS, plan.at(_NETWORK_TO), 20 * MINUTE_MS), 1):
        plan.dose(at_ms, number, rng.choice(DOSERS), 2_000)
        plan.add(at_ms + rng.choice((10, 45, 300)), network="down")
        plan.add(at_ms + rng.randrange(1_500, 60_000), network="up")
        command = {"verb": "dose", "args": {}, "by": f"once-{number}", "is_replay": True}
        plan.add(at_ms + 90_000, command=command)


def _evil(plan: CasePlan, rng: random.Random) -> None:
    commands = (plan.at(_NETWORK_TO) - plan.at(0.02)) // 20_000
    add_hostile_host(plan, rng.randrange(1, 10**6), plan.at(0.02), plan.at(_NETWORK_TO), commands)
    # It can shorten the wait for mixing, and then a dose is judged by half of what it does.
    plan.terms["quotas"] = tuple(
        replace(one, most=one.most + 1) if one.invariant == "I14" else one
        for one in plan.terms.get("quotas", ()))


def _cuts(*after_dose_ms: int) -> Part:
    """Return power cuts in three doses, each as long after its start, one of these times."""
    def part(plan: CasePlan, rng: random.Random) -> None:
        after_ms = rng.choice(after_dose_ms) if len(after_dose_ms) > 1 else after_dose_ms[0]
        for share in (0.01, 0.3, 0.55):
            args = {"for_ms": 5_000, "after_dose_ms": after_ms}
            plan.add(plan.at(share), fault="power_cut", args=args)
        plan.declare_resets("power", 3)

    return part


def _ledger_write(plan: CasePlan, rng: random.Random) -> None:
    # An append to a copy is two operations: open the file, write the record.
    for share in (0.01, 0.3, 0.55, 0.75):
        args = {
            "for_ms": 5_000, "operation": rng.randrange(1, 9), "target": "/data/ledger",
            "written": rng.choice((0.0, 0.5, 0.75, 1.0))}
        plan.add(plan.at(share), fault="power_cut", args=args)
    plan.declare_resets("power", 4)


def _boot_loop(plan: CasePlan, rng: random.Random) -> None:
    times = range(plan.at(2 / 6), plan.at(2 / 6) + 20 * MINUTE_MS, 90_000)
    for at_ms in times:
        plan.add(at_ms, fault="power_cut", args={"for_ms": 3_000})
    plan.declare_resets("power", len(times))


SENSORS: dict[str, Part] = {
    "ok": _sensor_ok,
    "stuck-last": _faulty(
        "stuck", PH, "I10", "pH stuck at its last value", PH_PUMPS, _FLAT_MS, 1),
    "stuck-7.00": _faulty("shorted", PH, "I10", "pH stuck at 7.00", PH_PUMPS, _FLAT_MS, 1),
    "open-ramp": _open_ramp, "in-air": _faulty("unplugged", EC, "I9", "EC probe in air", DOSERS),
    "no-number": _faulty(
        "unplugged", TEMP, "I10", "pH and EC have no number without a temperature", DOSERS),
    "no-ack": _no_ack,
    "out-of-range": _faulty("unplugged", PH, "I10", "pH out of range", PH_PUMPS),
    "spikes": _spikes, "noise-x10": _noise,
    "drift": lambda plan, rng: _sensor(plan, "drift", PH),
    "offset+1": _offset, "gain-0.5": _half_gain, "stale": _stale, "ph-ec-swapped": _swapped_probes,
}
ACTUATORS: dict[str, Part] = {
    "ok": _nothing, "stuck-on": _stuck_on, "dead": _dead, "50%": _flow(-50.0),
    "200%": _flow(100.0),
    "acid-base-swapped": _swapped_bottles, "siphon": _siphon,
}
NETWORKS: dict[str, Part] = {
    "up": _nothing, "down": _down, "flapping": _flapping, "slow-dup": _slow,
    "partition": _partition, "evil-host": _evil,
}
RESETS: dict[str, Part] = {
    "none": _nothing, "pump-start": _cuts(0), "mid-dose": _cuts(300, 700, 1_500),
    "ledger-write": _ledger_write, "boot-loop": _boot_loop,
}
COUNT = len(SENSORS) * len(ACTUATORS) * len(NETWORKS) * len(RESETS)
# With these sensor faults the pH reading still follows the water, so a stuck pump is detected.
_SEES = ("ok", "spikes", "noise-x10", "drift", "offset+1", "gain-0.5")


def offline_twin(index: int) -> int | None:
    """Return the case like `index` but without network; None unless `index` is one with network
    "up" and without resets."""
    rest, reset_number = divmod(index, len(RESETS))
    is_online = rest % len(NETWORKS) == list(NETWORKS).index("up")
    if reset_number or not is_online:
        return None
    return index + list(NETWORKS).index("down") * len(RESETS)


def case(index: int, hours: float = 6.0) -> Case:
    """Return case `index`, 0 to COUNT - 1."""
    rest, reset_number = divmod(index, len(RESETS))
    rest, network_number = divmod(rest, len(NETWORKS))
    sensor_number, actuator_number = divmod(rest, len(ACTUATORS))
    sensor = list(SENSORS)[sensor_number]
    actuator = list(ACTUATORS)[actuator_number]
    network = list(NETWORKS)[network_number]
    reset = list(RESETS)[reset_number]
    # The seed is the same for all networks, so that their doses can be compared.
    seed = 1 + (sensor_number * len(ACTUATORS) + actuator_number) * len(RESETS) + reset_number
    rng = random.Random(seed)
    plan = CasePlan(int(hours * HOUR_MS))
    greenhouse(plan, rng)
    SENSORS[sensor](plan, rng)
    ACTUATORS[actuator](plan, rng)
    RESETS[reset](plan, rng)
    NETWORKS[network](plan, rng)
    # Half the fall, within boots of 90 s, cannot be distinguished from doses.
    is_seen = sensor in _SEES and (sensor, reset) != ("gain-0.5", "boot-loop")
    if actuator == "stuck-on" and is_seen and network != "evil-host":
        plan.declare("expected_events", ExpectedEvent(
            "I16", "the acid pump runs by itself for 5 min", ("fault_began", "latched"),
            plan.at(2 / 6), 15 * MINUTE_MS))
    text = f"{sensor} x {actuator} x {network} x {reset}"
    plan.texts.insert(0, text)
    replay = f"--matrix --cases {index} --hours {hours:g}"
    return plan.case(f"matrix-{index}", replay, seed)

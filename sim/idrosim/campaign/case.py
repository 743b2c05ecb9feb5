"""One case of a campaign: start state, timeline and terms for the invariants.

Cases come from the fault matrix (fault_matrix.py), from a random seed (random_cases.py) or from a
hostile host (`hostile_case`). A case is a pure function of its name, so the name replays it.
"""

import random
from dataclasses import dataclass, field
from typing import Any

from idrosim.campaign.invariants import CaseTerms

BOARD = "esp32-reservoir"
VOLUME_L = 100.0  # that this board is designed for
_START_UNIX_MS = 1_767_247_200_000  # 06:00 UTC
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
DOSERS = ("ph_down", "ph_up", "nutrient_a", "nutrient_b")

Event = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A run of the lockstep simulator and its terms. `replay` are the options to repeat it."""

    name: str
    text: str
    replay: str
    seed: int
    duration_ms: int
    plant: dict[str, Any]
    settings: dict[str, Any]
    timeline: list[Event]
    terms: CaseTerms
    start_unix_ms: int = _START_UNIX_MS
    ticks_start_ms: int = 0


@dataclass
class CasePlan:
    """A case under construction, to which its parts add."""

    duration_ms: int
    timeline: list[Event] = field(default_factory=list)
    plant: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    terms: dict[str, Any] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)

    def at(self, share: float) -> int:
        """Return the time at a share of the run, ms, rounded down to a second."""
        return int(self.duration_ms * share / 1_000) * 1_000

    def add(self, at_ms: int, **event: Any) -> None:
        """Add an event at `at_ms`."""
        self.timeline.append({"at_ms": at_ms, **event})

    def declare(self, key: str, *more: Any) -> None:
        """Add to one of the tuples of the CaseTerms."""
        self.terms[key] = (*self.terms.get(key, ()), *more)

    def declare_resets(self, cause: str, count: int) -> None:
        """Declare injected resets."""
        resets = self.terms.setdefault("resets", {})
        resets[cause] = resets.get(cause, 0) + count

    def dose(self, at_ms: int, number: int, actuator: str, volume_ul: int, **more: Any) -> None:
        """Add the command of a dose."""
        command = {
            "verb": "dose", "args": {"actuator": actuator, "volume_ul": volume_ul},
            "by": f"once-{number}", **more}
        self.add(at_ms, command=command)
        self.declare("requests_ms", at_ms)

    def correction(self, at_ms: int, rng: random.Random) -> None:
        """Add the command of a correction, and random presses of the button: some too short or
        too long, many when the node is not ready."""
        acid = ("ph_down", "target_milli_ph", 4_500, 6_000)
        base = ("ph_up", "target_milli_ph", 6_000, 7_500)
        nutrient = ("nutrient_a", "target_us_cm", 1_000, 5_000)
        pump, target, low, high = rng.choice((acid, acid, base, base, nutrient))
        self.add(at_ms, command={
            "verb": "correct", "by": f"fill-{at_ms}", "args": {
                "actuator": pump, target: rng.randrange(low, high),
                "volume_ul": int(20_000 * 200.0 ** rng.random())},
        })
        self.declare("requests_ms", at_ms)
        for _ in range(rng.randrange(20, 100)):
            at_ms += rng.randrange(10_000, 5 * MINUTE_MS)
            for_ms = rng.choice((200, 700, 1_000, 1_000, 1_000, 4_000, 7_000))
            if at_ms >= self.at(0.94):
                break
            self.add(at_ms, press=for_ms)
            self.declare("releases_ms", at_ms + for_ms)
            self.declare("requests_ms", at_ms)

    def case(self, name: str, replay: str, seed: int, **more: Any) -> Case:
        """Return the finished case."""
        timeline = sorted(self.timeline, key=lambda event: event["at_ms"])
        if "releases_ms" in self.terms:
            self.terms["releases_ms"] = tuple(sorted(self.terms["releases_ms"]))
        terms = CaseTerms(settings=dict(self.settings), volume_l=VOLUME_L, **self.terms)
        return Case(
            name, "; ".join(self.texts), replay, seed, self.duration_ms, self.plant,
            self.settings, timeline, terms, **more)


def greenhouse(plan: CasePlan, rng: random.Random) -> None:
    """Draw a greenhouse that needs acid and nutrients: 40 to 90 litres outside their bands."""
    litres = rng.uniform(40.0, 90.0)
    plan.plant |= {
        "reservoir.volume_ml": round(litres * 1_000), "reservoir.area_cm2": round(litres * 50),
        "reservoir.strength": round(rng.uniform(0.8, 0.97), 3),
        "reservoir.temp_c": round(rng.uniform(16.0, 25.0), 1),
        "circulation.flow_l_per_h": round(litres * 10),
        "probe.ph.offset_mv": round(rng.uniform(-4.0, 4.0), 2),
        "probe.ph.slope_ratio": round(rng.uniform(0.95, 1.0), 3),
        "probe.ec.cell_ratio": round(rng.uniform(0.98, 1.03), 3),
    }
    for pump in DOSERS:
        plan.plant[f"{pump}.error_pct"] = round(rng.uniform(-3.0, 3.0), 2)
    plan.settings |= {
        "dosing.enabled": True, "reservoir.area_cm2": round(litres * 50),
        "ph.target": round(rng.uniform(5.2, 5.8), 2),
        "ph.down_ul_per_ph": round(litres * 667), "ph.up_ul_per_ph": round(litres * 667),
        "ec.ul_per_100_us_cm": round(litres * 333),
    }


def hostile_case(seed: int, duration_ms: int, commands: int) -> Case:
    """Return the case of a hostile host with the key that sends `commands` random messages."""
    rng = random.Random(f"evil {seed}")
    plan = CasePlan(duration_ms)
    greenhouse(plan, rng)
    add_hostile_host(plan, seed, plan.at(0.01), plan.at(0.98), commands)
    if seed % 2:
        plan.correction(plan.at(rng.uniform(0.1, 0.5)), rng)
        plan.texts.append("random presses of the button")
    replay = f"--evil {commands} --first-seed {seed} --hours {duration_ms / HOUR_MS:g}"
    return plan.case(f"evil-{seed}", replay, seed)


def add_hostile_host(
    plan: CasePlan, seed: int, from_ms: int, until_ms: int, commands: int
) -> None:
    """Add a hostile host with the key that sends `commands` random messages in that time."""
    every_ms = max(200, (until_ms - from_ms) // commands)
    plan.add(from_ms, evil={"seed": seed, "count": commands, "every_ms": every_ms})
    plan.terms["is_hostile"] = True
    plan.texts.append(f"a hostile host with the key sends {commands} commands")

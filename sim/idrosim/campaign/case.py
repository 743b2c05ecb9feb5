"""One case of the campaign: how a greenhouse starts, what befalls it, what the judge is told.

Cases are made by the fault matrix (matrix.py), from a random seed (campaign_random.py) or as an
evil host (`evil`). A case is a pure function of its name, so the name replays it.
"""

import random
from dataclasses import dataclass, field
from typing import Any

from idrosim.campaign.invariants import Terms

BOARD = "esp32-reservoir"
VOLUME_L = 100.0  # that this board is built for
_START_UNIX_MS = 1_767_247_200_000  # 06:00 UTC
HOUR_MS = 3_600_000
MINUTE_MS = 60_000
DOSERS = ("ph_down", "ph_up", "nutrient_a", "nutrient_b")

Event = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A run of the lockstep simulator and its terms. `replay` are the words that repeat it."""

    name: str
    text: str
    replay: str
    seed: int
    duration_ms: int
    plant: dict[str, Any]
    settings: dict[str, Any]
    timeline: list[Event]
    terms: Terms
    start_unix_ms: int = _START_UNIX_MS
    ticks_start_ms: int = 0


@dataclass
class Plan:
    """A case in the making: gathers what the parts of it bring."""

    duration_ms: int
    timeline: list[Event] = field(default_factory=list)
    plant: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    terms: dict[str, Any] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)

    def at(self, share: float) -> int:
        """Return the time at a share of the run, in ms, on a whole second."""
        return int(self.duration_ms * share / 1_000) * 1_000

    def add(self, at_ms: int, **event: Any) -> None:
        """Let something happen at `at_ms`."""
        self.timeline.append({"at_ms": at_ms, **event})

    def tell(self, key: str, *more: Any) -> None:
        """Add to one of the lists of the Terms."""
        self.terms[key] = (*self.terms.get(key, ()), *more)

    def resets(self, cause: str, count: int) -> None:
        """Tell the judge of resets that are made."""
        made = self.terms.setdefault("resets", {})
        made[cause] = made.get(cause, 0) + count

    def dose(self, at_ms: int, number: int, actuator: str, volume_ul: int, **more: Any) -> None:
        """Let somebody ask for a dose, once."""
        command = {
            "verb": "dose", "args": {"actuator": actuator, "volume_ul": volume_ul},
            "by": f"once-{number}", **more,
        }
        self.add(at_ms, command=command)
        self.tell("hands_ms", at_ms)

    def correction(self, at_ms: int, rng: random.Random) -> None:
        """Let somebody ask for a correction of the pH, and press the button now and then: rarely
        too short or too long for a hand, often when the node is not ready for it."""
        pump, low, high = rng.choice((("ph_down", 4_500, 6_000), ("ph_up", 6_000, 7_500)))
        self.add(at_ms, command={
            "verb": "correct", "by": f"fill-{at_ms}", "args": {
                "actuator": pump, "target_milli_ph": rng.randrange(low, high),
                "volume_ul": int(20_000 * 200.0 ** rng.random()),
            },
        })
        self.tell("hands_ms", at_ms)
        for _ in range(rng.randrange(20, 100)):
            at_ms += rng.randrange(10_000, 5 * MINUTE_MS)
            for_ms = rng.choice((200, 700, 1_000, 1_000, 1_000, 4_000, 7_000))
            if at_ms >= self.at(0.94):
                break
            self.add(at_ms, press=for_ms)
            self.tell("presses_ms", at_ms)
            self.tell("hands_ms", at_ms)

    def case(self, name: str, replay: str, seed: int, **more: Any) -> Case:
        """Return the finished case."""
        timeline = sorted(self.timeline, key=lambda event: event["at_ms"])
        if "presses_ms" in self.terms:
            self.terms["presses_ms"] = tuple(sorted(self.terms["presses_ms"]))
        terms = Terms(settings=dict(self.settings), volume_l=VOLUME_L, **self.terms)
        return Case(
            name, "; ".join(self.texts), replay, seed, self.duration_ms, self.plant,
            self.settings, timeline, terms, **more,
        )


def greenhouse(plan: Plan, rng: random.Random) -> None:
    """Draw a greenhouse that wants acid and nutrients: 40 to 90 litres out of their bands."""
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


def evil(seed: int, duration_ms: int, commands: int) -> Case:
    """Return the case of a host with the key that sends `commands` random messages."""
    rng = random.Random(f"evil {seed}")
    plan = Plan(duration_ms)
    greenhouse(plan, rng)
    evil_host(plan, seed, plan.at(0.01), plan.at(0.98), commands)
    if seed % 2:
        plan.correction(plan.at(rng.uniform(0.1, 0.5)), rng)
        plan.texts.append("somebody presses the button now and then")
    replay = f"--evil {commands} --first-seed {seed} --hours {duration_ms / HOUR_MS:g}"
    return plan.case(f"evil-{seed}", replay, seed)


def evil_host(plan: Plan, seed: int, from_ms: int, until_ms: int, commands: int) -> None:
    """Let a host with the key send `commands` random messages in that time."""
    every_ms = max(200, (until_ms - from_ms) // commands)
    plan.add(from_ms, evil={"seed": seed, "count": commands, "every_ms": every_ms})
    plan.terms["is_hostile"] = True
    plan.texts.append(f"an evil host with the key sends {commands} commands")

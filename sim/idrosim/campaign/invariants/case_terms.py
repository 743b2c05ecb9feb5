"""What a judge is told of a run beforehand: what was declared, what was broken, what must follow.

The figures of the invariants stand here and in the judge's other files, taken from the hazard
table of docs/safety.md and from nothing of the firmware.
"""

from dataclasses import dataclass, field
from typing import Any

CONTROL = "control"
# Commands whose `by` begins so are such as no node may obey.
BAD_BY = "bad-"
# What counts where a setting is not declared.
_DEFAULTS: dict[str, Any] = {
    "ph.target": 5.8, "ph.deadband": 0.2, "ph.down_ul_per_ph": 40_000,
    "ph.up_ul_per_ph": 40_000, "doser.ul_per_s": 1_000, "level.low_mm": 120,
    "level.full_mm": 240, "light.on_minutes": 960, "sample.every_ms": 10_000,
}


@dataclass(frozen=True)
class Violation:
    """An invariant that did not hold, when, and the numbers."""

    invariant: str
    at_ms: int
    text: str

    def line(self) -> str:
        """Return it as one line: I1 at 03:12:00: ..."""
        minutes, seconds = divmod(self.at_ms // 1_000, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{self.invariant} at {hours:02}:{minutes:02}:{seconds:02}: {self.text}"


@dataclass(frozen=True)
class Silence:
    """From `detect_ms` after `from_ms` until `until_ms` these pumps give nothing to anybody;
    before that control begins at most `most` doses, in each boot."""

    invariant: str
    text: str
    pumps: tuple[str, ...]
    from_ms: int
    until_ms: int
    detect_ms: int = 15_000
    most: int = 1


@dataclass(frozen=True)
class Quota:
    """Control gives at most `most` doses of these pumps in a row in that time."""

    invariant: str
    text: str
    pumps: tuple[str, ...]
    from_ms: int
    until_ms: int
    most: int


@dataclass(frozen=True)
class Sign:
    """The node tells of it: an event of one of `kinds` in that time, `within_ms` of `from_ms`."""

    invariant: str
    text: str
    kinds: tuple[str, ...]
    from_ms: int
    within_ms: int


@dataclass(frozen=True)
class Terms:
    """Everything a judge is told. Times are ms of the scenario."""

    settings: dict[str, Any] = field(default_factory=dict)
    volume_l: float = 100.0  # of the image, for which its ceilings are frozen
    # Somebody with the key may change settings: only what is frozen in the image counts then.
    is_hostile: bool = False
    # Pumps give so many times what they should.
    flow_ratios: dict[str, float] = field(default_factory=dict)
    silences: tuple[Silence, ...] = ()
    quotas: tuple[Quota, ...] = ()
    signs: tuple[Sign, ...] = ()
    resets: dict[str, int] = field(default_factory=dict)  # cause: how many were made, at the most
    hangs_ms: tuple[int, ...] = ()  # the firmware stood still, and no timer struck
    stalls_ms: tuple[int, ...] = ()  # the firmware stood still
    hands_ms: tuple[int, ...] = ()  # somebody asked for a dose
    presses_ms: tuple[int, ...] = ()  # somebody pressed the button at the tank, ascending
    lost_level_ms: tuple[tuple[int, int], ...] = ()  # the level sensor was broken from, until
    broken: frozenset[str] = frozenset()  # outputs whose load does not do what its pin does
    is_direction_judged: bool = False  # what control reads is true, a few spikes apart

    def setting(self, key: str) -> Any:
        """Return a declared setting, or its default."""
        return self.settings.get(key, _DEFAULTS[key])

"""Terms of a case for the invariants: declared settings, injected faults and expected reactions.

The limits of the invariants come from the hazard table of docs/safety.md, never from the firmware.
"""

import math
from dataclasses import dataclass, field
from typing import Any

CONTROL = "control"
# An error with this text was injected.
INJECTED = "injected"
# The `by` of commands that a node must not obey starts with this.
BAD_BY = "bad-"
# Defaults of settings that are not declared.
_DEFAULTS: dict[str, Any] = {
    "ph.target": 5.8, "ph.deadband": 0.2, "ph.down_ul_per_ph": 40_000,
    "ph.up_ul_per_ph": 40_000, "doser.ul_per_s": 1_000, "level.low_mm": 120,
    "level.full_mm": 240, "light.on_minutes": 960, "sample.every_ms": 10_000,
    "topoff.max_ms_day": 1_800_000, "circulation.on_ms": 900_000, "circulation.off_ms": 0,
    "irrigation.on_s": 900, "irrigation.off_s": 900, "climate.max_c": 35.0,
}


@dataclass(frozen=True)
class Violation:
    """A violated invariant, with time and figures."""

    invariant: str
    at_ms: int
    text: str

    def line(self) -> str:
        """Return the violation as one line: I1 at 03:12:00: ..."""
        minutes, seconds = divmod(self.at_ms // 1_000, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{self.invariant} at {hours:02}:{minutes:02}:{seconds:02}: {self.text}"


@dataclass(frozen=True)
class ExpectedSilence:
    """These pumps give no dose at all from `detect_ms` after `from_ms` until `until_ms`; before
    that, control starts at most `most` doses in each boot. It does not apply while the water is,
    or has been since the fault or the boot, warmer than `warmest_c`."""

    invariant: str
    text: str
    pumps: tuple[str, ...]
    from_ms: int
    until_ms: int
    detect_ms: int = 15_000
    most: int = 1
    warmest_c: float = math.inf


@dataclass(frozen=True)
class DoseQuota:
    """Control gives at most `most` doses of these pumps in a row in that time."""

    invariant: str
    text: str
    pumps: tuple[str, ...]
    from_ms: int
    until_ms: int
    most: int


@dataclass(frozen=True)
class ExpectedEvent:
    """The node reports an event of one of `kinds` within `within_ms` of `from_ms`."""

    invariant: str
    text: str
    kinds: tuple[str, ...]
    from_ms: int
    within_ms: int


@dataclass(frozen=True)
class CaseTerms:
    """Terms of one case. Times are ms of scenario time."""

    settings: dict[str, Any] = field(default_factory=dict)
    volume_l: float = 100.0  # design volume of the image, which fixes its ceilings
    # A hostile host with the key may change settings: only the ceilings of the image apply.
    is_hostile: bool = False
    # True flow of pumps relative to their calibration.
    flow_ratios: dict[str, float] = field(default_factory=dict)
    silences: tuple[ExpectedSilence, ...] = ()
    quotas: tuple[DoseQuota, ...] = ()
    expected_events: tuple[ExpectedEvent, ...] = ()
    resets: dict[str, int] = field(default_factory=dict)  # cause: maximum number of injected ones
    hangs_ms: tuple[int, ...] = ()  # injected hangs, without timer callbacks
    stalls_ms: tuple[int, ...] = ()  # injected hangs of either kind
    requests_ms: tuple[int, ...] = ()  # commands of doses
    releases_ms: tuple[int, ...] = ()  # when the button at the tank was released, ascending
    lost_level_ms: tuple[tuple[int, int], ...] = ()  # (start, end) of faults of the level sensor
    full_flash_ms: tuple[tuple[int, int], ...] = ()  # (start, end) of times without free flash
    broken: frozenset[str] = frozenset()  # outputs whose load does not follow its pin
    is_direction_checked: bool = False  # readings of control are true, except for a few spikes

    def setting(self, key: str) -> Any:
        """Return a declared setting, or its default."""
        return self.settings.get(key, _DEFAULTS[key])

"""What the state of a node is made of: plain values, without the services they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from idroserra.core.reasons import Reason

PH, EC, LEVEL = "reservoir.ph", "reservoir.ec_us_cm", "reservoir.level_mm"
LEAK = "leak.float_up"
CIRCULATION = "circulation.on_pct"
# The channels that a doser needs, as in the firmware's interlocks.
NEEDS = {"ph_down": (PH, LEVEL), "ph_up": (PH, LEVEL),
         "nutrient_a": (EC, LEVEL), "nutrient_b": (EC, LEVEL)}


class Reported(NamedTuple):
    """A reason that the node reported, and when."""

    reason: Reason
    unix_ms: int


class Reading(NamedTuple):
    """The newest reading of a channel: value or fault. unix_ms None: never read.

    low, high: its band, or None. fault_unix_ms: since when it has its fault, if known."""

    value: float | None
    fault: str | None
    unix_ms: int | None
    low: float | None = None
    high: float | None = None
    fault_unix_ms: int | None = None


class OpenCorrection(NamedTuple):
    """An open correction of a fresh fill. state: opened, held, ready or given."""

    state: str
    actuator: str
    next_ul: int
    reason: Reason | None
    unix_ms: int


class RaisedAlarm(NamedTuple):
    """An alarm to attend to. title: English. watch, part: as of its rule. is_active: False if its
    condition is over and it waits for an acknowledgement."""

    rule: str
    title: str
    priority: str
    unix_ms: int | None
    watch: str = ""
    part: str = ""
    is_active: bool = True


@dataclass(frozen=True)
class StateInputs:
    """What the state of a node is made of.

    dosers: its dosing pumps, None if unknown. settings: as the node reports them, {} if unknown.
    restored_count: those that differ from a restored backup, until a person chooses.
    hold: of a stop or latch that is not resumed. ended_unix_ms: when the last "latch", "trial"
    and "correction" ended. decisions: by loop, of the running boot.
    is_past_read: False until its past events are known.
    """

    now_unix_ms: int
    is_online: bool = False
    is_adopted: bool = True
    last_heard_unix_ms: int | None = None
    stale_after_ms: int = 30_000
    readings: Mapping[str, Reading] = field(default_factory=dict)
    dosers: tuple[str, ...] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    wanted_rev: int = 0
    reported_rev: int | None = None
    settings_error: Reason | None = None
    restored_count: int = 0
    granted_pct: int | None = None
    is_past_read: bool = True
    boot_unix_ms: int | None = None
    armed_unix_ms: int | None = None
    hold: Reported | None = None
    ended_unix_ms: Mapping[str, int] = field(default_factory=dict)
    trial_unix_ms: int | None = None
    ledger_failed: Reported | None = None
    decisions: Mapping[str, Reported] = field(default_factory=dict)
    correction: OpenCorrection | None = None
    conditions: tuple[Reported, ...] = ()  # of water, irrigation and air
    recipe_paused: Reported | None = None
    alarms: tuple[RaisedAlarm, ...] = ()

    @property
    def needed_channels(self) -> frozenset[str]:
        """The channels without which a doser of this node does not run."""
        return frozenset(c for doser in self.dosers or () for c in NEEDS.get(doser, (LEVEL,)))

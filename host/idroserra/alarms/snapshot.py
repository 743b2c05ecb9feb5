"""What the rules look at: one picture of host and nodes at one instant. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from idroserra.nodes.latest_events import Event


class Reading(NamedTuple):
    """The newest of a channel: exactly one of value and fault; unix_ms of the record."""

    value: float | None
    fault: str | None
    unix_ms: int


class Group(NamedTuple):
    """Channels that share a bus or converter of the board; they fail together when it does."""

    name: str
    channels: frozenset[str]


@dataclass(frozen=True)
class NodeSnapshot:
    """One node. events: the newest of each kind; boots: when it started, within a day; until
    is_past_read, what is missing from them may have happened all the same.

    clock_off_ms: how far the time its records are stored under is from the host's clock now.
    left_pct: {doser: what is left in its bottle, %}, of the bottles somebody told of.
    recipe_held: why the recipe of the node is held, None where none is.
    update_failed: why its newest update failed, None where it did not.
    """

    node: str
    site: str
    is_online: bool
    last_seen_unix_ms: int | None
    stale_after_ms: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    readings: Mapping[str, Reading] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    events: Mapping[str, Event] = field(default_factory=dict)
    is_past_read: bool = True
    boots_unix_ms: tuple[int, ...] = ()
    clock_off_ms: int | None = None
    settings_error: str | None = None
    recipe_held: str | None = None
    left_pct: Mapping[str, float] = field(default_factory=dict)
    update_failed: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """Host and nodes. broker, store, spool: "ok" or "connected", or what is wrong.

    since_unix_ms: since when messages could arrive without a break; None while they cannot.
    """

    now_unix_ms: int
    site: str
    since_unix_ms: int | None
    broker: str = "connected"
    store: str = "ok"
    spool: str = "ok"
    failures: Mapping[str, tuple[int, str]] = field(default_factory=dict)  # {part: (unix_ms, why)}
    disk_free_mb: float | None = None
    rejected: tuple[tuple[int, int], ...] = ()  # (unix_ms, count so far), oldest first
    undelivered: Mapping[str, str] = field(default_factory=dict)  # {target: why}
    nodes: tuple[NodeSnapshot, ...] = ()
    updates_stopped: Mapping[str, str] = field(default_factory=dict)  # {board class: why}

"""The snapshot of host and nodes at one instant that alarm rules are evaluated against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from idroserra.core.reasons import Reason
from idroserra.foreign.readings import ForeignReading
from idroserra.nodes.latest_events import Event


class Reading(NamedTuple):
    """The newest reading of a channel: value or fault; unix_ms of the record."""

    value: float | None
    fault: str | None
    unix_ms: int


class Group(NamedTuple):
    """Channels that share a bus or converter of the board, and fail together.

    name: the part of its alarm's key; bus: such as "adc.main"."""

    name: str
    bus: str
    channels: frozenset[str]


@dataclass(frozen=True)
class NodeSnapshot:
    """One node. events: the newest of each kind; boots_unix_ms: within the last day. Both may be
    incomplete until is_past_read.

    contact_since_unix_ms: since when it sends messages without interruption, or None.
    settled_unix_ms: its last message within a contact that had lasted stale_after_ms, or None.
    clock_off_ms: host clock minus the time under which the node's records are stored now.
    left_pct: {doser: % left in its bottle}, if its level was set; None: not counted yet.
    recipe_held: why the node's recipe is paused, or None.
    update_failed: why its newest update failed, or None.
    system_problems: {part of what it runs on: its problem, or None}, of the reported parts; None
    before its first up/info.
    """

    node: str
    site: str
    is_online: bool
    last_seen_unix_ms: int | None
    stale_after_ms: int
    contact_since_unix_ms: int | None = None
    settled_unix_ms: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    readings: Mapping[str, Reading] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    events: Mapping[str, Event] = field(default_factory=dict)
    is_past_read: bool = True
    boots_unix_ms: tuple[int, ...] = ()
    clock_off_ms: int | None = None
    settings_error: Reason | None = None
    recipe_held: Reason | None = None
    left_pct: Mapping[str, float | None] = field(default_factory=dict)
    update_failed: Reason | None = None
    system_problems: Mapping[str, Reason | None] | None = None


@dataclass(frozen=True)
class Snapshot:
    """Host and nodes. broker, store, spool, feeds: "ok" or "connected", else the problem.

    since_unix_ms: since when messages arrive without interruption; None while they do not.
    """

    now_unix_ms: int
    site: str
    since_unix_ms: int | None
    broker: str = "connected"
    store: str = "ok"
    spool: str = "ok"
    failures: Mapping[str, tuple[int, str]] = field(default_factory=dict)  # {part: (unix_ms, why)}
    disk_free_mb: float | None = None
    # {node, "" for an unknown one: (unix_ms, count so far) at each change, oldest first}
    rejected: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    undelivered: Mapping[str, Reason] = field(default_factory=dict)  # {target: why}
    nodes: tuple[NodeSnapshot, ...] = ()
    updates_stopped: Mapping[str, Reason] = field(default_factory=dict)  # {board class: why}
    feeds: Mapping[str, str] = field(default_factory=dict)  # {name: state}
    foreign: tuple[ForeignReading, ...] = ()
    foreign_problem: str = ""  # why no foreign reading is received
    standby: str | None = None  # "ok", or why it does not follow; None: there is none
    taken_over: tuple[int, int] | None = None  # unix_ms; changes of this time before may be lost

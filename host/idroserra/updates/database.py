"""The tables of updates in state.db: roll-outs, and the progress of each node in one.

Events that a node sent while the host was away are read from up/info and the store.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from idroserra.core.reasons import Reason, pack_reason, sentences_to_json, unpack_reason
from idroserra.core.sqlite import Database, Upgrades
from idroserra.updates.rollout_policy import NodeProgress, RolloutPlan

RUNNING, STOPPED, FINISHED, CANCELLED = "running", "stopped", "finished", "cancelled"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS rollouts (
    id TEXT PRIMARY KEY, release TEXT NOT NULL, version TEXT NOT NULL, board_class TEXT NOT NULL,
    nodes TEXT NOT NULL, wave_nodes INTEGER NOT NULL, watch_ms INTEGER NOT NULL,
    per_site INTEGER NOT NULL, by TEXT NOT NULL, begun_unix_ms INTEGER NOT NULL,
    state TEXT NOT NULL, state_unix_ms INTEGER NOT NULL, reason TEXT NOT NULL,
    language TEXT NOT NULL DEFAULT 'en'
);
CREATE TABLE IF NOT EXISTS node_updates (
    rollout TEXT NOT NULL, node TEXT NOT NULL, state TEXT NOT NULL,
    state_unix_ms INTEGER NOT NULL, reason TEXT NOT NULL, wave INTEGER,
    quiet_unix_ms INTEGER, offers INTEGER NOT NULL, done_bytes INTEGER NOT NULL,
    heard_unix_ms INTEGER NOT NULL, offered_unix_ms INTEGER, told_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (rollout, node)
) WITHOUT ROWID;
"""
# Reasons were sentences before they had codes; notes in the journal were English.
_UPGRADES = Upgrades("rollouts", (
    (sentences_to_json("rollouts", "reason"), sentences_to_json("node_updates", "reason")),
    ("ALTER TABLE rollouts ADD COLUMN language TEXT NOT NULL DEFAULT 'en'",)))


@dataclass(frozen=True)
class Rollout:
    """The roll-out of one release. state: running, stopped, finished or cancelled.

    `language`: of who started it, for the notes in the journal."""

    id: str
    release: str
    version: str
    board_class: str
    nodes: tuple[str, ...]
    wave_nodes: int
    watch_ms: int
    per_site: int
    by: str
    begun_unix_ms: int
    state: str
    state_unix_ms: int
    reason: Reason | None = None
    language: str = "en"

    @property
    def plan(self) -> RolloutPlan:
        """The plan for rollout_policy.decide()."""
        return RolloutPlan(self.wave_nodes, self.watch_ms, self.per_site)


@dataclass(frozen=True)
class NodeUpdate:
    """One node in one roll-out; states are those of rollout_policy.

    `done_bytes`: of the release, from the node's requests. `heard_unix_ms`: of its last request
    or event. `told_unix_ms`: of the newest event that was processed."""

    rollout: str
    node: str
    state: str
    state_unix_ms: int
    reason: Reason | None = None
    wave: int | None = None
    quiet_unix_ms: int | None = None
    offers: int = 0
    done_bytes: int = 0
    heard_unix_ms: int = 0
    offered_unix_ms: int | None = None
    told_unix_ms: int = 0

    def progress(self, site: str, obstacle: Reason | None) -> NodeProgress:
        """Return the node's progress for rollout_policy.decide()."""
        return NodeProgress(self.node, site, self.state, self.state_unix_ms, obstacle, self.wave,
                            self.quiet_unix_ms, self.offers, self.reason)


class RolloutDatabase(Database):
    """The two tables. Every method raises StoreUnavailable."""

    def __init__(self, path: Path) -> None:
        """Open the file, and upgrade its tables. Raises OSError, sqlite3.Error,
        StoreUnavailable."""
        super().__init__(path, _SCHEMA, _UPGRADES)

    def rollouts(self) -> list[Rollout]:
        """Return every roll-out, oldest first."""
        return [_rollout(row) for row in self.query(
            f"SELECT {_names(Rollout)} FROM rollouts ORDER BY begun_unix_ms, id")]

    def nodes(self, rollout: str) -> dict[str, NodeUpdate]:
        """Return the nodes of a roll-out."""
        return {row[1]: _update(row) for row in self.query(
            f"SELECT {_names(NodeUpdate)} FROM node_updates WHERE rollout=?", (rollout,))}

    def save_rollout(self, rollout: Rollout, updates: dict[str, NodeUpdate] | None = None) -> None:
        """Write a roll-out and some of its nodes in one transaction."""
        values = _values(rollout)
        values[4] = json.dumps(rollout.nodes)
        with self.transaction():
            self.query(
                f"INSERT OR REPLACE INTO rollouts ({_names(Rollout)}) "
                f"VALUES ({_marks(Rollout)})", values)
            for update in (updates or {}).values():
                self.save(update)

    def save(self, update: NodeUpdate) -> None:
        """Write a node's progress."""
        self.query(
            f"INSERT OR REPLACE INTO node_updates ({_names(NodeUpdate)}) "
            f"VALUES ({_marks(NodeUpdate)})", _values(update))


def _names(kind: type[Rollout] | type[NodeUpdate]) -> str:
    return ", ".join(field.name for field in fields(kind))


def _marks(kind: type[Rollout] | type[NodeUpdate]) -> str:
    return ", ".join("?" for _ in fields(kind))


def _values(one: Rollout | NodeUpdate) -> list[Any]:
    """Return the columns of a row; the reason is packed."""
    return [pack_reason(one.reason) if field.name == "reason" else getattr(one, field.name)
            for field in fields(one)]


def _rollout(row: Sequence[Any]) -> Rollout:
    found = Rollout(*row)
    return replace(found, nodes=tuple(json.loads(row[4])), reason=unpack_reason(row[12]))


def _update(row: Sequence[Any]) -> NodeUpdate:
    found = NodeUpdate(*row)
    return replace(found, reason=unpack_reason(row[4]))

"""A command and its outcome, as the host stores them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from sqlite3 import Connection
from typing import Any

from idroserra.core.reasons import Reason, pack_reason, sentences_to_json, unpack_reason
from idroserra.core.sqlite import Upgrades

KEPT_COUNT = 10_000
COLUMNS = "id, node, verb, args, by, sent_unix_ms, ends_unix_ms, state, reason"
SCHEMA = """
CREATE TABLE IF NOT EXISTS commands (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, node TEXT NOT NULL, verb TEXT NOT NULL,
    args TEXT NOT NULL, by TEXT NOT NULL, sent_unix_ms INTEGER NOT NULL,
    ends_unix_ms INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS commands_by_node ON commands (node, number);
"""
# Reasons were sentences before they had codes.
UPGRADES = Upgrades("commands", ((sentences_to_json("commands", "reason"),),))


@dataclass(frozen=True)
class CommandState:
    """One command. state: pending, done, refused, expired, failed or timeout."""

    id: str
    node: str
    verb: str
    args: Mapping[str, Any]
    by: str
    sent_unix_ms: int
    ends_unix_ms: int
    state: str
    reason: Reason | None

    def as_json(self) -> dict[str, Any]:
        """Return it as messages to the page carry it."""
        reason = self.reason
        return {one.name: getattr(self, one.name) for one in fields(self)} | {
            "args": dict(self.args), "reason": None if reason is None else reason.as_json()}


def store(database: Connection, command: CommandState) -> None:
    """Store a command or its new state; delete the oldest ended ones. Raises sqlite3.Error."""
    number = database.execute(
        f"INSERT INTO commands ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)"
        " ON CONFLICT (id) DO UPDATE SET state=excluded.state, reason=excluded.reason"
        " WHERE node=excluded.node AND verb=excluded.verb", row_of(command)).lastrowid
    database.execute("DELETE FROM commands WHERE number <= ? AND state != 'pending'",
                     ((number or 0) - KEPT_COUNT,))


def row_of(command: CommandState) -> tuple[Any, ...]:
    """Return a command as a row of COLUMNS."""
    values = {one.name: getattr(command, one.name) for one in fields(command)} | {
        "args": json.dumps(command.args), "reason": pack_reason(command.reason)}
    return tuple(values.values())


def from_row(row: tuple[Any, ...]) -> CommandState:
    """Return the command in a row of COLUMNS."""
    command_id, node, verb, args, by, sent, ends, state, reason = row
    return CommandState(command_id, node, verb, json.loads(args), by, sent, ends, state,
                        unpack_reason(reason))

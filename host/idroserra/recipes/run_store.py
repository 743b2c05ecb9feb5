"""The table of recipe runs in state.db: the recipe of each node survives a restart of the host.

A run stores the text of its recipe, so that an update of the host does not change a running crop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

from idroserra.core.reasons import Reason, pack_reason, sentences_to_json, unpack_reason
from idroserra.core.sqlite import Database, Upgrades
from idroserra.recipes import model
from idroserra.recipes.model import DAY_MS, Recipe

RUNNING, HELD, FINISHED, STOPPED = "running", "held", "finished", "stopped"
PENDING, CONFIRMED, REFUSED = "pending", "confirmed", "refused"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS recipe_runs (
    node TEXT PRIMARY KEY, name TEXT NOT NULL, toml TEXT NOT NULL, by TEXT NOT NULL,
    started_unix_ms INTEGER NOT NULL, first_day_unix_ms INTEGER NOT NULL,
    state TEXT NOT NULL, state_by TEXT NOT NULL, state_unix_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    told_day INTEGER, told_rev INTEGER NOT NULL, told_unix_ms INTEGER NOT NULL,
    told_state TEXT NOT NULL
) WITHOUT ROWID;
"""
# Reasons were sentences before they had codes.
_UPGRADES = Upgrades("recipe_runs", ((sentences_to_json("recipe_runs", "reason"),),))


@dataclass(frozen=True)
class RecipeRun:
    """The newest run of a recipe on one node.

    `first_day_unix_ms` is the local midnight at which its first day began; skipping a stage moves
    it back. `state` is running, held (paused until a person decides), finished or stopped, since
    `state_unix_ms` by `state_by`; `reason`: why it is held, stopped or not sent.
    `told_day`: the day whose setpoints were sent last, None if all of them are to be sent next;
    `told_rev`: the revision of the settings with them, 0 if not sent;
    `told_state`: the node's answer: pending, confirmed or refused.
    """

    node: str
    name: str
    toml: str
    by: str
    started_unix_ms: int
    first_day_unix_ms: int
    state: str
    state_by: str
    state_unix_ms: int
    reason: Reason | None = None
    told_day: int | None = None
    told_rev: int = 0
    told_unix_ms: int = 0
    told_state: str = PENDING

    @property
    def recipe(self) -> Recipe:
        """The recipe as of the start of the run."""
        return _parsed(self.toml)

    @property
    def is_open(self) -> bool:
        """True while it is running or held."""
        return self.state in (RUNNING, HELD)

    def day_at(self, unix_ms: int) -> int:
        """Return the day from 0, past the last one too, and never before the day sent last."""
        return max(0, self.told_day or 0, (unix_ms - self.first_day_unix_ms) // DAY_MS)

    @property
    def end_unix_ms(self) -> int:
        """When its last day ends."""
        return self.first_day_unix_ms + self.recipe.days * DAY_MS


_NAMES = [field.name for field in fields(RecipeRun)]
_REASON = _NAMES.index("reason")


class RecipeRunTable(Database):
    """The table. Every method raises StoreUnavailable."""

    def __init__(self, path: Path) -> None:
        """Open the file, and upgrade its table. Raises OSError, sqlite3.Error,
        StoreUnavailable."""
        super().__init__(path, _SCHEMA, _UPGRADES)

    def all(self) -> Mapping[str, RecipeRun]:
        """Return the newest run of every node that has one."""
        return {row[0]: replace(RecipeRun(*row), reason=unpack_reason(row[_REASON]))
                for row in self.query(f"SELECT {', '.join(_NAMES)} FROM recipe_runs")}

    def save(self, run: RecipeRun) -> None:
        """Replace the node's run."""
        values = [getattr(run, name) for name in _NAMES]
        values[_REASON] = pack_reason(run.reason)
        self.query(f"INSERT OR REPLACE INTO recipe_runs ({', '.join(_NAMES)})"
                   f" VALUES ({', '.join('?' * len(_NAMES))})", values)

    def delete(self, node: str) -> None:
        """Delete the node's run, if it has one."""
        self.query("DELETE FROM recipe_runs WHERE node=?", (node,))


@lru_cache(maxsize=256)
def _parsed(toml: str) -> Recipe:
    return model.parse(toml.encode(), "recipe")

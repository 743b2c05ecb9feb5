"""The recipe library: the shipped recipes, read-only, and the grower's own in state.db.

An own recipe is stored as the text of its file, checked by the same model as a shipped one. A run
keeps the recipe of its start, so a change affects the next start only. An own recipe hides a
shipped one of its name, which a later version of the host brought.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from idroserra.core.errors import Conflict, NotFound, RecipeError
from idroserra.core.sqlite import Database
from idroserra.core.text import Text
from idroserra.i18n.errors import ExplainedError
from idroserra.i18n.marker import N_
from idroserra.recipes import model
from idroserra.recipes.model import Recipe

MOST_RECIPES = 200
_FILE = "recipe"  # the name of an own recipe's file in errors
_SCHEMA = """
CREATE TABLE IF NOT EXISTS own_recipes (
    name TEXT PRIMARY KEY, toml TEXT NOT NULL, by TEXT NOT NULL, unix_ms INTEGER NOT NULL
) WITHOUT ROWID;
"""


class UnknownRecipe(NotFound, RecipeError):
    """The library has no recipe of this name."""


class CannotChange(Conflict, ExplainedError):
    """A recipe cannot be added, changed or deleted; the message says what to do."""


class LibraryEntry(NamedTuple):
    """A recipe of the library. An own one was saved by `by` at `unix_ms`."""

    recipe: Recipe
    is_own: bool
    by: str = ""
    unix_ms: int | None = None
    hides_shipped: bool = False


class RecipeLibrary:
    """All recipes by name. Every method may be called from any thread."""

    def __init__(
        self, path: Path, now_unix_ms: Callable[[], int],
        nodes_running: Callable[[str], Sequence[str]],
    ) -> None:
        """Open the table in the file `path`. `nodes_running(name)`: nodes that run a recipe.

        Raises OSError, sqlite3.Error."""
        self._database = Database(path, _SCHEMA)
        self._now_unix_ms = now_unix_ms
        self._nodes_running = nodes_running
        self._shipped = {name: LibraryEntry(model.load(name), is_own=False)
                         for name in model.names()}

    def all(self) -> list[LibraryEntry]:
        """Return the shipped recipes, then the own ones, by name. Raises StoreUnavailable.

        Own ones that this version of the host cannot read are left out."""
        rows = self._database.query(
            "SELECT toml, by, unix_ms FROM own_recipes ORDER BY name")
        own = []
        for row in rows:
            with suppress(RecipeError):
                own.append(self._own(*row))
        hidden = {one.recipe.name for one in own}
        return [*(one for name, one in self._shipped.items() if name not in hidden), *own]

    def entry(self, name: str) -> LibraryEntry:
        """Return a recipe with its origin. Raises UnknownRecipe, RecipeError, StoreUnavailable."""
        rows = self._database.query(
            "SELECT toml, by, unix_ms FROM own_recipes WHERE name=?", (name,))
        if rows:
            try:
                return self._own(*rows[0])
            except RecipeError:
                if name not in self._shipped:
                    raise
        if name in self._shipped:
            return self._shipped[name]
        known = ", ".join(one.recipe.name for one in self.all())
        raise UnknownRecipe(_FILE, name[:20], Text(
            N_("no such recipe; there are: {names}"), names=known))

    def get(self, name: str) -> Recipe:
        """Return a recipe. Raises UnknownRecipe, RecipeError, StoreUnavailable."""
        return self.entry(name).recipe

    def add(self, toml: str, by: str) -> Recipe:
        """Add an own recipe. Raises RecipeError, CannotChange, StoreUnavailable."""
        recipe = check(toml)
        self._refuse_shipped(recipe.name)
        with self._database.transaction() as database:
            if _count(database, "WHERE name=?", recipe.name):
                raise CannotChange(Text(
                    N_("there is a recipe {name} already: choose another name"),
                    name=recipe.name))
            if _count(database) >= MOST_RECIPES:
                raise CannotChange(Text(
                    N_("{count} own recipes at most: delete one first"), count=MOST_RECIPES))
            self._save(database, recipe, by)
        return recipe

    def replace(self, name: str, toml: str, by: str, digest: str | None = None) -> Recipe:
        """Replace, and perhaps rename, an own recipe: only that of `digest`, if one is given.

        Raises as add(), and UnknownRecipe."""
        recipe = check(toml)
        before = self.entry(name)
        if not before.is_own:
            self._refuse_shipped(name)
        if recipe.name != name:
            self._refuse_shipped(recipe.name)
            self._refuse_running(name)
        with self._database.transaction() as database:
            if digest is not None and digest != _digest(database, name):
                raise _changed(name)
            if recipe.name != name and _count(database, "WHERE name=?", recipe.name):
                raise CannotChange(Text(
                    N_("there is a recipe {name} already: choose another name"),
                    name=recipe.name))
            database.execute("DELETE FROM own_recipes WHERE name=?", (name,))
            self._save(database, recipe, by)
        return recipe

    def remove(self, name: str) -> None:
        """Delete an own recipe. Raises UnknownRecipe, CannotChange, StoreUnavailable."""
        if not self._database.query("SELECT 1 FROM own_recipes WHERE name=?", (name,)):
            self.entry(name)
            self._refuse_shipped(name)
        self._refuse_running(name)
        self._database.query("DELETE FROM own_recipes WHERE name=?", (name,))

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _own(self, toml: str, by: str, unix_ms: int) -> LibraryEntry:
        recipe = check(toml)
        return LibraryEntry(recipe, is_own=True, by=by, unix_ms=unix_ms,
                            hides_shipped=recipe.name in self._shipped)

    def _save(self, database: sqlite3.Connection, recipe: Recipe, by: str) -> None:
        database.execute("INSERT INTO own_recipes VALUES (?,?,?,?)",
                         (recipe.name, recipe.toml, by, self._now_unix_ms()))

    def _refuse_shipped(self, name: str) -> None:
        if name in self._shipped:
            raise CannotChange(Text(
                N_("{name} is a shipped recipe, which does not change: clone it under another "
                   "name"), name=name))

    def _refuse_running(self, name: str) -> None:
        nodes = self._nodes_running(name)
        if nodes:
            raise CannotChange(Text(
                N_("{name} runs on {nodes}: stop it there first"), name=name,
                nodes=", ".join(nodes)))


@lru_cache(maxsize=MOST_RECIPES)
def check(toml: str) -> Recipe:
    """Return the recipe of a file's text. Raises RecipeError."""
    try:
        data = toml.encode()
    except UnicodeEncodeError as error:
        raise RecipeError(_FILE, "", f"not a text at character {error.start}") from None
    return model.parse(data, _FILE)


def check_unchanged(recipe: Recipe, digest: str | None) -> None:
    """Raises CannotChange if somebody was shown another recipe, that of `digest`."""
    if digest is not None and digest != recipe.digest:
        raise _changed(recipe.name)


def _changed(name: str) -> CannotChange:
    return CannotChange(Text(
        N_("{name} has changed since it was shown: reload the page and check it"), name=name))


def _digest(database: sqlite3.Connection, name: str) -> str | None:
    """Return the digest of an own recipe; None if it was deleted."""
    row = database.execute("SELECT toml FROM own_recipes WHERE name=?", (name,)).fetchone()
    return None if row is None else model.digest_of(row[0])


def _count(database: sqlite3.Connection, where: str = "", *values: str) -> int:
    sql = f"SELECT count(*) FROM own_recipes {where}"
    return int(database.execute(sql, values).fetchone()[0])

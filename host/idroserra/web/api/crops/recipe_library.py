"""The HTTP API of the recipe library: list, add, clone, edit, delete, compare."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from msgspec import Meta
from starlette.responses import Response

from idroserra.core.validation import ValidationError
from idroserra.recipes import serialize
from idroserra.recipes.diff import StageDiff, recipe_changes
from idroserra.recipes.model import MAX_FILE_BYTES
from idroserra.recipes.recipe_library import RecipeLibrary
from idroserra.recipes.runner import RecipeRunner
from idroserra.recipes.toml_text import RecipeDraft, Word, draft_of, toml_of
from idroserra.web.api.schemas import AskedBy, Out, error_replies
from idroserra.web.routing import Routes

_ERROR_REPLIES = error_replies({
    404: "No such recipe.", 409: "Refused; the message says what to do.",
    503: "The host's database does not answer.",
})
RecipeName = Annotated[str, Meta(max_length=20, description="Name of a recipe.")]
ShownDigest = Annotated[str, Meta(
    max_length=64, description="Digest of the recipe that was shown; refused if it has changed.")]


class TomlIn(AskedBy):
    """A recipe file, or what a subclass has as `recipe`."""

    toml: Annotated[str, Meta(
        max_length=MAX_FILE_BYTES, description="A recipe file (docs/recipes.md).")] | None = None
    recipe: Any = None

    def __post_init__(self) -> None:
        """Raises ValidationError unless exactly one is set."""
        super().__post_init__()
        if (self.recipe is None) == (self.toml is None):
            raise ValidationError([], "either recipe or toml is needed")


class RecipeIn(TomlIn):
    """An own recipe: the text of its file, or its parts."""

    recipe: RecipeDraft | None = None


class ChangeIn(RecipeIn):
    """The new recipe, and optionally the digest of the one that it changes."""

    digest: ShownDigest | None = None


class CloneIn(AskedBy, kw_only=True):
    """The name of the copy."""

    name: Word


class _EntryOut(Out):
    """An entry of the library."""

    name: str
    text: str
    crop: str
    days: int
    is_own: Annotated[bool, Meta(description="False: shipped with the host, read-only.")]
    hides_shipped: Annotated[bool, Meta(
        description="An own recipe whose name a shipped one has too.")]
    by: Annotated[str, Meta(description="Who saved an own recipe last.")]
    unix_ms: int | None
    nodes: Annotated[list[str], Meta(description="Nodes that run a recipe of this name.")]
    timeline: Annotated[list[dict[str, Any]], Meta(
        description="Stages with name, text, first_day, days, and bars of pH, EC and light: "
                    "name, label, text, ratio from 0 to 1.")]


class SummaryOut(_EntryOut):
    """The summary of a recipe."""

    stages: list[str]


class ListOut(Out):
    """The shipped recipes, then the own ones."""

    recipes: list[SummaryOut]


class RecipeOut(_EntryOut):
    """A recipe with sources, and each stage with settings and setpoints in words."""

    ppfd_umol_m2_s: int
    sources: list[str]
    stages: list[dict[str, Any]]
    toml: str
    digest: Annotated[str, Meta(description="Of the text of its file.")]
    changes: Annotated[list[dict[str, Any]], Meta(
        description="Of a change: as in the comparison of two recipes.")] = []


class DiffOut(Out):
    """Two recipes by stage."""

    before: str
    after: str
    stages: Annotated[list[dict[str, Any]], Meta(
        description="number; before and after: names of the stages, or null; changes: name, "
                    "label, before and after in words, null if not set.")]


class DeletedOut(Out):
    """The name of the deleted recipe."""

    name: str


def recipe_library_router(library: RecipeLibrary, runner: RecipeRunner) -> Routes:
    """Return the routes under /api/recipes."""
    router = Routes("/api", _ERROR_REPLIES)
    _add_reads(router, library, runner)
    _add_changes(router, library, runner)
    return router


def _add_reads(router: Routes, library: RecipeLibrary, runner: RecipeRunner) -> None:
    @router.get("/recipes", answer=ListOut)
    def list_recipes() -> dict[str, Any]:
        """List all recipes."""
        return {"recipes": [serialize.entry_json(one, runner.nodes_running(one.recipe.name))
                            for one in library.all()]}

    @router.get("/recipes/{name}", answer=RecipeOut)
    def show_recipe(name: RecipeName) -> dict[str, Any]:
        """Return a recipe with stages and sources."""
        return _shown(library, runner, name)

    @router.get("/recipes/{name}/file", replies={
        200: {"content": {"application/toml": {}}, "description": "The recipe file."}})
    def recipe_file(name: RecipeName) -> Response:
        """Return a recipe as its TOML file."""
        return Response(library.get(name).toml, media_type="application/toml", headers={
            "Content-Disposition": f'attachment; filename="{name}.toml"'})

    @router.get("/recipes/{name}/diff", answer=DiffOut)
    def diff(name: RecipeName, other: RecipeName) -> dict[str, Any]:
        """Compare a recipe with another, stage by stage."""
        found = recipe_changes(library.get(name), library.get(other))
        return {"before": name, "after": other, "stages": _stages_json(found)}


def _add_changes(router: Routes, library: RecipeLibrary, runner: RecipeRunner) -> None:
    @router.post("/recipes", status=201, answer=RecipeOut)
    def add_recipe(body: RecipeIn) -> dict[str, Any]:
        """Add an own recipe."""
        return _shown(library, runner, library.add(_toml(body), body.by).name)

    @router.post("/recipes/{name}/clone", status=201, answer=RecipeOut)
    def clone_recipe(name: RecipeName, body: CloneIn) -> dict[str, Any]:
        """Add a copy of a recipe under another name."""
        copy = toml_of(draft_of(library.get(name), body.name))
        return _shown(library, runner, library.add(copy, body.by).name)

    @router.put("/recipes/{name}", answer=RecipeOut)
    def change_recipe(name: RecipeName, body: ChangeIn) -> dict[str, Any]:
        """Change an own recipe. A running crop keeps the recipe of its start."""
        before = library.get(name)
        after = library.replace(name, _toml(body), body.by, body.digest)
        return _shown(library, runner, after.name) | {
            "changes": _stages_json(recipe_changes(before, after))}

    @router.delete("/recipes/{name}", answer=DeletedOut)
    def delete_recipe(name: RecipeName) -> dict[str, Any]:
        """Delete an own recipe; refused while a node runs it."""
        library.remove(name)
        return {"name": name}


def _shown(library: RecipeLibrary, runner: RecipeRunner, name: str) -> dict[str, Any]:
    entry = library.entry(name)
    return serialize.entry_json(entry, runner.nodes_running(name)) | serialize.recipe_json(
        entry.recipe)


def _stages_json(stages: Iterable[StageDiff]) -> list[dict[str, Any]]:
    return [one._asdict() | {"changes": [change._asdict() for change in one.changes]}
            for one in stages]


def _toml(body: RecipeIn) -> str:
    """Return the text of the recipe's file."""
    return body.toml or "" if body.recipe is None else toml_of(body.recipe)

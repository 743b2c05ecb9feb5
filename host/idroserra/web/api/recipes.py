"""The HTTP API of recipes: list, check, start, skip a stage, resume, stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta
from starlette.exceptions import HTTPException

from idroserra.core.errors import RecipeError
from idroserra.core.text import Text
from idroserra.core.validation import ValidationError
from idroserra.nodes.registry import Nodes
from idroserra.recipes import model, serialize
from idroserra.recipes.feasibility import REFUSED
from idroserra.recipes.model import MAX_FILE_BYTES, Recipe
from idroserra.recipes.run_store import RecipeRun
from idroserra.recipes.runner import RecipeRunner
from idroserra.web.api.schemas import AskedBy, Out, error_replies
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Routes

_ERROR_REPLIES = error_replies({
    404: "No such node or recipe.", 409: "Refused; the message says what to do.",
    503: "The host's database does not answer.",
})
_RecipeName = Annotated[str, Meta(max_length=20, description="Name of a built-in recipe.")]


class StartIn(AskedBy):
    """The name of a built-in recipe, or the text of an own recipe."""

    recipe: Annotated[
        str, Meta(max_length=20, description="Name of a built-in recipe.")] | None = None
    toml: Annotated[str, Meta(
        max_length=MAX_FILE_BYTES, description="A recipe file (docs/recipes.md).")] | None = None

    def __post_init__(self) -> None:
        """Raises ValidationError unless exactly one is set."""
        super().__post_init__()
        if (self.recipe is None) == (self.toml is None):
            raise ValidationError([], "either recipe or toml is needed")


class SummaryOut(Out):
    """The summary of a recipe."""

    name: str
    text: str
    crop: str
    days: int
    stages: list[str]


class ListOut(Out):
    """The built-in recipes."""

    recipes: list[SummaryOut]


class RecipeOut(Out):
    """A recipe with sources, and each stage with settings and setpoints in words."""

    name: str
    text: str
    crop: str
    days: int
    ppfd_umol_m2_s: int
    sources: list[str]
    stages: list[dict[str, Any]]
    toml: str


class NotesOut(Out):
    """Feasibility of a recipe on a node; `is_refused`: it cannot be started."""

    node: str
    recipe: str
    is_refused: bool
    notes: Annotated[list[dict[str, Any]], Meta(
        description="level (refused, warning), stage, reason (code, values, text)")]


class RunOut(Out):
    """The newest run of a recipe on a node, or null."""

    node: str
    run: Annotated[dict[str, Any] | None, Meta(
        description="recipe; state: running, held, finished or stopped; reason: code, values "
                    "and text, or null; at: day "
                    "and stage, from 1; confirmation: state of the last setpoints at the node "
                    "(pending, confirmed, refused); setpoints, each with the active value if it "
                    "differs; next: the next change; level and text: in words.")]


def recipes_router(recipes: RecipeRunner, nodes: Nodes) -> Routes:
    """Return the routes under /api/recipes and /api/nodes/{node}/recipe."""
    router = Routes("/api", _ERROR_REPLIES)
    _add_reads(router, recipes, nodes)
    _add_actions(router, recipes, nodes)
    return router


def _run_json(recipes: RecipeRunner, nodes: Nodes, node: str) -> dict[str, Any] | None:
    """Return the newest run of a node, or None. Raises UnknownNode."""
    known = nodes.get(node)
    run = recipes.of(node)
    if run is None:
        return None
    return serialize.run_json(run, known, wall_unix_ms())


def _add_reads(router: Routes, recipes: RecipeRunner, nodes: Nodes) -> None:
    @router.get("/recipes", answer=ListOut)
    def list_recipes() -> dict[str, Any]:
        """List the built-in recipes."""
        return {"recipes": [serialize.summary_json(model.load(name)) for name in model.names()]}

    @router.get("/recipes/{name}", answer=RecipeOut)
    def show_recipe(name: str) -> dict[str, Any]:
        """Return a recipe with stages and sources."""
        return serialize.recipe_json(_known(name))

    @router.get("/nodes/{node}/recipe", answer=RunOut)
    def status(node: str) -> dict[str, Any]:
        """Return the newest run of a node."""
        return {"node": node, "run": _run_json(recipes, nodes, node)}

    @router.get("/nodes/{node}/recipe/notes", answer=NotesOut)
    def notes(node: str, recipe: _RecipeName) -> dict[str, Any]:
        """Check a recipe against the settings and budgets of a node."""
        nodes.get(node)
        wanted = _known(recipe)
        found = recipes.notes(node, wanted)
        return {"node": node, "recipe": recipe,
                "is_refused": any(note.level == REFUSED for note in found),
                "notes": [serialize.note_json(wanted, note) for note in found]}


def _add_actions(router: Routes, recipes: RecipeRunner, nodes: Nodes) -> None:
    def answer(node: str, call: Callable[[], RecipeRun]) -> dict[str, Any]:
        call()
        return {"node": node, "run": _run_json(recipes, nodes, node)}

    @router.post("/nodes/{node}/recipe", status=201, answer=RunOut)
    def start(node: str, body: StartIn) -> dict[str, Any]:
        """Start a recipe today. Its setpoints are active once `confirmation` says so."""
        nodes.get(node)
        wanted = _known(body.recipe) if body.toml is None else _own(body.toml)
        return answer(node, lambda: recipes.start(node, wanted, body.by))

    @router.post("/nodes/{node}/recipe/skip", answer=RunOut)
    def skip(node: str, body: AskedBy) -> dict[str, Any]:
        """Start the next stage today."""
        return answer(node, lambda: recipes.next_stage(node, body.by))

    @router.post("/nodes/{node}/recipe/resume", answer=RunOut)
    def resume(node: str, body: AskedBy) -> dict[str, Any]:
        """Send today's setpoints again after a refusal."""
        return answer(node, lambda: recipes.resume(node, body.by))

    @router.post("/nodes/{node}/recipe/stop", answer=RunOut)
    def stop(node: str, body: AskedBy) -> dict[str, Any]:
        """Stop the recipe. The setpoints do not change."""
        return answer(node, lambda: recipes.stop(node, body.by))


def _known(name: str | None) -> Recipe:
    try:
        return model.load(str(name))
    except RecipeError as error:
        raise HTTPException(404, Text(
            "recipe: {name}: {why}", name=str(name)[:20], why=error.why)) from None


def _own(toml: str) -> Recipe:
    try:
        return model.parse(toml.encode(), "toml")
    except RecipeError as error:
        raise HTTPException(422, error.args[0]) from None

"""The HTTP API of recipes: look at those there are, start one on a node, steer it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from msgspec import Meta
from starlette.exceptions import HTTPException

from idroserra.core.errors import RecipeError
from idroserra.core.validation import ValidationError
from idroserra.recipes import model, serialize
from idroserra.recipes.feasibility import REFUSED
from idroserra.recipes.model import MAX_FILE_BYTES, Recipe
from idroserra.recipes.run_store import RecipeRun
from idroserra.recipes.runner import CannotRun
from idroserra.server.service import Service
from idroserra.web.api.schemas import AskedBy, Out, refused
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Replies, Routes

_REFUSALS: Replies = {
    404: refused("No such node or recipe."),
    409: refused("Refused, with what to do about it."),
    422: refused("A field is wrong; the message names it."),
    503: refused("The host's file does not answer."),
}
_T = TypeVar("_T")
_RecipeName = Annotated[str, Meta(max_length=20, description="One that comes with the host.")]


class StartIn(AskedBy):
    """Which recipe: one that comes with the host by its name, or the text of one's own."""

    recipe: Annotated[str, Meta(max_length=20, description="Its name.")] | None = None
    toml: Annotated[str, Meta(
        max_length=MAX_FILE_BYTES, description="A recipe file (docs/recipes.md).")] | None = None

    def __post_init__(self) -> None:
        """Raises Misfit where it is not one of both."""
        super().__post_init__()
        if (self.recipe is None) == (self.toml is None):
            raise ValidationError([], "either recipe or toml is needed")


class SummaryOut(Out):
    """A recipe, in short."""

    name: str
    text: str
    crop: str
    days: int
    stages: list[str]


class ListOut(Out):
    """The recipes that come with the host."""

    recipes: list[SummaryOut]


class RecipeOut(Out):
    """A whole recipe: its sources, and each stage with its settings and setpoints in words."""

    name: str
    text: str
    crop: str
    days: int
    ppfd_umol_m2_s: int
    sources: list[str]
    stages: list[dict[str, Any]]
    toml: str


class NotesOut(Out):
    """What a node's gate says to a recipe; `is_refused`: it could not be started there."""

    node: str
    recipe: str
    is_refused: bool
    notes: Annotated[list[dict[str, Any]], Meta(
        description="level (refused, warning), stage, text")]


class RunOut(Out):
    """The newest recipe of a node, as it stands; null where there never was one."""

    node: str
    run: Annotated[dict[str, Any] | None, Meta(
        description="recipe; state: running, held, finished or stopped, with reason; at: day "
                    "and stage, from 1; told: what the node made of the last setpoints "
                    "(pending, confirmed, refused); setpoints, each with what is in force where "
                    "it differs; next: when which change; level and text: in words.")]


def recipes_router(service: Service) -> Routes:
    """Return the routes under /api/recipes and /api/nodes/{node}/recipe."""
    router = Routes("/api", _REFUSALS)
    _add_looking(router, service)
    _add_asking(router, service)
    return router


def node_run_json(service: Service, node: str) -> dict[str, Any] | None:
    """Return the newest run of a node as it stands. Raises UnknownNode."""
    known = service.nodes.get(node)
    run = service.recipes.of(node)
    if run is None:
        return None
    return serialize.run_json(run, known, wall_unix_ms())


def _add_looking(router: Routes, service: Service) -> None:
    @router.get("/recipes", answer=ListOut)
    def list_recipes() -> dict[str, Any]:
        """The recipes that come with the host."""
        return {"recipes": [serialize.summary_json(model.load(name)) for name in model.names()]}

    @router.get("/recipes/{name}", answer=RecipeOut)
    def show_recipe(name: str) -> dict[str, Any]:
        """A recipe with its stages and sources."""
        return serialize.recipe_json(_known(name))

    @router.get("/nodes/{node}/recipe", answer=RunOut)
    def status(node: str) -> dict[str, Any]:
        """Where the recipe of a node stands."""
        return {"node": node, "run": node_run_json(service, node)}

    @router.get("/nodes/{node}/recipe/notes", answer=NotesOut)
    def notes(node: str, recipe: _RecipeName) -> dict[str, Any]:
        """What the node's settings and the gate's budgets say to a recipe, before it starts."""
        service.nodes.get(node)
        wanted = _known(recipe)
        found = _asked(lambda: service.recipes.notes(node, wanted))
        return {"node": node, "recipe": recipe,
                "is_refused": any(note.level == REFUSED for note in found),
                "notes": [serialize.note_json(wanted, note) for note in found]}


def _add_asking(router: Routes, service: Service) -> None:
    recipes = service.recipes

    def answer(node: str, call: Callable[[], RecipeRun]) -> dict[str, Any]:
        _asked(call)
        return {"node": node, "run": node_run_json(service, node)}

    @router.post("/nodes/{node}/recipe", status=201, answer=RunOut)
    def start(node: str, body: StartIn) -> dict[str, Any]:
        """Begin a recipe today. Its setpoints are in force once `told` is confirmed."""
        service.nodes.get(node)
        wanted = _known(body.recipe) if body.toml is None else _own(body.toml)
        return answer(node, lambda: recipes.start(node, wanted, body.by))

    @router.post("/nodes/{node}/recipe/skip", answer=RunOut)
    def skip(node: str, body: AskedBy) -> dict[str, Any]:
        """Go on with the first day of the next stage, today."""
        return answer(node, lambda: recipes.next_stage(node, body.by))

    @router.post("/nodes/{node}/recipe/resume", answer=RunOut)
    def resume(node: str, body: AskedBy) -> dict[str, Any]:
        """Send today's setpoints again to a node that refused some."""
        return answer(node, lambda: recipes.resume(node, body.by))

    @router.post("/nodes/{node}/recipe/stop", answer=RunOut)
    def stop(node: str, body: AskedBy) -> dict[str, Any]:
        """End the recipe. The setpoints stay as they are."""
        return answer(node, lambda: recipes.stop(node, body.by))


def _known(name: str | None) -> Recipe:
    try:
        return model.load(str(name))
    except RecipeError as error:
        raise HTTPException(404, f"recipe: {str(name)[:20]}: {error.why}") from None


def _own(toml: str) -> Recipe:
    try:
        return model.parse(toml.encode(), "toml")
    except RecipeError as error:
        raise HTTPException(422, str(error)) from None


def _asked(call: Callable[[], _T]) -> _T:
    try:
        return call()
    except CannotRun as error:
        raise HTTPException(409, str(error)) from None

"""The HTTP API of the recipe of a node: check, start, skip a stage, resume, stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from msgspec import Meta

from idroserra.nodes.registry import Nodes
from idroserra.recipes import model, serialize
from idroserra.recipes.feasibility import REFUSED
from idroserra.recipes.model import Recipe
from idroserra.recipes.recipe_library import RecipeLibrary, check_unchanged
from idroserra.recipes.run_store import RecipeRun
from idroserra.recipes.runner import RecipeRunner
from idroserra.recipes.timeline import timeline
from idroserra.web.api.crops.recipe_library import RecipeName, ShownDigest, TomlIn
from idroserra.web.api.schemas import AskedBy, Out, error_replies
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Routes

_ERROR_REPLIES = error_replies({
    404: "No such node or recipe.", 409: "Refused; the message says what to do.",
    503: "The host's database does not answer.",
})


class StartIn(TomlIn):
    """The name of a recipe of the library, or the text of a recipe file."""

    recipe: RecipeName | None = None
    digest: ShownDigest | None = None


class SkipIn(AskedBy):
    """The stage that was shown, so that two people do not skip two."""

    from_stage: Annotated[int, Meta(
        ge=1, description="The stage to leave, as in `at`; refused if it is over.")] | None = None


class NotesOut(Out):
    """Feasibility of a recipe on a node; `is_refused`: it cannot be started."""

    node: str
    recipe: str
    is_refused: bool
    notes: Annotated[list[dict[str, Any]], Meta(
        description="level (refused, warning), stage, reason (code, values, text)")]


class StartOut(Out):
    """What the start of a recipe changes, and its feasibility."""

    node: str
    recipe: str
    digest: Annotated[str, Meta(description="Of the recipe; that of a preview is alike.")]
    stage: str
    changes: Annotated[list[dict[str, Any]], Meta(
        description="Setpoints that change: name, label, before and after in words.")]
    same: Annotated[list[dict[str, Any]], Meta(description="Setpoints that do not change.")]
    is_refused: bool
    notes: list[dict[str, Any]]


class RunOut(Out):
    """The newest run of a recipe on a node, or null."""

    node: str
    run: Annotated[dict[str, Any] | None, Meta(
        description="recipe; state: running, held, finished or stopped; reason: code, values "
                    "and text, or null; at: day "
                    "and stage, from 1; confirmation: state of the last setpoints at the node "
                    "(pending, confirmed, refused); setpoints, each with the active value if it "
                    "differs; next: the next change; level and text: in words.")]
    timeline: Annotated[list[dict[str, Any]], Meta(
        description="Of an open run, as in GET /api/recipes; only in GET.")] = []
    skip: Annotated[dict[str, Any] | None, Meta(
        description="What a start of the next stage today changes: stage, changes; only in GET.")
    ] = None


def recipes_router(recipes: RecipeRunner, library: RecipeLibrary, nodes: Nodes) -> Routes:
    """Return the routes under /api/nodes/{node}/recipe."""
    router = Routes("/api", _ERROR_REPLIES)
    _add_reads(router, recipes, library, nodes)
    _add_actions(router, recipes, library, nodes)
    return router


def _run_json(recipes: RecipeRunner, nodes: Nodes, node: str) -> dict[str, Any] | None:
    """Return the newest run of a node, or None. Raises UnknownNode."""
    known = nodes.get(node)
    run = recipes.of(node)
    if run is None:
        return None
    return serialize.run_json(run, known, wall_unix_ms())


def _add_reads(
    router: Routes, recipes: RecipeRunner, library: RecipeLibrary, nodes: Nodes
) -> None:
    @router.get("/nodes/{node}/recipe", answer=RunOut)
    def status(node: str) -> dict[str, Any]:
        """Return the newest run of a node."""
        found = _run_json(recipes, nodes, node)
        run = recipes.of(node)
        if run is None or not run.is_open:
            return {"node": node, "run": found, "timeline": [], "skip": None}
        skip = serialize.skip_json(run, nodes.get(node), wall_unix_ms())
        return {"node": node, "run": found, "timeline": timeline(run.recipe), "skip": skip}

    @router.get("/nodes/{node}/recipe/notes", answer=NotesOut)
    def notes(node: str, recipe: RecipeName) -> dict[str, Any]:
        """Check a recipe against the settings and budgets of a node."""
        nodes.get(node)
        wanted = library.get(recipe)
        return {"node": node, "recipe": recipe, **_notes_json(recipes, node, wanted)}

    @router.get("/nodes/{node}/recipe/start", answer=StartOut)
    def what_a_start_changes(node: str, recipe: RecipeName) -> dict[str, Any]:
        """Return what changes at a node if a recipe starts today."""
        known, wanted = nodes.get(node), library.get(recipe)
        return {"node": node, **serialize.start_json(wanted, known),
                **_notes_json(recipes, node, wanted)}


def _add_actions(
    router: Routes, recipes: RecipeRunner, library: RecipeLibrary, nodes: Nodes
) -> None:
    def answer(node: str, call: Callable[[], RecipeRun]) -> dict[str, Any]:
        call()
        return {"node": node, "run": _run_json(recipes, nodes, node)}

    @router.post("/nodes/{node}/recipe", status=201, answer=RunOut)
    def start(node: str, body: StartIn) -> dict[str, Any]:
        """Start a recipe today. Its setpoints are active once `confirmation` says so."""
        nodes.get(node)
        wanted = wanted_recipe(library, body.recipe, body.toml)
        check_unchanged(wanted, body.digest)
        return answer(node, lambda: recipes.start(node, wanted, body.by))

    @router.post("/nodes/{node}/recipe/skip", answer=RunOut)
    def skip(node: str, body: SkipIn) -> dict[str, Any]:
        """Start the next stage today."""
        return answer(node, lambda: recipes.next_stage(node, body.by, body.from_stage))

    @router.post("/nodes/{node}/recipe/resume", answer=RunOut)
    def resume(node: str, body: AskedBy) -> dict[str, Any]:
        """Send today's setpoints again after a refusal."""
        return answer(node, lambda: recipes.resume(node, body.by))

    @router.post("/nodes/{node}/recipe/stop", answer=RunOut)
    def stop(node: str, body: AskedBy) -> dict[str, Any]:
        """Stop the recipe. The setpoints do not change."""
        return answer(node, lambda: recipes.stop(node, body.by))


def _notes_json(recipes: RecipeRunner, node: str, wanted: Recipe) -> dict[str, Any]:
    found = recipes.notes(node, wanted)
    return {"is_refused": any(note.level == REFUSED for note in found),
            "notes": [serialize.note_json(wanted, note) for note in found]}


def wanted_recipe(library: RecipeLibrary, name: str | None, toml: str | None) -> Recipe:
    """Return the recipe of a file's text, else that of the library. Raises RecipeError."""
    return library.get(str(name)) if toml is None else model.parse(toml.encode(), "toml")

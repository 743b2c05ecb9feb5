"""The HTTP API of previews: what the next days would look like, lived through by the twin."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta
from starlette.exceptions import HTTPException

from idroserra.core.errors import RecipeError
from idroserra.core.validation import ValidationError
from idroserra.i18n.channels import display_of
from idroserra.i18n.events import event_text, level_of
from idroserra.i18n.translate import translate_message
from idroserra.recipes import model
from idroserra.recipes.model import MAX_FILE_BYTES, Recipe
from idroserra.server.service import Service
from idroserra.simulation.preview_request import MOST_DAYS
from idroserra.simulation.preview_request_builder import MissingNodeData, build_request
from idroserra.simulation.preview_service import DONE, Preview, PreviewBusy
from idroserra.web.api.schemas import AskedBy, Out, refused
from idroserra.web.node_view import NodeViews, wall_unix_ms
from idroserra.web.routing import Replies, Routes

_REFUSALS: Replies = {
    404: refused("No such node or recipe."),
    409: refused("Refused, with what to do about it."),
    422: refused("A field is wrong; the message names it."),
    503: refused("The host's file does not answer."),
}


class PreviewIn(AskedBy):
    """What to look ahead at. Without recipe and values: what is set and runs now."""

    recipe: Annotated[str, Meta(
        max_length=20,
        description="One that comes with the host, as if it began today.")] | None = None
    toml: Annotated[str, Meta(
        max_length=MAX_FILE_BYTES,
        description="The same with a recipe file of one's own.")] | None = None
    values: Annotated[dict[str, Any], Meta(
        max_length=40, description="Settings, as if they were changed now.")] = {}
    days: Annotated[int, Meta(ge=1, le=MOST_DAYS)] = 7
    water: Annotated[Literal["ro", "soft", "medium", "hard"], Meta(
        description="What fills the tank: reverse osmosis, or tap water with 0.5, 2.5 "
                    "or 6.4 meq/L of alkalinity.")] = "soft"

    def __post_init__(self) -> None:
        """Raises Misfit where it is both."""
        super().__post_init__()
        if self.recipe is not None and self.toml is not None:
            raise ValidationError([], "either recipe or toml, not both")


class PreviewOut(Out):
    """The newest preview of a node, as it stands; null where there is none."""

    node: str
    preview: Annotated[dict[str, Any] | None, Meta(
        description="asked; state: running, done, failed or cancelled; done_ratio; error; "
                    "outcome: series of pH, EC, level and temperature every step_ms, the bands "
                    "they are kept in, in_band, by_day with ml of each bottle, of top-off and "
                    "transpired, told: what would call for somebody, assumed: what is not known")]


def previews_router(service: Service, views: NodeViews) -> Routes:
    """Return the routes under /api/nodes/{node}/preview."""
    router = Routes("/api", _REFUSALS)
    previews = service.previews

    @router.get("/nodes/{node}/preview", answer=PreviewOut)
    def show(node: str) -> dict[str, Any]:
        """How far the newest preview is, and what came of it."""
        service.nodes.get(node)
        return {"node": node, "preview": _json(previews.of(node))}

    @router.post("/nodes/{node}/preview", status=202, answer=PreviewOut)
    def begin(node: str, body: PreviewIn) -> dict[str, Any]:
        """Let the twin live through the next days. One preview runs at a time."""
        known = service.nodes.get(node)
        authority = views.get(node)["authority"]
        try:
            request = build_request(
                known, service.live.channels(node), service.recipes.of(node), wall_unix_ms(),
                days=body.days, water=body.water, recipe=_recipe(body), values=body.values,
                granted_pct=None if authority is None else authority["granted_pct"])
            asked = {"recipe": body.recipe, "values": body.values, "days": body.days,
                     "water": body.water, "own_recipe": body.toml is not None}
            return {"node": node, "preview": _json(previews.start(request, asked, body.by))}
        except (PreviewBusy, MissingNodeData) as error:
            raise HTTPException(409, str(error)) from None

    @router.delete("/nodes/{node}/preview", answer=PreviewOut)
    def cancel(node: str) -> dict[str, Any]:
        """End the preview of a node, if one is running."""
        service.nodes.get(node)
        return {"node": node, "preview": _json(previews.cancel(node))}

    return router


def _recipe(body: PreviewIn) -> Recipe | None:
    if body.toml is not None:
        try:
            return model.parse(body.toml.encode(), "toml")
        except RecipeError as error:
            raise HTTPException(422, str(error)) from None
    if body.recipe is None:
        return None
    try:
        return model.load(body.recipe)
    except RecipeError as error:
        raise HTTPException(404, f"recipe: {body.recipe}: {error.why}") from None


def _json(preview: Preview | None) -> dict[str, Any] | None:
    if preview is None:
        return None
    found = {
        "asked": preview.asked,
        "by": preview.by,
        "asked_unix_ms": preview.asked_unix_ms,
        "state": preview.state,
        "done_ratio": preview.done_ratio,
        "error": translate_message(preview.error),
        "outcome": preview.outcome,
    }
    if preview.state == DONE and preview.outcome is not None:
        told = [{"unix_ms": one["unix_ms"], "kind": one["kind"], "level": level_of(one["kind"]),
                 "text": event_text(one["kind"], one["detail"])}
                for one in preview.outcome["told"]]
        assumed = [translate_message(text) for text in preview.outcome["assumed"]]
        found["outcome"] = preview.outcome | {
            "told": told, "assumed": [f"{text[:1].upper()}{text[1:]}" for text in assumed],
            "volume": display_of("reservoir.volume_ml")._asdict()}
    return found

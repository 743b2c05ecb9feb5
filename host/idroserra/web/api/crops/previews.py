"""The HTTP API of previews: start, read and cancel a simulation of the next days."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from idroserra.core.validation import ValidationError
from idroserra.i18n.channels import display_of
from idroserra.i18n.events import event_text, level_of
from idroserra.i18n.reasons import reason_json, sentence_json
from idroserra.recipes.model import MAX_FILE_BYTES
from idroserra.simulation.preview_request import MOST_DAYS
from idroserra.simulation.preview_request_builder import build_request
from idroserra.simulation.preview_service import DONE, Preview
from idroserra.web.api.crops.recipes import wanted_recipe
from idroserra.web.api.schemas import AskedBy, Out, error_replies
from idroserra.web.context import WebContext
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Routes

_ERROR_REPLIES = error_replies({
    404: "No such node or recipe.", 409: "Refused; the message says what to do.",
    503: "The host's database does not answer.",
})


class PreviewIn(AskedBy):
    """What to simulate. Without recipe and values: the current settings and recipe."""

    recipe: Annotated[str, Meta(
        max_length=20,
        description="A recipe of the library, as if it started today.")] | None = None
    toml: Annotated[str, Meta(
        max_length=MAX_FILE_BYTES,
        description="An own recipe file, as if it started today.")] | None = None
    values: Annotated[dict[str, Any], Meta(
        max_length=40, description="Settings, as if changed now.")] = {}
    days: Annotated[int, Meta(ge=1, le=MOST_DAYS)] = 7
    water: Annotated[Literal["ro", "soft", "medium", "hard"], Meta(
        description="Source water: reverse osmosis, or tap water with an alkalinity of 0.5, 2.5 "
                    "or 6.4 meq/L.")] = "soft"

    def __post_init__(self) -> None:
        """Raises ValidationError if both recipe and toml are set."""
        super().__post_init__()
        if self.recipe is not None and self.toml is not None:
            raise ValidationError([], "either recipe or toml, not both")


class PreviewOut(Out):
    """The newest preview of a node, or null."""

    node: str
    preview: Annotated[dict[str, Any] | None, Meta(
        description="asked; state: running, done, failed or cancelled; done_ratio; error; "
                    "outcome: series of pH, EC, level and temperature every step_ms, their "
                    "bands, in_band, by_day with ml of each bottle, of top-off and transpired, "
                    "events: events that need attention, assumed: assumptions (code, values, "
                    "text)")]


def previews_router(context: WebContext) -> Routes:
    """Return the routes under /api/nodes/{node}/preview."""
    router = Routes("/api", _ERROR_REPLIES)
    previews, nodes = context.previews, context.nodes

    @router.get("/nodes/{node}/preview", answer=PreviewOut)
    def show(node: str) -> dict[str, Any]:
        """Return progress and result of the newest preview."""
        nodes.get(node)
        return {"node": node, "preview": _json(previews.of(node))}

    @router.post("/nodes/{node}/preview", status=202, answer=PreviewOut)
    def begin(node: str, body: PreviewIn) -> dict[str, Any]:
        """Start a preview. One preview runs at a time."""
        known = nodes.get(node)
        authority = context.views.get(node)["authority"]
        wanted = None if body.recipe is None and body.toml is None else wanted_recipe(
            context.recipe_library, body.recipe, body.toml)
        request = build_request(
            known, context.live.channels(node), context.recipes.of(node), wall_unix_ms(),
            days=body.days, water=body.water, recipe=wanted, values=body.values,
            granted_pct=None if authority is None else authority["granted_pct"])
        asked = {"recipe": body.recipe, "values": body.values, "days": body.days,
                 "water": body.water, "own_recipe": body.toml is not None,
                 "recipe_digest": None if wanted is None else wanted.digest}
        return {"node": node, "preview": _json(previews.start(request, asked, body.by))}

    @router.delete("/nodes/{node}/preview", answer=PreviewOut)
    def cancel(node: str) -> dict[str, Any]:
        """Cancel the running preview of a node."""
        nodes.get(node)
        return {"node": node, "preview": _json(previews.cancel(node))}

    return router


def _json(preview: Preview | None) -> dict[str, Any] | None:
    if preview is None:
        return None
    found = {
        "asked": preview.asked, "by": preview.by, "asked_unix_ms": preview.asked_unix_ms,
        "state": preview.state, "done_ratio": preview.done_ratio,
        "error": reason_json(preview.error), "outcome": preview.outcome,
    }
    if preview.state == DONE and preview.outcome is not None:
        events = [{"unix_ms": one["unix_ms"], "kind": one["kind"], "level": level_of(one["kind"]),
                 "text": event_text(one["kind"], one["detail"])}
                for one in preview.outcome["events"]]
        found["outcome"] = preview.outcome | {
            "events": events,
            "assumed": [sentence_json(one) for one in preview.outcome["assumed"]],
            "volume": display_of("reservoir.volume_ml")._asdict()}
    return found

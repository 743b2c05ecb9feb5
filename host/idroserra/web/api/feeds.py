"""The HTTP API of feeds: how far each database is, and sending it the past."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from idroserra.feeds.service import Feeds, as_json
from idroserra.web.api.schemas import In, Out, error_replies
from idroserra.web.routing import Routes

_ERROR_REPLIES = error_replies({
    404: "No such feed.", 503: "The store cannot be read, or the host's database not written.",
})


class FillIn(In):
    """How much of the past a feed is sent."""

    from_unix_ms: Annotated[int, Meta(
        ge=0, description="Without older readings and events, Unix ms; 0: everything.")] = 0


class FeedOut(Out):
    """A database that receives all readings and events beside the store."""

    name: str
    where: Annotated[str, Meta(description="Its address and database.")]
    failed_unix_ms: Annotated[int | None, Meta(
        description="Since when it takes nothing; null if it does.")]
    why: Annotated[str, Meta(description="Its error, \"\" if it works; technical, in English.")]
    span_ms: Annotated[int, Meta(
        description="History that it has still to receive, of all nodes together.")]
    oldest_unix_ms: Annotated[int | None, Meta(
        description="Start of the oldest history that waits; null if nothing does.")]
    written: Annotated[int, Meta(
        description="Readings (all channels of one instant are one) and events that it has taken, "
                    "those sent twice included.")]
    refused: Annotated[int, Meta(description="Readings and events that it has refused.")]


class FeedsOut(Out):
    """Every feed of the configuration."""

    feeds: list[FeedOut]


def feeds_router(feeds: Feeds) -> Routes:
    """Return the routes."""
    router = Routes("/api", _ERROR_REPLIES)

    @router.get("/feeds", answer=FeedsOut)
    def list_feeds() -> dict[str, Any]:
        """List every feed: whether it works, and what waits for it."""
        return {"feeds": [as_json(state) for state in feeds.states()]}

    @router.post("/feeds/{name}/fill", answer=FeedOut)
    def fill(name: str, body: FillIn) -> dict[str, Any]:
        """Send a feed the past that the store keeps, too. It takes time and survives restarts."""
        return as_json(feeds.fill(name, body.from_unix_ms))

    return router

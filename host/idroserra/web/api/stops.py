"""The HTTP API that stops all dosing at a site, or at every node.

One request stops every node. The host holds each stop until its node answers, so none is lost if
the page closes, its network fails or a node is out of contact; a page that sent them one by one
could stop half of a site. There is no such request to resume: each node is resumed by itself,
because one may have been stopped for a reason of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

from msgspec import Meta

from idroserra.auth.identity import current_identity
from idroserra.core.errors import HostError
from idroserra.core.sites import MAX_CHARS
from idroserra.i18n.translate import ngettext
from idroserra.journal.models import Author, Draft
from idroserra.nodes.node import Node
from idroserra.web.api.nodes import command_json
from idroserra.web.api.schemas import AskedBy, CommandOut, Out, error_replies
from idroserra.web.context import WebContext
from idroserra.web.node_view import wall_unix_ms
from idroserra.web.routing import Routes
from idroserra.web.threads import stop_and_record

SitePath = Annotated[str, Meta(max_length=MAX_CHARS, description="The site's name.")]

_NOTE_EVERY_S = 60

_ERROR_REPLIES = error_replies({404: "No such site."})


class StopIn(AskedBy):
    """A stop of several nodes."""


class StopsOut(Out):
    """The stop of each node; GET /api/commands/{id} returns its state."""

    commands: list[CommandOut]


def stops_router(context: WebContext) -> Routes:
    """Return the routes."""
    router = Routes("/api", _ERROR_REPLIES)
    notes = _StopNotes(context)

    @router.post("/stop", status=202, answer=StopsOut)
    async def stop_all(body: StopIn) -> dict[str, Any]:
        """Stop all dosing at every node."""
        return await stop_and_record(lambda: _begin_stop(context, notes, None, body.by))

    @router.post("/sites/{site}/stop", status=202, answer=StopsOut)
    async def stop_site(site: SitePath, body: StopIn) -> dict[str, Any]:
        """Stop all dosing at every node of a site."""
        return await stop_and_record(lambda: _begin_stop(context, notes, site, body.by))

    return router


def _begin_stop(
    context: WebContext, notes: _StopNotes, site: str | None, by: str
) -> Callable[[], dict[str, Any]]:
    nodes = context.nodes.peek_at(site)
    record_stops = context.commands.begin_stops(nodes, by)

    def record() -> dict[str, Any]:
        ids = record_stops()
        with suppress(HostError):  # a full disk: the nodes' own events tell of the stop
            notes.write(site, nodes, by)
        return {"commands": [command_json(context.commands.state(one)) for one in ids]}

    return record


class _StopNotes:
    """Writes a note of each stop, of the same nodes and person at most one in _NOTE_EVERY_S."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._written_s: dict[tuple[str | None, int, str], float] = {}

    def write(self, site: str | None, nodes: list[Node], by: str) -> None:
        """Write the note of a stop unless it repeats one. Raises HostError."""
        if not nodes or not self._is_due((site, len(nodes), by)):
            return
        who = current_identity()
        author = Author("host", "host") if who is None else Author(who.kind, who.name)
        text = ngettext("All dosing stopped at {count} node.",
                        "All dosing stopped at {count} nodes.",
                        len(nodes)).format(count=len(nodes))
        self._context.journal.add(
            Draft(None, "note", wall_unix_ms(), text, site=site), author, by)

    def _is_due(self, key: tuple[str | None, int, str]) -> bool:
        now_s = time.monotonic()
        with self._lock:
            self._written_s = {
                one: at_s for one, at_s in self._written_s.items() if now_s - at_s < _NOTE_EVERY_S}
            is_due = key not in self._written_s
            self._written_s.setdefault(key, now_s)
            return is_due

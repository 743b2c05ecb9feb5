"""The routes of an installation: permission for one, and its WebSocket."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Annotated, Any

from anyio import to_thread
from msgspec import Meta
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from idroserra.auth.identity import Identity, check_recent_password, current_identity, holder_of
from idroserra.auth.roles import Role
from idroserra.backup.download_tickets import DownloadTickets, NoTicket
from idroserra.core.errors import Conflict, HostError
from idroserra.i18n.errors import ExplainedError
from idroserra.i18n.marker import N_
from idroserra.i18n.translate import translate
from idroserra.web.api.schemas import AskedBy, Out, error_replies
from idroserra.web.context import WebContext
from idroserra.web.middleware.authentication import identify
from idroserra.web.routing import Routes

PATH = "/api/install"
MOST_S = 45 * 60.0
SESSION_CHECK_S = 15.0
_REFUSED = 1008  # policy violation

_FAILED = N_("The installation failed. The board is left as safe as it was: try again.")


class Busy(Conflict, ExplainedError):
    """Another board is being installed."""


class InstallOut(Out):
    """Permission to install one board."""

    ticket: Annotated[str, Meta(
        description="For the WebSocket, once, by the same session within five minutes.")]


class Installer:
    """Installs one board at a time."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._tickets = DownloadTickets()
        self._running = threading.Lock()

    def router(self) -> Routes:
        """Return the HTTP route."""
        router = Routes(PATH, error_replies({
            403: "The password is needed again.",
            409: "Another board is being installed."}))

        @router.post("", answer=InstallOut)
        def begin(body: AskedBy) -> dict[str, Any]:
            """Allow this session to install a board that is plugged in at its browser.

            A program has no use for the answer: the WebSocket is for sessions."""
            check_recent_password()
            if self._running.locked():
                raise Busy(N_("another board is being installed, or the last attempt still "
                              "ends: try again in some seconds"))
            return {"ticket": self._tickets.issue(holder_of(current_identity()))}

        return router

    def socket_route(self) -> WebSocketRoute:
        """Return the route of the WebSocket."""
        return WebSocketRoute(f"{PATH}/line", self._serve)

    async def _serve(self, socket: WebSocket) -> None:
        who = current_identity()
        try:
            self._tickets.use(socket.query_params.get("ticket", ""), holder_of(who))
        except NoTicket:
            who = None
        if who is None or not self._running.acquire(blocking=False):
            await socket.close(_REFUSED)
            return
        try:
            await socket.accept()
            await self._install(socket, who)
        finally:
            self._running.release()

    async def _install(self, socket: WebSocket, who: Identity) -> None:
        # Loaded when needed: it takes 10 MiB.
        from idroserra.flash.remote_line import RemoteLine
        from idroserra.web.install.conversation import Conversation
        from idroserra.web.install.walk import HostKeyStore, Walk

        line = RemoteLine()
        talk = Conversation(socket, line)
        walk = Walk(talk, self._context, HostKeyStore(self._context, who.name, who.address),
                    resets=socket.query_params.get("reset", "1") == "1")
        carriers = [asyncio.create_task(work) for work in (
            talk.carry_to_board(), talk.carry_from_browser(), self._watch(socket, talk))]
        try:
            await to_thread.run_sync(_run, walk)
        finally:
            for task in carriers:
                task.cancel()
            await asyncio.gather(*carriers, return_exceptions=True)
            line.close()
            with suppress(RuntimeError, WebSocketDisconnect):
                await socket.close()

    async def _watch(self, socket: WebSocket, talk: Any) -> None:
        """End the installation with its session or the role of its user, or after MOST_S."""
        for _ in range(int(MOST_S / SESSION_CHECK_S)):
            await asyncio.sleep(SESSION_CHECK_S)
            who = await identify(self._context.auth, socket.scope)
            if who is None or who.role < Role.ADMIN:
                break
        talk.lose()


def _run(walk: Any) -> None:
    """Run a walk and tell the browser its end."""
    end = {"t": "failed", "text": translate(_FAILED), "detail": ""}
    try:
        end = {"t": "done", "node": walk.run()}
    except HostError as error:
        what = str(getattr(error, "what", error))
        page = getattr(error, "on_page", "") or _FAILED
        end |= {"text": translate(page), "detail": what.removeprefix(f"{walk.talk.port}: ")}
    finally:  # after a defect too the page does not wait for ever
        walk.talk.finish(**end)

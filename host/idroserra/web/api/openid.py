"""The HTTP API of log-in at an OpenID provider.

Nothing here waits for a cookie that a browser would send along from the provider's page: the page
that the provider returns to sends what it was given with a request of its own, as one of this
host. So the cookie that binds a log-in to its browser is SameSite=Strict, as that of the session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta
from starlette.requests import Request, cookie_parser
from starlette.responses import JSONResponse, Response

from idroserra.auth.errors import InvalidRequest, TooManyAttempts
from idroserra.auth.identity import current_identity
from idroserra.auth.service import AuthService
from idroserra.core.errors import NotFound
from idroserra.i18n.marker import N_
from idroserra.web.api.access import (
    SessionOut,
    person_of_session,
    session_json,
    visitor_of,
    with_session,
)
from idroserra.web.api.schemas import In, Out, error_replies
from idroserra.web.middleware.authentication import cookie_name
from idroserra.web.routing import Routes
from idroserra.web.threads import provider_threads, run_in_thread

if TYPE_CHECKING:
    from idroserra.auth.openid.login import OpenIdLogin

MOST_WAITING = 20  # requests for a thread that asks the provider
BUSY_S = 10
_PATH = "/api/session/openid"

_ERROR_REPLIES = error_replies({
    403: "Refused; the message says why.", 404: "Log-in at a provider is off.",
    429: "Too many log-ins; Retry-After in seconds.", 503: "The provider does not answer.",
})


class NoProvider(NotFound):
    """Log-in at a provider is off."""

    def __init__(self) -> None:
        super().__init__(N_("this host has no log-in provider"))


class OpenIdBeginIn(In):
    """The page to go on with, and whether an open session is to be confirmed."""

    next: Annotated[str, Meta(max_length=2_000)] = "/"
    confirm: bool = False


class OpenIdBegunOut(Out):
    """Where the browser goes."""

    url: str


class OpenIdReturnIn(In):
    """What the provider has put into the address of the page it returned to."""

    state: Annotated[str, Meta(max_length=200)]
    code: Annotated[str, Meta(max_length=4_096)]
    iss: Annotated[str, Meta(max_length=2_000)] | None = None


class OpenIdReturnedOut(SessionOut, kw_only=True):
    """The user who is logged in, and the page to go on with."""

    next: str


def openid_router(auth: AuthService, openid: OpenIdLogin | None) -> Routes:
    """Return the routes of log-in at a provider."""
    router = Routes(replies=_ERROR_REPLIES)

    @router.post(_PATH, answer=OpenIdBegunOut)
    async def begin_openid(request: Request, body: OpenIdBeginIn) -> Response:
        """Begin a log-in at the provider, for the browser that asks."""
        login, origin = _checked(openid), request.headers.get("origin")
        if origin is None:  # one that SecurityMiddleware has checked
            raise InvalidRequest(N_("Origin: needed"))
        confirming = person_of_session() if body.confirm else None
        begun = await run_in_thread(
            lambda: login.begin(origin, body.next, visitor_of(request), confirming),
            provider_threads())
        response = JSONResponse({"url": begun.url})
        response.set_cookie(
            _cookie(request), begun.cookie, max_age=600, path=_PATH, httponly=True,
            samesite="strict", secure=request.url.scheme == "https")
        return response

    @router.post(f"{_PATH}/return", answer=OpenIdReturnedOut)
    async def end_openid(request: Request, body: OpenIdReturnIn) -> Response:
        """Log in, or confirm the session, with what the provider returned; once."""
        login, who = _checked(openid), current_identity()
        cookie = cookie_parser(request.headers.get("cookie", "")).get(_cookie(request), "")

        def end() -> Response:
            ended = login.end(body.state, body.code, body.iss, cookie, visitor_of(request), who)
            more: dict[str, Any] = {"next": ended.next_page}
            return (with_session(request, auth, ended.session_id, more) if ended.session_id
                    else JSONResponse(session_json(auth, who) | more))

        response = await run_in_thread(end, provider_threads())
        response.delete_cookie(_cookie(request), path=_PATH, httponly=True, samesite="strict",
                               secure=request.url.scheme == "https")
        return response

    return router


def _checked(openid: OpenIdLogin | None) -> OpenIdLogin:
    """Raises NoProvider, TooManyAttempts."""
    if openid is None:
        raise NoProvider
    if provider_threads().statistics().tasks_waiting >= MOST_WAITING:
        raise TooManyAttempts(BUSY_S, is_news=False)
    return openid


def _cookie(request: Request) -> str:
    return f"{cookie_name(request.headers)}_openid"

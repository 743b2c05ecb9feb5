"""The HTTP API of log-in, account, users, tokens and audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta
from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from idroserra.auth.errors import InvalidRequest
from idroserra.auth.identity import Identity, check_recent_password, current_identity
from idroserra.auth.roles import role_of
from idroserra.auth.service import AuthService, Visitor
from idroserra.i18n.marker import N_
from idroserra.i18n.translate import Locale
from idroserra.web.api.schemas import In, Out, error_replies
from idroserra.web.audit_words import detail_words
from idroserra.web.middleware.authentication import address_of, cookie_name, session_of
from idroserra.web.routing import Routes
from idroserra.web.threads import log_in_threads, run_in_thread

if TYPE_CHECKING:
    from idroserra.auth.openid.login import OpenIdLogin

MOST_ROWS = 1_000

Name = Annotated[str, Meta(max_length=64, description="a-z, 0-9, . _ and -, a letter first.")]
Password = Annotated[str, Meta(max_length=200, description="12 to 200 characters.")]
RoleWord = Literal["viewer", "operator", "admin"]

_ERROR_REPLIES = error_replies({
    403: "Wrong password, or the password is needed again.", 404: "No such user or token.",
    429: "Too many wrong passwords; Retry-After in seconds.",
})


class LogIn(In):
    """A name and its password."""

    name: Name
    password: Password


class LinkIn(In):
    """The token of the log-in link that a demo prints."""

    token: Annotated[str, Meta(max_length=200)]


class SetUpIn(LogIn):
    """The setup token of the host, and its first admin."""

    token: Annotated[str, Meta(max_length=200)]


class PasswordIn(In):
    """A password."""

    password: Password


class OwnPasswordIn(PasswordIn):
    """The current password and the new one."""

    new_password: Password


class PreferencesIn(In):
    """Language and units."""

    language: Annotated[str, Meta(
        max_length=20, description="en, it, zh, or empty for the browser's language.")]
    ec: Annotated[str, Meta(max_length=20, description="mS/cm, uS/cm, ppm500 or ppm700.")]
    temperature: Annotated[str, Meta(max_length=20, description="C or F.")]
    volume: Annotated[str, Meta(max_length=20, description="L or gal (US); doses stay in ml.")]


class UserIn(LogIn):
    """A new user."""

    role: RoleWord


class RoleIn(In):
    """A role."""

    role: RoleWord


class TokenIn(RoleIn):
    """A new token for a program."""

    name: Name


class SessionOut(Out):
    """The user who is logged in, or nulls; needs_setup: there is no admin yet."""

    user: str | None
    role: str | None
    needs_setup: bool
    log_out_url: Annotated[str, Meta(
        description="After a log-out: the page that ends the log-in at the provider, too.")] = ""


class UserOut(Out):
    """One user."""

    name: str
    role: str
    made_unix_ms: int
    sessions: Annotated[int, Meta(description="Open sessions.")]
    issuer: Annotated[str, Meta(description="OpenID provider; empty: the user has a password.")]
    subject: Annotated[str, Meta(description="Who the user is at the provider.")]
    is_locked_out: bool


class UsersOut(Out):
    """Every user, by name."""

    users: list[UserOut]


class TokenOut(Out):
    """One token, without its secret."""

    name: str
    role: str
    by: str
    made_unix_ms: int
    used_unix_ms: Annotated[int | None, Meta(description="Last use, to the hour; null: never.")]


class TokensOut(Out):
    """Every token, by name."""

    tokens: list[TokenOut]


class NewTokenOut(Out):
    """The secret of a new token, returned only here."""

    name: str
    role: str
    secret: str


class AuditOut(Out):
    """Rows of the audit log, newest first; `failure`: why the last row was not written."""

    rows: list[dict[str, Any]]
    failure: str


def access_router(auth: AuthService, openid: OpenIdLogin | None) -> Routes:
    """Return the routes of users, sessions and tokens."""
    router = Routes("/api", _ERROR_REPLIES)
    _add_logins(router, auth)
    _add_account(router, auth, openid)
    _add_users(router, auth)
    _add_tokens(router, auth)
    return router


def _add_logins(router: Routes, auth: AuthService) -> None:
    @router.get("/session", answer=SessionOut)
    def session() -> dict[str, Any]:
        """Return the user who is logged in."""
        return session_json(auth, current_identity())

    @router.post("/session", answer=SessionOut)
    async def log_in(request: Request, body: LogIn) -> Response:
        """Log in. The response sets the cookie of a new session."""
        return await run_in_thread(lambda: with_session(
            request, auth, auth.log_in(body.name, body.password, visitor_of(request))),
            log_in_threads())

    @router.post("/session/link", answer=SessionOut)
    async def log_in_by_link(request: Request, body: LinkIn) -> Response:
        """Log in with the link of a demo."""
        return await run_in_thread(lambda: with_session(
            request, auth, auth.log_in_by_link(body.token, visitor_of(request))), log_in_threads())

    @router.post("/setup", answer=SessionOut)
    async def set_up(request: Request, body: SetUpIn) -> Response:
        """Create the first admin and log in as that user."""
        return await run_in_thread(lambda: with_session(request, auth, auth.set_up(
            body.token, body.name, body.password, visitor_of(request))), log_in_threads())


def _add_account(router: Routes, auth: AuthService, openid: OpenIdLogin | None) -> None:
    def left(request: Request) -> Response:
        origin, person = request.headers.get("origin"), person_of_session()
        url = (openid.log_out_url(origin)
               if openid is not None and origin and openid.is_user(person.name) else "")
        return _without_session(request, auth, url)

    @router.delete("/session", answer=SessionOut)
    def log_out(request: Request) -> Response:
        """End this session."""
        auth.sessions.end(person_of_session().session)
        return left(request)

    @router.delete("/session/all", answer=SessionOut)
    def log_out_everywhere(request: Request) -> Response:
        """End all sessions of the user."""
        auth.sessions.end_all(person_of_session().name)
        return left(request)

    @router.post("/session/confirm", answer=SessionOut)
    async def confirm(body: PasswordIn) -> dict[str, Any]:
        """Confirm the password, for requests that need it within the last five minutes."""
        await run_in_thread(
            lambda: auth.confirm(person_of_session(), body.password), log_in_threads())
        return session_json(auth, current_identity())

    @router.put("/account/password", answer=SessionOut)
    def change_password(body: OwnPasswordIn) -> dict[str, Any]:
        """Change the own password and end the other sessions."""
        auth.change_password(person_of_session(), body.password, body.new_password)
        return session_json(auth, current_identity())

    @router.get("/account/preferences", answer=PreferencesIn)
    def preferences() -> dict[str, Any]:
        """Return the own language and units."""
        return auth.preferences.of(person_of_session().name)._asdict()

    @router.put("/account/preferences", answer=PreferencesIn)
    def choose(body: PreferencesIn) -> dict[str, Any]:
        """Set the own language and units. Stored values do not change."""
        person = person_of_session()
        auth.preferences.choose(person.name, Locale(**asdict(body)))
        return auth.preferences.of(person.name)._asdict()


def _add_users(router: Routes, auth: AuthService) -> None:
    users = auth.users

    def answer() -> dict[str, Any]:
        return {"users": users_json(auth)}

    @router.get("/users", answer=UsersOut)
    def list_users() -> dict[str, Any]:
        """List the users."""
        return answer()

    @router.post("/users", status=201, answer=UsersOut)
    def add_user(body: UserIn) -> dict[str, Any]:
        """Add a user."""
        check_recent_password()
        users.add(body.name, role_of(body.role), body.password)
        return answer()

    @router.put("/users/{name}/role", answer=UsersOut)
    def change_role(name: str, body: RoleIn) -> dict[str, Any]:
        """Change a role, with immediate effect on open pages."""
        check_recent_password()
        users.set_role(name, role_of(body.role))
        return answer()

    @router.put("/users/{name}/password", answer=UsersOut)
    def set_password(name: str, body: PasswordIn) -> dict[str, Any]:
        """Set the password of a user and end the user's sessions."""
        check_recent_password()
        users.set_password(name, body.password)
        return answer()

    @router.put("/users/{name}/lock-out", answer=UsersOut)
    def lock_out(name: str) -> dict[str, Any]:
        """Keep a user of the OpenID provider out, and end their sessions."""
        check_recent_password()
        auth.lock_out(name, is_locked_out=True)
        return answer()

    @router.delete("/users/{name}/lock-out", answer=UsersOut)
    def let_in(name: str) -> dict[str, Any]:
        """Let a user who was locked out in again."""
        check_recent_password()
        auth.lock_out(name, is_locked_out=False)
        return answer()

    @router.delete("/users/{name}", answer=UsersOut)
    def remove_user(name: str) -> dict[str, Any]:
        """Remove a user and end their sessions."""
        check_recent_password()
        users.remove(name)
        return answer()


def _add_tokens(router: Routes, auth: AuthService) -> None:
    tokens = auth.tokens

    def answer() -> dict[str, Any]:
        return {"tokens": tokens_json(auth)}

    @router.get("/tokens", answer=TokensOut)
    def list_tokens() -> dict[str, Any]:
        """List the tokens, without their secrets."""
        return answer()

    @router.post("/tokens", status=201, answer=NewTokenOut)
    def make_token(body: TokenIn) -> dict[str, Any]:
        """Create a token for a program. Its secret is returned only here."""
        check_recent_password()
        who = current_identity()
        secret = tokens.make(body.name, role_of(body.role), "" if who is None else who.name)
        return {"name": body.name.strip().lower(), "role": body.role, "secret": secret}

    @router.delete("/tokens/{name}", answer=TokensOut)
    def revoke_token(name: str) -> dict[str, Any]:
        """Revoke a token."""
        tokens.revoke(name)
        return answer()

    @router.get("/audit", answer=AuditOut)
    def audit(
        limit: Annotated[int, Meta(ge=1, le=MOST_ROWS, description="Number of rows.")] = 100,
        before_seq: Annotated[
            int, Meta(ge=1, le=2**53, description="Only older rows.")] | None = None,
    ) -> dict[str, Any]:
        """Return rows of the audit log, newest first; `words`: the details for the reader."""
        return {"rows": [row._asdict() | {"words": detail_words(row.detail)}
                         for row in auth.audit.newest(limit, before_seq)],
                "failure": auth.audit.failure}


def users_json(auth: AuthService) -> list[dict[str, Any]]:
    """Return UserOut of every user."""
    return [{"name": user.name, "role": user.role.label, "made_unix_ms": user.made_unix_ms,
             "sessions": auth.sessions.count(user.name), "issuer": user.issuer,
             "subject": user.subject, "is_locked_out": user.is_locked_out}
            for user in auth.users.all()]


def tokens_json(auth: AuthService) -> list[dict[str, Any]]:
    """Return TokenOut of every token."""
    return [{"name": token.name, "role": token.role.label, "by": token.by,
             "made_unix_ms": token.made_unix_ms, "used_unix_ms": token.used_unix_ms}
            for token in auth.tokens.all()]


def visitor_of(request: Request) -> Visitor:
    """Return where a log-in comes from."""
    return Visitor(address_of(request.scope), request.headers.get("user-agent", ""),
                   session_of(request.headers))


def person_of_session() -> Identity:
    """Return the user of a session. Raises InvalidRequest for a token."""
    who = current_identity()
    if who is None or who.kind != "session":
        raise InvalidRequest(N_("session: needed; a token has none"))
    return who


def session_json(auth: AuthService, who: Identity | None) -> dict[str, Any]:
    """Return SessionOut of an identity."""
    return {"user": None if who is None else who.name,
            "role": None if who is None else who.role.label,
            "needs_setup": not auth.users.has_admin}


def with_session(
    request: Request, auth: AuthService, session_id: str, more: dict[str, Any] | None = None
) -> Response:
    """Return SessionOut of a new session, and its cookie."""
    who = auth.authenticate(session_id, "", address_of(request.scope))
    response = JSONResponse(session_json(auth, who) | (more or {}))
    response.set_cookie(
        cookie_name(request.headers), session_id, max_age=auth.sessions.absolute_ms // 1_000,
        httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return response


def _without_session(request: Request, auth: AuthService, log_out_url: str) -> Response:
    response = JSONResponse(session_json(auth, None) | {"log_out_url": log_out_url})
    response.delete_cookie(cookie_name(request.headers), httponly=True, samesite="strict",
                           secure=request.url.scheme == "https")
    return response

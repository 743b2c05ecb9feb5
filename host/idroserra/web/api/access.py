"""The API of users: log in and out, first set-up, own password, users, tokens, the audit log."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta
from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from idroserra.auth.errors import InvalidRequest
from idroserra.auth.identity import Identity, check_recent_password, current_identity
from idroserra.auth.roles import role_of
from idroserra.auth.service import AuthService, Visitor
from idroserra.i18n.translate import Locale
from idroserra.web.api.schemas import In, Out, refused
from idroserra.web.middleware.authentication import address_of, cookie_name, session_of
from idroserra.web.routing import Replies, Routes

MOST_ROWS = 1_000

Name = Annotated[str, Meta(max_length=64, description="a-z, 0-9, . _ and -, a letter first.")]
Password = Annotated[str, Meta(max_length=200, description="12 to 200 characters.")]
RoleWord = Literal["viewer", "operator", "admin"]

_REFUSALS: Replies = {
    403: refused("Wrong password, or it must be given again."),
    404: refused("No such user or token."),
    422: refused("A field is wrong; the message names it."),
    429: refused("Too many wrong passwords; Retry-After in seconds."),
}


class LogIn(In):
    """A name and its password."""

    name: Name
    password: Password


class LinkIn(In):
    """The token of a link that a demo prints."""

    token: Annotated[str, Meta(max_length=200)]


class SetUpIn(LogIn):
    """The host's setup token, and who becomes its first admin."""

    token: Annotated[str, Meta(max_length=200)]


class PasswordIn(In):
    """A password."""

    password: Password


class OwnPasswordIn(PasswordIn):
    """The password so far, and the new one."""

    new_password: Password


class PreferencesIn(In):
    """How to be spoken to."""

    language: Annotated[str, Meta(
        max_length=20, description="en, it, zh, or empty: as the browser says.")]
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
    """Who is logged in; nulls for nobody. needs_setup: there is no admin yet."""

    user: str | None
    role: str | None
    needs_setup: bool


class UserOut(Out):
    """One user."""

    name: str
    role: str
    made_unix_ms: int
    sessions: Annotated[int, Meta(description="Open sessions.")]


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
    """The secret of a new token. It is told this once."""

    name: str
    role: str
    secret: str


class AuditOut(Out):
    """Rows of the audit log, newest first. `failure`: why the newest could not be written."""

    rows: list[dict[str, Any]]
    failure: str


def access_router(access: AuthService) -> Routes:
    """Return the routes of users, sessions and tokens."""
    router = Routes("/api", _REFUSALS)
    _add_doors(router, access)
    _add_own(router, access)
    _add_users(router, access)
    _add_tokens(router, access)
    return router


def _add_doors(router: Routes, access: AuthService) -> None:
    @router.get("/session", answer=SessionOut)
    def session() -> dict[str, Any]:
        """Who is logged in."""
        return _session_json(access, current_identity())

    @router.post("/session", answer=SessionOut)
    def log_in(request: Request, body: LogIn) -> Response:
        """Log in. The answer sets the cookie of a new session."""
        return _let_in(request, access, access.log_in(body.name, body.password, _visitor(request)))

    @router.post("/session/link", answer=SessionOut)
    def log_in_by_link(request: Request, body: LinkIn) -> Response:
        """Log in by the link of a demo."""
        return _let_in(request, access, access.log_in_by_link(body.token, _visitor(request)))

    @router.post("/setup", answer=SessionOut)
    def set_up(request: Request, body: SetUpIn) -> Response:
        """Make the first admin, and log in as that one."""
        return _let_in(request, access, access.set_up(
            body.token, body.name, body.password, _visitor(request)))


def _add_own(router: Routes, access: AuthService) -> None:
    @router.delete("/session", answer=SessionOut)
    def log_out(request: Request) -> Response:
        """Log out here."""
        access.sessions.end(_person().session)
        return _let_out(request, access)

    @router.delete("/session/all", answer=SessionOut)
    def log_out_everywhere(request: Request) -> Response:
        """Log out here and everywhere else."""
        access.sessions.end_all(_person().name)
        return _let_out(request, access)

    @router.post("/session/confirm", answer=SessionOut)
    def confirm(body: PasswordIn) -> dict[str, Any]:
        """Give the password again, for what needs one given in the last five minutes."""
        access.confirm(_person(), body.password)
        return _session_json(access, current_identity())

    @router.put("/account/password", answer=SessionOut)
    def change_password(body: OwnPasswordIn) -> dict[str, Any]:
        """Change one's own password. It ends one's other sessions."""
        access.change_password(_person(), body.password, body.new_password)
        return _session_json(access, current_identity())

    @router.get("/account/preferences", answer=PreferencesIn)
    def preferences() -> dict[str, Any]:
        """One's own language and units."""
        return access.preferences.of(_person().name)._asdict()

    @router.put("/account/preferences", answer=PreferencesIn)
    def choose(body: PreferencesIn) -> dict[str, Any]:
        """Choose one's own language and units. What is measured and stored stays as it is."""
        person = _person()
        access.preferences.choose(person.name, Locale(**asdict(body)))
        return access.preferences.of(person.name)._asdict()


def _add_users(router: Routes, access: AuthService) -> None:
    users = access.users

    def answer() -> dict[str, Any]:
        return {"users": [
            {"name": user.name, "role": user.role.label, "made_unix_ms": user.made_unix_ms,
             "sessions": access.sessions.count(user.name)} for user in users.all()]}

    @router.get("/users", answer=UsersOut)
    def list_users() -> dict[str, Any]:
        """Who may log in."""
        return answer()

    @router.post("/users", status=201, answer=UsersOut)
    def add_user(body: UserIn) -> dict[str, Any]:
        """Add a user."""
        check_recent_password()
        users.add(body.name, role_of(body.role), body.password)
        return answer()

    @router.put("/users/{name}/role", answer=UsersOut)
    def change_role(name: str, body: RoleIn) -> dict[str, Any]:
        """Change a role. It holds at once, for open pages too."""
        check_recent_password()
        users.set_role(name, role_of(body.role))
        return answer()

    @router.put("/users/{name}/password", answer=UsersOut)
    def set_password(name: str, body: PasswordIn) -> dict[str, Any]:
        """Give a user a new password. It ends their sessions."""
        check_recent_password()
        users.set_password(name, body.password)
        return answer()

    @router.delete("/users/{name}", answer=UsersOut)
    def remove_user(name: str) -> dict[str, Any]:
        """Remove a user and end their sessions."""
        check_recent_password()
        users.remove(name)
        return answer()


def _add_tokens(router: Routes, access: AuthService) -> None:
    tokens = access.tokens

    def answer() -> dict[str, Any]:
        return {"tokens": [
            {"name": one.name, "role": one.role.label, "by": one.by,
             "made_unix_ms": one.made_unix_ms, "used_unix_ms": one.used_unix_ms}
            for one in tokens.all()]}

    @router.get("/tokens", answer=TokensOut)
    def list_tokens() -> dict[str, Any]:
        """The tokens of programs, without their secrets."""
        return answer()

    @router.post("/tokens", status=201, answer=NewTokenOut)
    def make_token(body: TokenIn) -> dict[str, Any]:
        """Make a token for a program. Its secret is told this once."""
        check_recent_password()
        who = current_identity()
        secret = tokens.make(body.name, role_of(body.role), "" if who is None else who.name)
        return {"name": body.name.strip().lower(), "role": body.role, "secret": secret}

    @router.delete("/tokens/{name}", answer=TokensOut)
    def revoke_token(name: str) -> dict[str, Any]:
        """End a token."""
        tokens.revoke(name)
        return answer()

    @router.get("/audit", answer=AuditOut)
    def audit(
        limit: Annotated[int, Meta(ge=1, le=MOST_ROWS, description="Newest so many.")] = 100,
        before_seq: Annotated[int, Meta(ge=1, le=2**53, description="Older ones.")] | None = None,
    ) -> dict[str, Any]:
        """Who did what, when, from where, and what became of it. Newest first."""
        return {"rows": [row._asdict() for row in access.audit.newest(limit, before_seq)],
                "failure": access.audit.failure}


def _visitor(request: Request) -> Visitor:
    return Visitor(address_of(request.scope), request.headers.get("user-agent", ""),
                   session_of(request.headers))


def _person() -> Identity:
    """Return the person at the page. Raises Refused for a program."""
    who = current_identity()
    if who is None or who.kind != "session":
        raise InvalidRequest("session: this is for people who logged in; a token has none")
    return who


def _session_json(access: AuthService, who: Identity | None) -> dict[str, Any]:
    return {"user": None if who is None else who.name,
            "role": None if who is None else who.role.label,
            "needs_setup": not access.users.has_admin}


def _let_in(request: Request, access: AuthService, session_id: str) -> Response:
    who = access.authenticate(session_id, "", address_of(request.scope))
    response = JSONResponse(_session_json(access, who))
    response.set_cookie(
        cookie_name(request.headers), session_id, max_age=access.sessions.absolute_ms // 1_000,
        httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return response


def _let_out(request: Request, access: AuthService) -> Response:
    response = JSONResponse(_session_json(access, None))
    response.delete_cookie(cookie_name(request.headers), httponly=True, samesite="strict",
                           secure=request.url.scheme == "https")
    return response



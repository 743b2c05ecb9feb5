"""Middleware: authentication, authorization and audit log of every request.

A session cookie or a bearer token identifies the client. The rules of idroserra.auth.roles decide
by method and path; a request without a rule is refused. Each request that changes something adds a
row with its result to the audit log; of refused ones only some a minute.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from idroserra.auth.identity import Identity, set_identity
from idroserra.auth.roles import Role, Rule, rule_of, target_of
from idroserra.auth.service import AuthService
from idroserra.i18n.translate import (
    DEFAULT_LOCALE,
    LANGUAGES,
    Locale,
    negotiate_language,
    set_locale,
)
from idroserra.web.middleware.security import MAX_BODY_BYTES, SAFE_METHODS
from idroserra.web.threads import audit_threads_of, run_in_thread, threads_of

COOKIE = "idroserra"
# Pages without log-in, where the address can select a language.
PUBLIC_PAGES = ("/login", "/login/openid", "/setup", "/trust", "/help/reasons")
# Never in the audit log.
_SECRETS = ("password", "new_password", "token", "key", "url")
RefusedPage = Callable[[Request, int], Response]


class AuthMiddleware:
    """ASGI middleware; must be behind SecurityMiddleware."""

    def __init__(self, app: ASGIApp, auth: AuthService, refused_page: RefusedPage) -> None:
        """refused_page(request, status): the page for a person who may not see another."""
        self._app = app
        self._auth = auth
        self._refused_page = refused_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on with identity and locale set."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        who = await identify(self._auth, scope)
        set_identity(who)
        set_locale(await run_in_thread(
            lambda: locale_for(self._auth, who, scope), threads_of(scope)))
        rule = rule_of(scope["method"], scope["path"])
        refusal = self._refusal(scope, rule, who)
        # Log-ins are audited in AuthService, with the refused ones.
        is_unaudited = (rule is None or rule.role is Role.ANYONE or not rule.action
                        or scope["method"] in SAFE_METHODS)
        if rule is None or who is None or is_unaudited:
            await (refusal or self._app)(scope, receive, send)
            return
        record = _Record(receive)
        try:
            await (refusal or self._app)(scope, record.receive, record.send)
        finally:
            await run_in_thread(lambda: self._audit(rule, who, scope["path"], record),
                                None if refusal else audit_threads_of(scope))
        for message in record.messages:
            await send(message)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close a WebSocket that is not of the session of a person with the role for it."""
        who = await run_in_thread(lambda: self._auth.authenticate(
            session_of(Headers(scope=scope)), "", address_of(scope)))
        rule = rule_of("GET", scope["path"])
        if who is None or rule is None or who.role < rule.role:
            await send({"type": "websocket.close", "code": 1008})
            return
        set_identity(who)
        set_locale(await run_in_thread(lambda: locale_for(self._auth, who, scope)))
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, rule: Rule | None, who: Identity | None) -> ASGIApp | None:
        if rule is not None and rule.role <= (Role.ANYONE if who is None else who.role):
            return None
        if who is None:
            return _in_thread(self._login_redirect) if wants_page(scope) else _log_in_first()
        if wants_page(scope):
            status = 404 if rule is None else 403
            return _in_thread(lambda scope: self._refused_page(Request(scope), status))
        if rule is None:
            return _no_rule(scope["path"])
        why = f"your role is {who.role.label}: this needs {rule.role.label}"
        return JSONResponse({"error": why}, 403)

    def _login_redirect(self, scope: Scope) -> Response:
        """Redirect a browser to the log-in page, or to that of the first admin."""
        if not self._auth.users.has_admin:
            return RedirectResponse("/setup", 303)
        return RedirectResponse(f"/login?next={quote(scope['path'])}", 303)

    def _audit(self, rule: Rule, who: Identity, path: str, record: _Record) -> None:
        result, reason, answer = record.outcome()
        target = target_of(rule, path)
        if result == "refused":  # nothing of what was asked: a viewer's text fills no disk
            self._auth.refusals.add(
                who.audited_name, rule.action, target=target, address=who.address,
                status=record.status, reason=reason)
            return
        self._auth.refusals.write_left_out()
        detail = record.fields() | {key: answer[key] for key in ("id", "rev") if key in answer}
        self._auth.audit.add(who.audited_name, rule.action, target=target, address=who.address,
                             detail=detail, result=result, reason=reason)


class _Record:
    """A request body and its response, which is sent after the audit row is written."""

    def __init__(self, receive: Receive) -> None:
        self.messages: list[Message] = []
        self._receive = receive
        self._body = b""

    async def receive(self) -> Message:
        message = await self._receive()
        if len(self._body) < MAX_BODY_BYTES:  # enough for JSON; photos are larger
            self._body += message.get("body", b"")
        return message

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        """The status of the response, 0 without one."""
        return int(self.messages[0]["status"]) if self.messages else 0

    def fields(self) -> dict[str, Any]:
        """Return the fields of the request, without secrets."""
        return {key: value for key, value in _object(self._body).items() if key not in _SECRETS}

    def outcome(self) -> tuple[str, str, dict[str, Any]]:
        """Return (result, reason, answer)."""
        status = self.status
        answer = _object(b"".join(message.get("body", b"") for message in self.messages))
        if status == 202:
            return "asked", "", answer
        if 200 <= status < 300:
            return "done", "", answer
        failed = status == 0 or status >= 500
        return "failed" if failed else "refused", str(answer.get("error", "")), answer


def wants_page(scope: Scope) -> bool:
    """Return whether a browser asks for a page, not a program for data."""
    return (scope["method"] == "GET" and not scope["path"].startswith(("/api/", "/static/"))
            and "text/html" in Headers(scope=scope).get("accept", ""))


async def identify(auth: AuthService, scope: Scope) -> Identity | None:
    """Return the identity of a request, None if it is anonymous."""
    headers = Headers(scope=scope)
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    bearer = bearer.strip() if kind.lower() == "bearer" else ""
    session_id = session_of(headers)
    if not bearer and not session_id:
        return None
    return await run_in_thread(
        lambda: auth.authenticate(session_id, bearer, address_of(scope)), threads_of(scope))


def locale_for(auth: AuthService, who: Identity | None, scope: Scope) -> Locale:
    """Return the locale of a request: the user's choice, else the browser's language, metric."""
    own = DEFAULT_LOCALE._replace(language="")
    if who is not None and who.kind == "session":
        own = auth.preferences.of(who.name)
    elif scope["path"] in PUBLIC_PAGES:
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("language", [""])
        own = own._replace(language=asked[0] if asked[0] in LANGUAGES else "")
    accepted = Headers(scope=scope).get("accept-language", "")
    return own._replace(language=own.language or negotiate_language(accepted))


def cookie_name(headers: Headers) -> str:
    """Return the cookie name, with the port: browsers share cookies between ports."""
    port = headers.get("host", "").rpartition(":")[2]
    return f"{COOKIE}_{port}" if port.isdecimal() else COOKIE


def session_of(headers: Headers) -> str:
    """Return the session id of the cookie, "" if there is none."""
    return cookie_parser(headers.get("cookie", "")).get(cookie_name(headers), "")


def address_of(scope: Scope) -> str:
    """Return the client address; uvicorn applies the headers of a local proxy."""
    client = scope.get("client")
    return str(client[0])[:64] if client else "unknown"


def _in_thread(answer_to: Callable[[Scope], Response]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answer = await run_in_thread(lambda: answer_to(scope))
        await answer(scope, receive, send)

    return app


def _log_in_first() -> Response:
    return JSONResponse(
        {"error": "log in first, or send a token as Authorization: Bearer"}, 401,
        {"WWW-Authenticate": 'Bearer realm="idroserra"'})


def _no_rule(path: str) -> Response:
    methods = [method for method in ("GET", "POST", "PUT", "DELETE") if rule_of(method, path)]
    if methods:
        return JSONResponse({"error": "Method Not Allowed"}, 405, {"Allow": ", ".join(methods)})
    return JSONResponse({"error": "Not Found"}, 404)


def _object(content: bytes) -> dict[str, Any]:
    """Return a JSON object; {} for any other content or too deep nesting."""
    try:
        found = json.loads(content) if content else {}
        json.dumps(found)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

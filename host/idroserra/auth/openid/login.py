"""Log-ins at an OpenID provider: from the browser that begins one to its session.

What is known of a log-in that was begun is in memory, for some minutes, under the hash of its
`state`; the cookie of the browser that began it is needed to end it, so neither a link of
somebody else nor a stolen code logs in.
"""

from __future__ import annotations

import base64
import hmac
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import urlencode

from idroserra.auth.errors import AccessError, InvalidRequest, LockedOut, TooManyAttempts
from idroserra.auth.identity import FRESH_MS, Identity
from idroserra.auth.openid.errors import (
    AnotherPerson,
    LogInOver,
    NoRole,
    NotFresh,
    ProviderRefused,
    ProviderUnavailable,
)
from idroserra.auth.openid.http import ProviderHttp
from idroserra.auth.openid.provider import LEEWAY_S, Metadata, Provider, claim_at
from idroserra.auth.passwords import hash_token
from idroserra.auth.rate_limit import LoginRateLimit
from idroserra.auth.roles import Role
from idroserra.auth.service import AuthService, Visitor
from idroserra.core.errors import ConfigError
from idroserra.core.sections.access import OpenIdConfig
from idroserra.i18n.marker import N_

FLOW_MS = 10 * 60_000
MAX_FLOWS = 1_000
RETURN_PATH = "/login/openid"
ACTION, CONFIRMATION = "log in by OpenID", "confirm by OpenID"


class Begun(NamedTuple):
    """Where the browser goes, and the cookie that it brings back."""

    url: str
    cookie: str


class Ended(NamedTuple):
    """A new session, "" for a confirmation of an open one, and the page to go on with."""

    session_id: str
    next_page: str


@dataclass(frozen=True)
class _Flow:
    cookie: bytes
    metadata: Metadata
    nonce: str
    verifier: str
    redirect_uri: str
    next_page: str
    session: bytes  # to be confirmed; b"" for a log-in
    began_ms: int
    began_unix_ms: int
    address: str  # both of the rate limit
    account: str


class OpenIdLogin:
    """Log-ins at the provider of a configuration. Thread-safe."""

    def __init__(self, auth: AuthService, config: OpenIdConfig, provider: Provider) -> None:
        self.label = config.label
        self._auth = auth
        self._config = config
        self._provider = provider
        self._limits = LoginRateLimit(auth.clock.now_ms)  # apart from that of passwords
        self._lock = threading.Lock()
        self._flows: dict[bytes, _Flow] = {}
        # The provider's page to log out, "" if it has none; None until it has said so.
        self._end_session: str | None = None

    def begin(
        self, origin: str, next_page: str, visitor: Visitor, confirming: Identity | None = None
    ) -> Begun:
        """Begin a log-in, or the confirmation of a session, of a page at `origin`.

        Raises ProviderUnavailable, TooManyAttempts, InvalidRequest."""
        if confirming is not None and not self.is_user(confirming.name):
            raise InvalidRequest(N_("session: its user has a password to confirm"))
        state, cookie, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(4))
        # A log-in is counted for its address, a confirmation for its session.
        address, account = (visitor.address, f"openid {state}") if confirming is None else (
            "", f"session {confirming.session.hex()}")
        self._count(address, account, visitor)
        try:
            metadata, _ = self._provider.discover()
        except ProviderUnavailable:
            self._limits.succeed(address, account)
            raise
        self._end_session = metadata.end_session_endpoint or ""
        flow = _Flow(
            hash_token(cookie), metadata, nonce, verifier, f"{origin}{RETURN_PATH}", next_page,
            b"" if confirming is None else confirming.session, self._auth.clock.now_ms(),
            self._auth.now_unix_ms(), address, account)
        with self._lock:
            self._drop_old()
            self._flows[hash_token(state)] = flow
        return Begun(self._address(flow, state), cookie)

    def end(
        self, state: str, code: str, issuer: str | None, cookie: str, visitor: Visitor,
        who: Identity | None,
    ) -> Ended:
        """Log in, or confirm a session, with what the browser brought back to RETURN_PATH; once.

        Raises LogInOver, ProviderUnavailable, ProviderRefused, NoRole, LockedOut, NotFresh,
        AnotherPerson."""
        flow = self._taken(state, cookie)
        if flow is None or (flow.session and (who is None or who.session != flow.session)):
            raise LogInOver
        try:
            claims = self._claims(flow, code, issuer)
            if flow.session and who is not None:
                self._confirm(flow, claims, who)
                ended = Ended("", flow.next_page)
            else:
                ended = Ended(self._log_in(flow, claims, visitor), flow.next_page)
        except AccessError as error:
            if isinstance(error, ProviderUnavailable):
                self._limits.succeed(flow.address, flow.account)  # no fault of the person
            self._audit_refusal(flow, error, visitor, who)
            raise
        self._limits.succeed(flow.address, flow.account)
        return ended

    def is_user(self, name: str) -> bool:
        """Whether a user logs in at the provider of this configuration."""
        return any(user.name == name and user.issuer == self._config.issuer
                   for user in self._auth.users.all())

    def log_out_url(self, origin: str) -> str:
        """Return the provider's page that ends the log-in there, "" if it has none, or does not
        answer: this host ends its session all the same."""
        if self._end_session is None:  # the session began before the host was restarted
            with suppress(ProviderUnavailable):
                self._end_session = self._provider.discover()[0].end_session_endpoint or ""
        if not self._end_session:
            return ""
        return _with_query(self._end_session, {
            "client_id": self._config.client_id or "",
            "post_logout_redirect_uri": f"{origin}/login"})

    def _log_in(self, flow: _Flow, claims: dict[str, Any], visitor: Visitor) -> str:
        user = self._auth.users.enter(
            claims["iss"], claims["sub"], self._name(claims), self._role(claims))
        now_ms = self._auth.clock.now_ms()
        age_ms = self._age_ms(flow, claims)
        return self._auth.begin_session(
            user, visitor, ACTION, 0 if age_ms is None else now_ms - age_ms)

    def _confirm(self, flow: _Flow, claims: dict[str, Any], who: Identity) -> None:
        known = self._auth.users.of_provider(claims["iss"], claims["sub"])
        if known is None or known.name != who.name:
            raise AnotherPerson(who.name)
        self._auth.users.enter(claims["iss"], claims["sub"], "", self._role(claims))
        age_ms = self._age_ms(flow, claims)
        if age_ms is None or age_ms > FRESH_MS:
            raise NotFresh(self.label)
        self._auth.sessions.confirm(who.session, age_ms)
        self._auth.audit.add(who.audited_name, CONFIRMATION, address=who.address)

    def _claims(self, flow: _Flow, code: str, issuer: str | None) -> dict[str, Any]:
        """Return the verified claims of the person who comes back from the provider."""
        metadata = flow.metadata
        is_named = metadata.authorization_response_iss_parameter_supported
        if (issuer is not None or is_named) and issuer != metadata.issuer:
            raise ProviderRefused("iss of the response")  # RFC 9207
        return self._provider.exchange(
            metadata, code, flow.verifier, flow.redirect_uri, flow.nonce)

    def _role(self, claims: dict[str, Any]) -> Role:
        """Return the role that the claims give. Ends the sessions of one without; NoRole."""
        found = claim_at(claims, self._config.role_claim)
        values = found if isinstance(found, list) else [found]
        roles = self._config.roles
        for role, wanted in ((Role.ADMIN, roles.admin), (Role.OPERATOR, roles.operator),
                             (Role.VIEWER, roles.viewer)):
            if any(one in wanted for one in values):
                return role
        known = self._auth.users.of_provider(claims["iss"], claims["sub"])
        if known is not None:
            self._auth.sessions.end_all(known.name)
        raise NoRole(self.label, self._name(claims)[:60], self._config.role_claim)

    def _name(self, claims: dict[str, Any]) -> str:
        return str(claim_at(claims, self._config.name_claim) or claims["sub"])

    def _age_ms(self, flow: _Flow, claims: dict[str, Any]) -> int | None:
        """Return how long ago the provider asked who it is; None if it did not in this flow."""
        at_s = claims.get("auth_time")
        if isinstance(at_s, bool) or not isinstance(at_s, int | float):
            return None
        earliest_s = flow.began_unix_ms // 1_000 - LEEWAY_S
        now_s = self._auth.now_unix_ms() // 1_000
        if not earliest_s <= at_s <= now_s + LEEWAY_S:
            return None
        return max(0, int(now_s - at_s)) * 1_000

    def _address(self, flow: _Flow, state: str) -> str:
        oldest_ms = FRESH_MS if flow.session else self._auth.sessions.absolute_ms
        digest = sha256(flow.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        query = {
            "response_type": "code", "client_id": self._config.client_id or "",
            "redirect_uri": flow.redirect_uri, "scope": " ".join(self._config.scopes),
            "state": state, "nonce": flow.nonce, "code_challenge": challenge,
            "code_challenge_method": "S256",
            # With a greatest age the provider says when it asked who it is (auth_time).
            "max_age": str(oldest_ms // 1_000)}
        if flow.session:
            query["prompt"] = "login"  # max_age=0 means the same, but Glewlwyd refuses it
        return _with_query(flow.metadata.authorization_endpoint, query)

    def _taken(self, state: str, cookie: str) -> _Flow | None:
        """Return the flow of a state, which ends with it; None if it is not this browser's."""
        with self._lock:
            self._drop_old()
            flow = self._flows.get(hash_token(state))
            if flow is None or not hmac.compare_digest(flow.cookie, hash_token(cookie)):
                return None
            return self._flows.pop(hash_token(state))

    def _drop_old(self) -> None:
        now = self._auth.clock.now_ms()
        open_ones = {key: flow for key, flow in self._flows.items()
                     if 0 <= now - flow.began_ms < (FRESH_MS if flow.session else FLOW_MS)}
        self._flows = dict(list(open_ones.items())[-MAX_FLOWS + 1:])

    def _count(self, address: str, account: str, visitor: Visitor) -> None:
        """Count an attempt as failed until it succeeds. Raises TooManyAttempts."""
        try:
            self._limits.begin(address, account)
        except TooManyAttempts as error:
            if error.is_news:
                self._auth.audit.add("anonymous", ACTION, address=visitor.address,
                                     result="refused", reason=str(error))
            raise

    def _audit_refusal(
        self, flow: _Flow, error: AccessError, visitor: Visitor, who: Identity | None
    ) -> None:
        name = error.name if isinstance(error, LockedOut) else "anonymous"
        if flow.session and who is not None:
            name = who.audited_name
        action = CONFIRMATION if flow.session else ACTION
        if isinstance(error, ProviderUnavailable):  # not counted, so some rows a minute only
            self._auth.refusals.add(name, action, target="", address=visitor.address, status=503,
                                    reason=str(error))
            return
        self._auth.audit.add(name, action, address=visitor.address, result="refused",
                             reason=str(error))


def open_login(auth: AuthService, config: OpenIdConfig) -> OpenIdLogin:
    """Return the log-in of a configuration with an issuer. Raises ConfigError."""
    try:
        http = ProviderHttp(config.ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError("access.openid", "ca_file", str(error)) from None
    return OpenIdLogin(auth, config, Provider(config, http, auth.now_unix_ms))


def _with_query(url: str, query: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"

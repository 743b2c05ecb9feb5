"""Authenticates people and programs (log-in, sessions, tokens, set-up) and audits it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

from idroserra.auth.audit import Audit
from idroserra.auth.clock import SecurityClock, Uptime, system_uptime
from idroserra.auth.errors import AccessError, TooManyAttempts, WrongPassword
from idroserra.auth.identity import NEVER_AGAIN_MS, Identity
from idroserra.auth.local_token import LocalToken
from idroserra.auth.passwords import hash_token, new_token
from idroserra.auth.preferences import Preferences
from idroserra.auth.rate_limit import LoginRateLimit
from idroserra.auth.refusal_rows import RefusalRows
from idroserra.auth.roles import Role
from idroserra.auth.sessions import Sessions
from idroserra.auth.tokens import Tokens
from idroserra.auth.users import User, Users
from idroserra.core.paths import user_name
from idroserra.core.sections.access import AccessConfig

USERS_FILE, AUDIT_FILE = "users.db", "audit.db"


@dataclass(frozen=True)
class Visitor:
    """Origin of a log-in: the address, the browser's user agent, an older session."""

    address: str = "host"
    agent: str = ""
    old_session: str = ""


class AuthService:
    """Users, sessions, tokens and the audit log of one host. Thread-safe."""

    def __init__(
        self, folder: Path, config: AccessConfig, now_unix_ms: Callable[[], int],
        uptime: Callable[[], Uptime] = system_uptime,
    ) -> None:
        """Open users.db and audit.db in the data folder. Raises OSError, sqlite3.Error."""
        self.now_unix_ms = now_unix_ms
        with ExitStack() as opened:
            path = folder / USERS_FILE
            self.audit = opened.enter_context(closing(Audit(folder / AUDIT_FILE, now_unix_ms)))
            self.refusals = RefusalRows(self.audit, now_unix_ms)
            opened.callback(self.refusals.end)
            self.clock = opened.enter_context(closing(SecurityClock(path, now_unix_ms, uptime)))
            self.users = opened.enter_context(closing(
                Users(path, now_unix_ms, self.clock.now_ms)))
            self.tokens = opened.enter_context(closing(Tokens(path, now_unix_ms)))
            self.sessions = opened.enter_context(closing(Sessions(
                path, self.clock, config.idle_min * 60_000, config.absolute_h * 3_600_000)))
            self.preferences = opened.enter_context(closing(Preferences(path, now_unix_ms)))
            self.local = opened.enter_context(closing(LocalToken(folder)))
            self._limits = LoginRateLimit(self.clock.now_ms)
            self._link: tuple[bytes, str] | None = None
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Close the files, and invalidate the token of the command line."""
        self.save_uses()
        self._opened.close()

    def save_uses(self) -> None:
        """Write when sessions and tokens were last used. No request waits for it."""
        self.sessions.save_uses()
        self.tokens.save_uses()

    def authenticate(self, session_id: str, bearer: str, address: str) -> Identity | None:
        """Return the identity of a session cookie or bearer token, or None."""
        if bearer:
            return self._program(bearer, address)
        session = self.sessions.find(session_id) if session_id else None
        if session is None:
            return None
        return Identity("session", session.user, session.role, address, session.hash,
                        session.confirmed_ms, self.clock.now_ms())

    def log_in(self, name: str, password: str, visitor: Visitor) -> str:
        """Return the id of a new session. Raises WrongPassword, TooManyAttempts."""
        plain = name.strip().lower()
        try:
            user = self._checked_user(plain, password, visitor.address, f"user {plain}")
        except AccessError as error:
            if not isinstance(error, TooManyAttempts) or error.is_news:
                self.audit.add(plain, "log in", address=visitor.address, result="refused",
                               reason=str(error))
            raise
        return self.begin_session(user, visitor, "log in")

    def log_in_by_link(self, token: str, visitor: Visitor) -> str:
        """Return the id of a new session of the user of open_link().

        Raises WrongPassword, TooManyAttempts."""
        self._limits.begin(visitor.address, f"link {visitor.address}")
        if self._link is None or self._link[0] != hash_token(token):
            self.audit.add(
                "anonymous", "log in by link", address=visitor.address, result="refused")
            raise WrongPassword
        self._limits.succeed(visitor.address, f"link {visitor.address}")
        return self.begin_session(self.users.get(self._link[1]), visitor, "log in by link",
                                  NEVER_AGAIN_MS)

    def open_link(self, user: str) -> str:
        """Return a token that logs in as `user` until this host ends, without a password.

        For a demo, whose user has a random password."""
        token = new_token()
        self._link = hash_token(token), self.users.get(user).name
        return token

    def set_up(self, token: str, name: str, password: str, visitor: Visitor) -> str:
        """Create the first admin and return the id of their session.

        Raises InvalidRequest, TooManyAttempts."""
        account = f"setup {visitor.address}"
        self._limits.begin(visitor.address, account)
        try:
            user = self.users.set_up(token, name, password)
        except AccessError as error:
            self.audit.add("anonymous", "set up", address=visitor.address, result="refused",
                           reason=str(error))
            raise
        self._limits.succeed(visitor.address, account)
        self.audit.add(user.name, "set up", target=user.name, address=visitor.address)
        return self.begin_session(user, visitor, "log in")

    def confirm(self, who: Identity, password: str) -> None:
        """Check a logged-in user's password again. Raises WrongPassword, TooManyAttempts."""
        self._confirmed_user(who, password)
        self.sessions.confirm(who.session)

    def lock_out(self, name: str, *, is_locked_out: bool) -> None:
        """Keep a user of an OpenID provider out and end their sessions, or let them in again.

        Raises UnknownUserOrToken, InvalidRequest."""
        self.users.lock_out(name, is_locked_out=is_locked_out)
        self.sessions.end_all(self.users.get(name).name)

    def end_foreign_sessions(self, issuer: str) -> None:
        """End the sessions of users of OpenID providers other than `issuer`; "": of all."""
        for user in self.users.all():
            if user.issuer not in ("", issuer):
                with suppress(sqlite3.Error):  # on a full disk they have ended all the same
                    self.sessions.end_all(user.name)

    def change_password(self, who: Identity, old: str, new: str) -> None:
        """Change the user's own password and end their other sessions.

        Raises WrongPassword, TooManyAttempts, InvalidRequest."""
        self._confirmed_user(who, old)
        self.users.set_password(who.name, new, keep=who.session)
        self.sessions.confirm(who.session)

    def _confirmed_user(self, who: Identity, password: str) -> User:
        """Return the user of a session, whose attempts are counted for this session alone.

        Raises WrongPassword, TooManyAttempts."""
        return self._checked_user(who.name, password, "", f"session {who.session.hex()[:32]}")

    def _checked_user(self, name: str, password: str, address: str, account: str) -> User:
        """Return the user if the password is right. Raises WrongPassword, TooManyAttempts."""
        self._limits.begin(address, account)
        user = self.users.check(name, password)
        if user is None:
            raise WrongPassword
        self._limits.succeed(address, account)
        return user

    def begin_session(
        self, user: User, visitor: Visitor, action: str, confirmed_ms: int | None = None
    ) -> str:
        """Return the id of a new session of a user who has proved who they are, `confirmed_ms`
        on the SecurityClock; by default now. Ends the browser's older session."""
        if visitor.old_session:  # a log-in always starts a new session
            with suppress(sqlite3.Error):  # on a full disk it has ended all the same
                self.sessions.end(hash_token(visitor.old_session))
        session_id = self.sessions.begin(
            user.name, visitor.address, visitor.agent, confirmed_ms)
        self.audit.add(user.name, action, address=visitor.address)
        return session_id

    def _program(self, bearer: str, address: str) -> Identity | None:
        if self.local.matches(bearer):
            return Identity("local", user_name("local"), Role.ADMIN, address)
        token = self.tokens.find(bearer)
        return None if token is None else Identity("token", token.name, token.role, address)

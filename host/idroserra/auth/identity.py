"""The identity of the current request: a person or a program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from idroserra.auth.errors import PasswordNotRecent, TokenRefused
from idroserra.auth.roles import Role

FRESH_MS = 5 * 60_000
NEVER_AGAIN_MS = 2**53  # a password check that stays recent: of a demo
MOST_NAME_CHARS = 40


@dataclass(frozen=True)
class Identity:
    """An authenticated person or program. kind: session (a person at the page), token or local
    (a program).

    `session` is the stored hash of the session; confirmed_ms is the time of its last password
    check and now_ms that of the request, both on the SecurityClock."""

    kind: str
    name: str
    role: Role
    address: str = ""
    session: bytes = b""
    confirmed_ms: int = 0
    now_ms: int = 0

    @property
    def audited_name(self) -> str:
        """The name in the audit log."""
        return self.name if self.kind == "session" else f"{self.kind} {self.name}"

    def actor_name(self, claimed: str) -> str:
        """Return the name that is recorded for a request.

        For a person it is the user name, whatever the request claims. A program may claim a name;
        with a token, the token's name is appended."""
        if self.kind == "session":
            return self.name
        if self.kind == "local":
            return claimed
        if claimed == "api":
            return self.name
        room = MOST_NAME_CHARS - len(self.name) - 3
        return f"{claimed[:room]} ({self.name})" if room > 0 else self.name


_current: ContextVar[Identity | None] = ContextVar("identity", default=None)


def holder_of(who: Identity | None) -> tuple[str, str, bytes]:
    """Return what tells a ticket of this session from those of others."""
    return ("", "", b"") if who is None else (who.kind, who.name, who.session)


def set_identity(identity: Identity | None) -> None:
    """Set the identity for the rest of the current request."""
    _current.set(identity)


def current_identity() -> Identity | None:
    """Return the identity of the current request; None outside a request (the host itself)."""
    return _current.get()


@contextmanager
def by_the_host_itself() -> Iterator[None]:
    """Act outside the current request: what is done is not what it asked for, and its own row of
    the audit log does not stand for it."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


def verified_name(claimed: str) -> str:
    """Return the name to record for a request that claims the name `claimed`."""
    who = current_identity()
    return claimed if who is None else who.actor_name(claimed)


def check_recent_password() -> None:
    """Raise PasswordNotRecent if a person's last password check is too old. Programs pass."""
    who = current_identity()
    if who is None or who.kind != "session" or who.confirmed_ms == NEVER_AGAIN_MS:
        return
    if not 0 <= who.now_ms - who.confirmed_ms <= FRESH_MS:
        raise PasswordNotRecent


def check_not_token() -> None:
    """Raise TokenRefused for an API token, which proves no password. The local command line
    passes: its user reads the data folder anyway."""
    who = current_identity()
    if who is not None and who.kind == "token":
        raise TokenRefused

"""Who asks: the person or program behind the request that is being answered."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from idroserra.auth.errors import PasswordNotRecent
from idroserra.auth.roles import Role

FRESH_MS = 5 * 60_000
MOST_NAME_CHARS = 40


@dataclass(frozen=True)
class Identity:
    """Somebody who was let in. kind: session (a person at a page), token or local (a program).

    `session` is the stored hash of the session, confirmed_unix_ms when its password was last
    given."""

    kind: str
    name: str
    role: Role
    address: str = ""
    session: bytes = b""
    confirmed_unix_ms: int = 0
    now_unix_ms: int = 0

    def actor_name(self, claimed: str) -> str:
        """Return the name that goes with what this one asks for.

        A person's is that of the log-in, whatever the request claims. A program may say for whom
        it asks; what a token claims is marked with the token's name."""
        if self.kind == "session":
            return self.name
        if self.kind == "local":
            return claimed
        if claimed == "api":
            return self.name
        room = MOST_NAME_CHARS - len(self.name) - 3
        return f"{claimed[:room]} ({self.name})" if room > 0 else self.name


_now: ContextVar[Identity | None] = ContextVar("who", default=None)


def set_identity(who: Identity | None) -> None:
    """Say who asks, for the rest of the running request."""
    _now.set(who)


def current_identity() -> Identity | None:
    """Return who asks; None outside a request: the host itself."""
    return _now.get()


def verified_name(claimed: str) -> str:
    """Return the true name of who asks, for one that a request claims."""
    who = current_identity()
    return claimed if who is None else who.actor_name(claimed)


def check_recent_password() -> None:
    """Raises NotFresh where a person's password was last given too long ago. Programs pass."""
    who = current_identity()
    if who is None or who.kind != "session":
        return
    if who.now_unix_ms - who.confirmed_unix_ms > FRESH_MS:
        raise PasswordNotRecent

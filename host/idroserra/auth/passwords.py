"""Hashes of secrets: Argon2id for passwords, SHA-256 for random tokens."""

from __future__ import annotations

import hashlib
import secrets
import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from idroserra.auth.errors import InvalidRequest, TooManyAttempts
from idroserra.core.text import Text
from idroserra.i18n.marker import N_

MIN_CHARS = 12
MAX_CHARS = 200
TOKEN_BYTES = 32
TOKEN_PREFIX = "idro_"  # for scanners of leaked secrets

_HASHER = PasswordHasher()  # second recommended option of RFC 9106: 3 passes over 64 MiB
# One hash at a time: each needs 64 MiB, and a flood of log-ins must not exhaust the memory.
_ONE = threading.Lock()
MAX_WAITING = 10
BUSY_S = 5
_WAITING = threading.BoundedSemaphore(MAX_WAITING)


def check_password(password: str, name: str) -> None:
    """Check the length of a password, and that it is not the name. Raises InvalidRequest."""
    if len(password) < MIN_CHARS:
        raise InvalidRequest(Text(N_(
            "password: at least {count} characters needed; a sentence is fine"), count=MIN_CHARS))
    if len(password) > MAX_CHARS:
        raise InvalidRequest(Text(N_("password: at most {count} characters"), count=MAX_CHARS))
    if len(set(password)) < 5 or name.casefold() * 2 in password.casefold():
        raise InvalidRequest(N_("password: too easy to guess"))


def hash_password(password: str) -> str:
    """Return the Argon2id hash with its salt and parameters."""
    with _ONE:
        return _HASHER.hash(password)


def is_password(hashed: str | None, password: str) -> bool:
    """Whether a password matches a hash; False after the same time if `hashed` is None.

    Raises TooManyAttempts if too many checks are waiting."""
    if not _WAITING.acquire(blocking=False):
        raise TooManyAttempts(BUSY_S, is_news=False)
    try:
        with _ONE:
            return _HASHER.verify(hashed or _dummy(), password[:MAX_CHARS]) and bool(hashed)
    except (VerificationError, InvalidHashError):
        return False
    finally:
        _WAITING.release()


def new_token() -> str:
    """Return a token of 256 random bits. It is shown once and never stored."""
    return TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """Return the stored hash of a token. As tokens are random, one round is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


@cache
def _dummy() -> str:
    """Return a hash that no password matches; the first call takes as long as a hash."""
    return _HASHER.hash(secrets.token_urlsafe(TOKEN_BYTES))

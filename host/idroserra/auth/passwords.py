"""Passwords and tokens: Argon2id for what people choose, SHA-256 for what the host made random."""

from __future__ import annotations

import hashlib
import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from idroserra.auth.errors import InvalidRequest, TooManyAttempts

LEAST_CHARS = 12
MOST_CHARS = 200
TOKEN_BYTES = 32
TOKEN_PREFIX = "idro_"  # so that a scan for leaked secrets finds one

_HASHER = PasswordHasher()  # RFC 9106's second choice: 3 passes over 64 MiB
# One at a time: each takes 64 MiB, and a flood of log-ins must not take the host's memory.
_ONE = threading.Lock()
MOST_WAITING = 10
BUSY_S = 5
_WAITING = threading.BoundedSemaphore(MOST_WAITING)


def check_password(password: str, name: str) -> None:
    """Refuse a password that is too short, too long, or the name. Raises Refused."""
    if len(password) < LEAST_CHARS:
        raise InvalidRequest(
            f"password: at least {LEAST_CHARS} characters needed; a sentence is fine")
    if len(password) > MOST_CHARS:
        raise InvalidRequest(f"password: at most {MOST_CHARS} characters")
    if len(set(password)) < 5 or name.casefold() * 2 in password.casefold():
        raise InvalidRequest("password: too easy to guess")


def hash_password(password: str) -> str:
    """Return the Argon2id hash with its salt and parameters."""
    with _ONE:
        return _HASHER.hash(password)


def is_password(hashed: str | None, password: str) -> bool:
    """True where the password is the one of the hash. No hash takes as long, and is False.

    Raises TooMany where many others wait for the same: the host has other things to do."""
    if not _WAITING.acquire(blocking=False):
        raise TooManyAttempts(BUSY_S, is_news=False)
    try:
        with _ONE:
            return _HASHER.verify(hashed or _nobody(), password[:MOST_CHARS]) and bool(hashed)
    except (VerificationError, InvalidHashError):
        return False
    finally:
        _WAITING.release()


def new_token() -> str:
    """Return 256 random bits as text. Shown once, never stored."""
    return TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """Return what is stored of a token: it is random, so one round is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


_made: list[str] = []


def _nobody() -> str:
    """Return a hash that no password has, made at the first use: it takes a while."""
    if not _made:
        _made.append(_HASHER.hash(secrets.token_urlsafe(TOKEN_BYTES)))
    return _made[0]

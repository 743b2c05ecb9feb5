"""Errors of users, sessions and tokens.

AccessError
    InvalidRequest(why)         invalid or impossible request
    UnknownUserOrToken(why)     no such user or token
    WrongPassword               wrong name or password; the message does not tell which
    TooManyAttempts(wait_s)     too many failures: wait
    PasswordNotRecent           the password must be confirmed first
"""

from __future__ import annotations

from idroserra.core.errors import HostError


class AccessError(HostError):
    """Base class of the errors of this package."""


class InvalidRequest(AccessError):
    """An invalid or impossible request. The message names the field and the reason."""


class UnknownUserOrToken(AccessError):
    """No such user or token."""


class WrongPassword(AccessError):
    """Wrong name or password; the message does not tell which."""

    def __init__(self) -> None:
        super().__init__("name or password is wrong")


class TooManyAttempts(AccessError):
    """Too many failed attempts: wait `wait_s` seconds. is_news: the first refusal in a row."""

    def __init__(self, wait_s: int, *, is_news: bool) -> None:
        wait = f"{-(-wait_s // 60)} min" if wait_s > 60 else f"{wait_s} s"
        super().__init__(f"too many log-ins that failed: wait {wait}, then try again")
        self.wait_s = wait_s
        self.is_news = is_news


class PasswordNotRecent(AccessError):
    """The last password check is too old: the password must be confirmed."""

    def __init__(self) -> None:
        super().__init__(
            "confirm your password: this action needs one entered in the last 5 minutes")

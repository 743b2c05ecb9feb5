"""Errors of users, sessions and tokens.

AccessError
    InvalidRequest(why)         invalid or impossible request
    UnknownUserOrToken(why)     no such user or token
    WrongPassword               wrong name or password; the message does not tell which
    TooManyAttempts(wait_s)     too many failures: wait
    PasswordNotRecent           the password must be confirmed first
    TokenRefused                only a person may do this, not a token
"""

from __future__ import annotations

from idroserra.core.errors import HostError
from idroserra.core.text import Text
from idroserra.i18n.marker import N_


class AccessError(HostError):
    """Base class of the errors of this package."""


class InvalidRequest(AccessError):
    """An invalid or impossible request. The message names the field and the reason."""


class UnknownUserOrToken(AccessError):
    """No such user or token."""


class WrongPassword(AccessError):
    """Wrong name or password; the message does not tell which."""

    def __init__(self) -> None:
        super().__init__(N_("name or password is wrong"))


class TooManyAttempts(AccessError):
    """Too many failed attempts: wait `wait_s` seconds. is_news: the first refusal in a row."""

    def __init__(self, wait_s: int, *, is_news: bool) -> None:
        super().__init__(
            Text(N_("too many log-ins that failed: wait {minutes} min, then try again"),
                 minutes=-(-wait_s // 60)) if wait_s > 60
            else Text(N_("too many log-ins that failed: wait {seconds} s, then try again"),
                      seconds=wait_s))
        self.wait_s = wait_s
        self.is_news = is_news


class PasswordNotRecent(AccessError):
    """The last password check is too old: the password must be confirmed."""

    def __init__(self) -> None:
        super().__init__(N_(
            "confirm your password: this action needs one entered in the last 5 minutes"))


class TokenRefused(AccessError):
    """The action is closed to API tokens."""

    def __init__(self) -> None:
        super().__init__(N_("an API token may not make or download a backup with keys: log in on "
                            "the page, or use a terminal on the host's machine"))

"""Errors of users, sessions and tokens."""

from __future__ import annotations

from idroserra.core.errors import Forbidden, HostError, InvalidInput, NotFound, TooMany
from idroserra.core.text import Text
from idroserra.i18n.marker import N_


class AccessError(HostError):
    """Base class of the errors of this package."""


class InvalidRequest(InvalidInput, AccessError):
    """An invalid or impossible request. The message names the field and the reason."""


class UnknownUserOrToken(NotFound, AccessError):
    """No such user or token."""


class WrongPassword(Forbidden, AccessError):
    """Wrong name or password; the message does not tell which."""

    def __init__(self) -> None:
        super().__init__(N_("name or password is wrong"))


class LockedOut(Forbidden, AccessError):
    """An admin of this host keeps this user of an OpenID provider out."""

    def __init__(self, name: str) -> None:
        super().__init__(Text(
            N_("{name} is locked out of this host: ask one of its admins"), name=name))
        self.name = name


class TooManyAttempts(TooMany, AccessError):
    """Too many failed attempts: wait `wait_s` seconds. is_news: the first refusal in a row."""

    def __init__(self, wait_s: int, *, is_news: bool) -> None:
        super().__init__(
            Text(N_("too many log-ins that failed: wait {minutes} min, then try again"),
                 minutes=-(-wait_s // 60)) if wait_s > 60
            else Text(N_("too many log-ins that failed: wait {seconds} s, then try again"),
                      seconds=wait_s))
        self.wait_s = wait_s
        self.is_news = is_news


class PasswordNotRecent(Forbidden, AccessError):
    """The last password check is too old: the password must be confirmed."""

    def __init__(self) -> None:
        super().__init__(N_(
            "confirm your password: this action needs one entered in the last 5 minutes"))


class TokenRefused(Forbidden, AccessError):
    """The action is closed to API tokens."""

    def __init__(self) -> None:
        super().__init__(N_("an API token may not make or download a backup with keys: log in on "
                            "the page, or use a terminal on the host's machine"))

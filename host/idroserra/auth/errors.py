"""What goes wrong with users, sessions and tokens.

AccessError
    Refused(why)            what was asked for is not possible as it stands
    Unknown(why)            no such user or token
    WrongPassword           name or password is wrong; which one is not told
    TooMany(wait_s)         too many failures: wait so long
    NotFresh                the password must be given again first
"""

from __future__ import annotations

from idroserra.core.errors import HostError


class AccessError(HostError):
    """Root of the errors of this package."""


class InvalidRequest(AccessError):
    """What was asked for is not possible as it stands. The message names the field and why."""


class UnknownUserOrToken(AccessError):
    """No such user or token."""


class WrongPassword(AccessError):
    """Name or password is wrong; which of them is not told."""

    def __init__(self) -> None:
        super().__init__("name or password is wrong")


class TooManyAttempts(AccessError):
    """Too many failures: `wait_s` seconds until the next try counts. is_news: the first one."""

    def __init__(self, wait_s: int, *, is_news: bool) -> None:
        wait = f"{-(-wait_s // 60)} min" if wait_s > 60 else f"{wait_s} s"
        super().__init__(f"too many log-ins that failed: wait {wait}, then try again")
        self.wait_s = wait_s
        self.is_news = is_news


class PasswordNotRecent(AccessError):
    """The password must be given again: the last time is too long ago."""

    def __init__(self) -> None:
        super().__init__("say your password again: this needs one given in the last 5 minutes")
